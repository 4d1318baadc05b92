"""The mosaic of HTNet (Wang, Zhang, Luo, Sankaranarayana 2024): both eyes and both corners of the mouth of a flow image.

Its code seeks five facial points on each clip's apex and puts fixed points in their place where it finds none. Here they are
always the fixed ones, which need no picture of the face. The code takes a point's x for the row and its y for the column; that
swaps the right eye and the left corner of the mouth, and its names of the four crops fit the result.
"""

import numpy as np
from jaxtyping import UInt8

SIDE, _HALF = 28, 7
# (x, y) of the eyes and of the corners of the mouth; the code has one of the nose too and does not use it
_POINTS = ((9.53, 11.06), (21.40, 10.92), (10.26, 22.12), (20.58, 22.26))


def mosaic(picture_28x28xC: UInt8[np.ndarray, "28 28 channels"]) -> UInt8[np.ndarray, "28 28 channels"]:
    """Four 14 x 14 crops of a picture of 28 x 28 pixels: in the upper row the left eye and the left corner of the mouth, in the
    lower row the right ones. Left is the left of the picture."""
    first = np.clip(np.array(_POINTS), _HALF, SIDE - _HALF).astype(int) - _HALF  # so that every crop fits
    crops = [picture_28x28xC[row : row + 2 * _HALF, column : column + 2 * _HALF] for row, column in first]
    return np.vstack([np.hstack(crops[:2]), np.hstack(crops[2:])])
