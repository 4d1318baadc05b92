"""The arrays of a store: their shapes, and how they are read."""

from pathlib import Path

import numpy as np

from merjax.faces.regions import FACE, REGIONS, Region
from merjax.system.own_files import reading

CROPS: tuple[Region, ...] = (*REGIONS, FACE)
Form = tuple[tuple[int | None, ...], str]  # shape, None for an axis that may have any length; type


def crop_shape(region: Region, channels: int) -> tuple[int, ...]:
    """Shape of a region's crop; gray values have no axis of channels."""
    return (region.height, region.width) if channels == 1 else (region.height, region.width, channels)


def frame_flow_name(region: Region) -> str:
    """Name, without its ending, of the file that holds a crop's motion in a store that was made with it."""
    return f"flow_{region.name}"


def memory_map(path: Path, form: Form, todo: str) -> np.ndarray:
    """An array whose file has the size that its header says, and whose header has this shape and type.

    Args:
        path: its file.
        form: the shape and type.
        todo: what to do if it is damaged, as the end of a sentence.

    Raises:
        MerjaxError: it is missing, cut off or another array.
    """
    shape, kind = form
    with reading(path, todo):
        try:
            array = np.load(path, mmap_mode="r")
        except ValueError as error:
            raise ValueError("it is cut off" if "mmap length" in str(error) else str(error)) from error
        if not isinstance(array, np.memmap) or path.stat().st_size != array.offset + array.nbytes:
            raise ValueError("its size is not the one that its header says")
        fits = len(array.shape) == len(shape) and all(b in (None, a) for a, b in zip(array.shape, shape, strict=True))
        if not fits or array.dtype.str != kind or not array.flags.c_contiguous:
            raise ValueError(f"it holds {array.dtype.str} of the shape {array.shape}, which this store does not have")
        return array


def read_rows(folder: Path, name: str, first_row: int, n_rows: int) -> np.ndarray:
    """Consecutive rows of a file, by memory map."""
    return np.load(folder / f"{name}.npy", mmap_mode="r")[first_row : first_row + n_rows]
