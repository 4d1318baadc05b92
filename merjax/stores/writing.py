"""Writes the parts of a store: sparse files of rows, tables, hashes."""

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.stores.arrays import CROPS, crop_shape
from merjax.stores.store import RECORDS
from merjax.system.errors import MerjaxError
from merjax.system.paths import lacks_folder, refuse_unwritable


def refuse_occupied(out: Path) -> None:
    """Refuse the place of a store that is to be made, before any work is done for it.

    Raises:
        MerjaxError: something lies there, or nothing can be written there.
    """
    if os.path.lexists(out):
        lacking = lacks_folder(out)
        added = "" if lacking else " (features are added to a store by a line that names no release)"
        raise MerjaxError(f"{out} {lacking or 'exists'}; remove it or choose another output folder{added}")
    refuse_unwritable(out.parent)


def crop_arrays(channels: int) -> Iterator[tuple[str, tuple[int, ...], type]]:
    """The files of a store that hold its crops: name, shape of a row, type."""
    for region in CROPS:
        yield region.name, crop_shape(region, channels), np.uint8


def is_allocated(folder: Path, name: str, rows: int, shape: tuple[int, ...], dtype: type) -> bool:
    """Whether there is such a file as `allocate_rows` makes."""
    try:
        array = np.load(folder / f"{name}.npy", mmap_mode="r")
    except Exception:  # of a damaged file, NumPy raises errors of many kinds
        return False
    return array.shape == (rows, *shape) and array.dtype == dtype


def allocate_rows(folder: Path, name: str, rows: int, shape: tuple[int, ...], dtype: type) -> None:
    """Make one sparse `.npy` file of rows to be filled later."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (rows, *shape)}
    with (folder / f"{name}.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * int(np.prod(shape)) * np.dtype(dtype).itemsize)


def write_rows(folder: Path, name: str, first_row: int, rows: np.ndarray) -> None:
    """Write consecutive rows into a file that `allocate_rows` made for their shape and type.

    Raises:
        OSError: on a full disk. (A write through a memory map would kill the process instead.)
    """
    with (folder / f"{name}.npy").open("r+b") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        file.seek(first_row * rows[0].nbytes, os.SEEK_CUR)
        file.write(np.ascontiguousarray(rows).data)


def clip_hash(arrays: Iterable[np.ndarray]) -> str:
    """Hash of all pixels of one clip: its crops in the order of `CROPS`, or its part of a feature."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def content_hash(index: pd.DataFrame, clip_hashes: Sequence[str], settings: dict[str, Any]) -> str:
    """Hash of a whole store: its annotations, its crops and how they were made, whatever the order of the clips. What tells how
    a clip's pictures were read is no part of it: the crops show the result."""
    told = index.drop(columns=["first_row", *RECORDS], errors="ignore")
    rows = ("|".join(map(str, row)) for row in told.itertuples(index=False))
    lines = sorted(f"{row}|{crops}" for row, crops in zip(rows, clip_hashes, strict=True))
    return hashlib.blake2b("\n".join([repr(settings), *lines]).encode(), digest_size=16).hexdigest()


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an .npy file, built in memory first: NumPy's own errors do not tell a full disk from other faults."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getvalue())
