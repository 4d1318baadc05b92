"""The files of a store that hold a row per frame, empty."""

from pathlib import Path

from merjax.stores.writing import allocate_rows, frame_arrays


def allocate(folder: Path, frames: int, *, frame_flow: bool = False) -> None:
    """Make them in gray; rows that are never written take no space."""
    for name, shape, dtype in frame_arrays(1, frame_flow=frame_flow):
        allocate_rows(folder, name, frames, shape, dtype)
