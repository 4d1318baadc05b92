"""Follows a face through a video: where a crop of it lies in each picture, by shift, turn and scale of the head.

A crop is a square around the face, as OF-FD places it: with e, half the distance of the inner eye corners, it reaches from 3 e
above their middle to 5 e below and 4 e to either side. It has 256 px, so that these corners are 64 px apart. Motion is measured
on a part of it, from above the brows to below the mouth, by dense flow from the crop of an earlier frame; the head's motion is
what fits best to the parts of the face that expressions move least, and the rest is the face's own.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from merjax.faces.crops import Points
from merjax.faces.flow import Flow, dense_flow
from merjax.faces.head_motion import similarity
from merjax.faces.pictures import Image

SIDE = 256  # px of a crop
PART = np.s_[32:228, 28:228]  # of a crop: rows and columns in which motion is measured
_TOP, _LEFT = 32, 28
_INNER_CORNERS = 64.0  # px
_EYES_AT = (SIDE / 2, SIDE * 3 / 8)  # the middle of the inner eye corners
_SPACING = 10  # px between the places to which the head's motion is fitted
_SHRUNKEN = 4  # times smaller: pictures that are compared as a whole

Placement = Float[np.ndarray, "2 3"]  # takes (x, y, 1) of a crop to (x, y) in the picture
Crop = UInt8[np.ndarray, "rows columns"]


def placed(points: Points) -> Placement:
    """The placement of a crop by landmarks in the picture: level with the eyes."""
    right, left = points[36:40], points[42:46]
    middle, across = (points[39] + points[42]) / 2, left.mean(0) - right.mean(0)
    unit = (
        max(float(np.hypot(*(points[42] - points[39]))), 1e-6) / _INNER_CORNERS
    )  # picture's pixels per pixel of the crop
    cosine, sine = unit * across / max(float(np.hypot(*across)), 1e-6)
    turn_2x2 = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn_2x2, middle - turn_2x2 @ _EYES_AT])


def moved(points_Nx2: Float[np.ndarray, "N 2"], placement: Placement) -> Float[np.ndarray, "N 2"]:
    """Where points of a crop lie in the picture."""
    return points_Nx2 @ placement[:, :2].T + placement[:, 2]


def in_crop(points_Nx2: Float[np.ndarray, "N 2"], placement: Placement) -> Float[np.ndarray, "N 2"]:
    """Where points of the picture lie in a crop."""
    return (points_Nx2 - placement[:, 2]) @ np.linalg.inv(placement[:, :2]).T


def followed(placement: Placement, motion: Placement) -> Placement:
    """The placement after the head has moved as a similarity of the crop's own pixels says."""
    return np.column_stack([placement[:, :2] @ motion[:, :2], moved(motion[:, 2][None], placement)[0]])


def pixels_per_unit(placement: Placement) -> float:
    """How many pixels of the picture one of the crop is wide."""
    return float(np.hypot(*placement[:, 0]))


def cut_crop(image: Image, placement: Placement, side: int = SIDE) -> UInt8[np.ndarray, "side side"]:
    """The crop of a gray picture, in a given size; places outside of the picture repeat its border."""
    scale = SIDE / side
    # the middles of pixels: pixel 0 of a crop half as large lies between pixels 0 and 1
    matrix = np.column_stack([placement[:, :2] * scale, placement[:, 2] + placement[:, :2].sum(1) * (scale - 1) / 2])
    shrink = int(pixels_per_unit(matrix) + 0.25)
    if shrink > 1:  # means of whole squares of pixels: without them, fine patterns would show as coarse ones
        height, width = (length // shrink * shrink for length in image.shape[:2])
        image = cv2.resize(image[:height, :width], (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
        matrix = matrix / shrink
        matrix[:, 2] -= (shrink - 1) / (2 * shrink)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


class Followed(NamedTuple):
    """What one frame shows against an earlier one.

    Attributes:
        flow: the motion of each pixel of the crop's part `PART`, in its pixels, the head's motion among it.
        head: the head's motion, as a similarity of the crop's pixels, beyond what the placement already held.
        likeness: how alike the two crops are: the correlation of their values, seen from afar.
    """

    flow: Flow
    head: Placement
    likeness: float


class Reference:
    """A frame to which later ones are compared."""

    def __init__(self, crop: Crop, points: Points) -> None:
        """Args: crop, the face of 256 x 256 px; points, its landmarks in the crop's pixels."""
        self._part, self.points = np.ascontiguousarray(crop[PART]), points
        self._from_afar = _from_afar(self._part)
        rows, columns = np.nonzero(_still(points)[PART][_SPACING // 2 :: _SPACING, _SPACING // 2 :: _SPACING])
        self._rows, self._columns = (at * _SPACING + _SPACING // 2 for at in (rows, columns))
        self._places_Nx2 = np.stack([self._columns, self._rows], 1) + np.array([_LEFT, _TOP], float)

    def followed(self, crop: Crop) -> Followed:
        """How the face of a later crop, of the same size, has moved."""
        part = np.ascontiguousarray(crop[PART])
        flow = dense_flow(self._part, part)
        middle = np.array(_EYES_AT)
        source = self._places_Nx2 - middle
        a, b, x, y = similarity(source, source + flow[self._rows, self._columns])
        turn_2x2 = np.array([[a, -b], [b, a]])
        head = np.column_stack([turn_2x2, middle + [x, y] - turn_2x2 @ middle])
        return Followed(flow, head, _likeness(self._from_afar, _from_afar(part)))


def _from_afar(part: Crop) -> Float32[np.ndarray, "rows columns"]:
    height, width = part.shape
    small = cv2.resize(part, (width // _SHRUNKEN, height // _SHRUNKEN), interpolation=cv2.INTER_AREA).astype(np.float32)
    return small - small.mean()


def likeness(one: Crop, other: Crop) -> float:
    """How alike two crops of one size are, seen from afar: the correlation of their values."""
    return _likeness(_from_afar(one), _from_afar(other))


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / max(float(np.sqrt((one**2).sum() * (other**2).sum())), 1e-6))


def _still(points: Points) -> Bool[np.ndarray, "side side"]:
    """The pixels of a face that expressions, blinks and speech move least: forehead and nose, and beside the eyes."""
    within: np.ndarray = np.zeros((SIDE, SIDE), np.uint8)
    moving: np.ndarray = np.zeros((SIDE, SIDE), np.uint8)
    brow = points[17:27] - [0, 0.6 * _INNER_CORNERS]  # as far up as hair usually leaves the forehead free
    cv2.fillConvexPoly(within, cv2.convexHull(np.concatenate([points[:17], brow]).round().astype(np.int32)), 1)
    within = cv2.erode(within, _disc(10))
    for own in (points[17:22], points[22:27], points[36:42], points[42:48], points[48:60], points[4:13]):
        cv2.fillConvexPoly(moving, cv2.convexHull(own.round().astype(np.int32)), 1)
    return (within > 0) & (cv2.dilate(moving, _disc(14)) == 0)


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
