"""The files of a store that hold a row per frame, empty."""

from pathlib import Path

import numpy as np

from merjax.stores.arrays import CROPS, crop_shape, frame_flow_name
from merjax.stores.writing import allocate_rows, crop_arrays


def allocate(folder: Path, frames: int, *, frame_flow: bool = False) -> None:
    """Make them in gray, and those of motion as earlier versions did; rows that are never written take no space."""
    for name, shape, dtype in crop_arrays(1):
        allocate_rows(folder, name, frames, shape, dtype)
    for region in CROPS if frame_flow else ():
        allocate_rows(folder, frame_flow_name(region), frames, crop_shape(region, 3), np.int8)
