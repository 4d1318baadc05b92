"""Writes the parts of a motion store: the arrays of a video, and `motion.json`."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np

from merjax.stores.motion_store import FORMAT, FORMS, MARKER, StoredVideo
from merjax.stores.writing import write_array
from merjax.system.files import write_json
from merjax.system.own_files import sealed
from merjax.system.versions import __version__


def video_folder(number: int) -> str:
    """The folder of a video by its number, relative to its store."""
    return f"videos/{number:04d}"


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays of a video, by their names in `FORMS`."""
    for name, array in arrays.items():
        write_array(folder / f"{name}.npy", np.asarray(array, FORMS[name][1]))


class GrowingArray:
    """An `.npy` file of a video to which rows are added one by one, so that they need not be in memory together."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = (folder / f"{name}.npy").open("wb")
        (_, *self._row), self._type = FORMS[name][0], FORMS[name][1]
        self._rows = 0
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()  # NumPy leaves room in it for a number of rows that grows

    def add(self, row: np.ndarray) -> None:
        """Add a row."""
        self._file.write(np.ascontiguousarray(row, self._type).data)
        self._rows += 1

    def _write_header(self) -> None:
        header = {"descr": self._type, "fortran_order": False, "shape": (self._rows, *self._row)}
        np.lib.format.write_array_header_1_0(self._file, header)


def rows_of(folder: Path, name: str) -> Iterator[np.ndarray]:
    """The rows of an array of a video one by one; a memory map would hold them all in the end."""
    row, kind = tuple(length for length in FORMS[name][0][1:] if length is not None), FORMS[name][1]
    with (folder / f"{name}.npy").open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        while part := file.read(int(np.prod(row)) * np.dtype(kind).itemsize):
            yield np.frombuffer(part, kind).reshape(row)


def video_hash(folder: Path) -> str:
    """Hash of all arrays of a video that are in `FORMS`, which are read in parts: a memory map would hold them all."""
    digest = hashlib.blake2b(digest_size=16)
    for name in FORMS:
        with (folder / f"{name}.npy").open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            while part := file.read(_PART):
                digest.update(part)
    return digest.hexdigest()


_PART = 2**20  # bytes


def motion_hash(videos: Sequence[StoredVideo], hashes: Sequence[str], settings: Mapping[str, Any]) -> str:
    """Hash of a whole store, whatever the order of its videos."""
    own = [
        json.dumps([video.key, video.fps, video.truth, video.gaps, arrays])
        for video, arrays in zip(videos, hashes, strict=True)
    ]
    lines = [json.dumps(settings, sort_keys=True), *sorted(own)]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def close_motion_store(
    folder: Path,
    videos: Sequence[StoredVideo],
    hashes: Sequence[str],
    settings: Mapping[str, Any],
    **said: Any,
) -> None:
    """Write a store's `motion.json`, which makes the folder a store.

    Args:
        folder: the store, whose videos' arrays are written.
        videos, hashes: the videos, and `video_hash` of each.
        settings: how their motion was measured.
        said: what else `motion.json` is to say.
    """
    meta = {
        "format": FORMAT,
        "version": __version__,
        "settings": settings,
        "videos": [asdict(video) | {"truth": [list(true) for true in video.truth]} for video in videos],
        "hashes": list(hashes),
        "hash": motion_hash(videos, hashes, settings),
        **said,
    }
    write_json(folder / MARKER, sealed(meta))
