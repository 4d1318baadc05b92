"""The pictures of motion that SOFTNet takes (Liong et al. 2021): brows and eyes above, the mouth below; u, v and strain.

As in the authors' code (genbing99/SoftNet-SpotME), from a gray face of 128 x 128 px: the motion of the nose is taken off, the
eyes are blotted out, and each channel is spread over all values. The flow is dense inverse search in place of TV-L1, which not
every OpenCV has.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from merjax.faces.crops import Points
from merjax.faces.flow import Flow, dense_flow, scaled

SHAPE = (42, 42, 3)
_NOSE, _HALF_NOSE = 28, 5  # landmark, and px around it: a patch of 11 x 11
_EYES = (range(36, 42), range(42, 48))
_LIDS = 15  # px by which an eye's outline is moved outwards
_MARGIN = 12

Face = UInt8[np.ndarray, "128 128"]


def softnet_picture(first: Face, second: Face, points: Points) -> UInt8[np.ndarray, "42 42 3"]:
    """The motion from one crop of a face to another.

    Args:
        first, second: the crops.
        points: the landmarks in their pixels.
    """
    flow = dense_flow(first, second)
    channels = np.dstack([flow, _strain(flow)])
    nose = channels[_around(points[_NOSE], channels.shape)].mean((0, 1))
    channels[..., :2] = np.abs(channels[..., :2] - nose[:2])
    channels[..., 2] -= nose[2]
    for eye in _EYES:
        cv2.fillPoly(channels, [_blotted(points[list(eye)])], (0, 0, 0))
    return scaled(np.concatenate([_resized(channels, box) for box in _boxes(points, channels.shape)]))


def _strain(flow: Flow) -> Float32[np.ndarray, "height width"]:
    """Strain by differences to the next pixel, as in the authors' code; the last row and column repeat those before."""
    across = np.diff(flow, axis=1)
    across = np.concatenate([across, across[:, -1:]], 1)
    down = np.diff(flow, axis=0)
    down = np.concatenate([down, down[-1:]], 0)
    shear = down[..., 0] + across[..., 1]
    return np.sqrt(across[..., 0] ** 2 + down[..., 1] ** 2 + shear**2 / 2)


def _around(point: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    x, y = np.clip(point.round().astype(int), _HALF_NOSE, np.array([shape[1], shape[0]]) - 1 - _HALF_NOSE)
    return slice(y - _HALF_NOSE, y + _HALF_NOSE + 1), slice(x - _HALF_NOSE, x + _HALF_NOSE + 1)


def _blotted(eye_6x2: np.ndarray) -> np.ndarray:
    """An eye's outline with its corners moved to the sides, its upper lid up and its lower lid down."""
    way = np.array([[-1, 0], [0, -1], [0, -1], [1, 0], [0, 1], [0, 1]])
    return (eye_6x2 + _LIDS * way).round().astype(np.int32)


def _boxes(points: Points, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Brows with eyes, and mouth."""
    x, y = points[:, 0], points[:, 1]
    brows = (x[17], min(y[19], y[24]), x[26], max(y[41], y[46]))
    mouth = (x[60], y[50], x[64], y[57])
    return _slices(brows, shape), _slices(mouth, shape)


def _slices(edges: tuple[float, float, float, float], shape: tuple[int, ...]) -> tuple[slice, slice]:
    left, top, right, bottom = edges
    rows, columns = (
        slice(max(0, min(int(low) - _MARGIN, size - 2)), max(2, min(int(high) + _MARGIN, size)))
        for low, high, size in ((top, bottom, shape[0]), (left, right, shape[1]))
    )
    return rows, columns


def _resized(channels: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    height, width, _ = SHAPE
    return cv2.resize(channels[box], (width, height // 2))
