"""The clip store: crops and annotations of prepared clips on disk, read by memory map.

A store is a folder with

- `index.parquet`: a row per clip, with what the release says of it, and `first_row`, the place of its onset frame;
- one `<region>.npy` per region and `face.npy`: `frames x height x width`, uint8;
- `landmarks.npy`: `clips x 68 x 2`, the points (x, y) on each clip's first frame, in pixels of the image;
- `dropped.parquet`: every clip that was left out, with its reason;
- `store.json`: version, sources, settings and content hash. It is written last: without it the folder is no store.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.errors import MerjaxError
from merjax.regions import FACE, REGIONS, Region

FORMAT = 1
CROPS: tuple[Region, ...] = (*REGIONS, FACE)


@dataclass(frozen=True)
class Store:
    """A finished clip store.

    Attributes:
        path: its folder.
        index: a row per clip: database, subject, clip, emotion, action_units, objective_class, onset, apex, offset, fps,
            n_frames, first_row.
        crops: by region name, a read-only memory map `frames x height x width` of uint8 (gray values 0-255).
        dropped: database, subject, clip and reason of the clips that were left out.
        meta: the contents of `store.json`.
    """

    path: Path
    index: pd.DataFrame
    crops: dict[str, np.ndarray]
    dropped: pd.DataFrame
    meta: dict[str, Any]

    @property
    def hash(self) -> str:
        """Hash of all crops and annotations: equal hashes mean equal data."""
        return self.meta["hash"]

    @property
    def statement(self) -> str:
        """What synthetic data says about itself; empty for a real release."""
        return " ".join(source["synthetic"] for source in self.meta["sources"] if source["synthetic"])


def open_store(path: Path | str) -> Store:
    """Open a finished store.

    Raises:
        MerjaxError: where there is none, or an unfinished one, or one of another version.
    """
    path = Path(path)
    marker = path / "store.json"
    if not marker.is_file():
        raise MerjaxError(
            f"{path} is not a finished clip store (it has no store.json); make one with "
            f"`python -m merjax.prepare --casme2 RELEASE --out {path}`"
        )
    meta = json.loads(marker.read_text())
    if meta["format"] != FORMAT:
        raise MerjaxError(
            f"{path} is a clip store of format {meta['format']}, this merjax reads format {FORMAT}; prepare it again"
        )
    crops = {region.name: np.load(path / f"{region.name}.npy", mmap_mode="r") for region in CROPS}
    return Store(path, pd.read_parquet(path / "index.parquet"), crops, pd.read_parquet(path / "dropped.parquet"), meta)


def allocate(folder: Path, n_frames: int) -> None:
    """Make the crop files of a store to be filled, for `n_frames` frames of all clips together.

    The files are sparse: rows that are never written, such as those of a clip that was dropped, take no space.
    """
    for region in CROPS:
        with (folder / f"{region.name}.npy").open("wb") as file:
            shape = (n_frames, region.height, region.width)
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            file.truncate(file.tell() + n_frames * region.height * region.width)


def write_rows(folder: Path, region: Region, first_row: int, frames: np.ndarray) -> None:
    """Write consecutive frames of one region into its crop file.

    Raises:
        OSError: on a full disk. (A write through a memory map would kill the process instead.)
    """
    with (folder / f"{region.name}.npy").open("r+b") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        file.seek(first_row * region.height * region.width, os.SEEK_CUR)
        file.write(np.ascontiguousarray(frames, np.uint8).data)


def clip_hash(frames: dict[str, np.ndarray]) -> str:
    """Hash of one clip's crops."""
    digest = hashlib.blake2b(digest_size=16)
    for region in CROPS:
        digest.update(np.ascontiguousarray(frames[region.name]).tobytes())
    return digest.hexdigest()


def content_hash(index: pd.DataFrame, clip_hashes: Sequence[str]) -> str:
    """Hash of a whole store: its annotations and its crops, whatever the order of the clips."""
    rows = index.drop(columns="first_row").astype(str).agg("|".join, axis=1)
    lines = sorted(f"{row}|{crops}" for row, crops in zip(rows, clip_hashes, strict=True))
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never a half."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(content, indent=1) + "\n")
    aside.replace(path)
