"""From 68 landmarks to the six region crops and the whole face (Sec. 3.1, Fig. 5).

The paper shows the regions in a figure only, so the box formulas are merjax's own. They are measured in d, the distance of
the two eye centres: a crop of H x W pixels covers H d / 105 by W d / 105 image pixels, so that all six regions share one
scale and keep their aspect.
"""

import functools
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from merjax.faces.pictures import Image
from merjax.faces.regions import FACE, REGIONS, Region

INTER_OCULAR = 105.0  # d in crop pixels
FACE_SIDE = 2.4  # side of the whole-face square in units of d

Points = Float[np.ndarray, "68 2"]
Warp = Float[np.ndarray, "2 3"]  # where a pixel (x, y, 1) of the first frame lies in another frame


class Box(NamedTuple):
    """A crop's place in the image: its centre (x, y) in pixels, and image pixels per crop pixel."""

    x: float
    y: float
    unit: float


def inter_ocular_distance(points: Points) -> float:
    """Distance in pixels of the two eye centres, each the mean of its six points."""
    return float(np.hypot(*(points[36:42].mean(0) - points[42:48].mean(0))))


def region_boxes(points: Points) -> dict[str, Box]:
    """Boxes of the six regions and of the whole face, by name, from the 68 points (x, y) of a clip's first frame."""
    d = inter_ocular_distance(points)
    unit = d / INTER_OCULAR
    nose = next(region for region in REGIONS if region.name == "nose")
    x, y = points[:, 0], points[:, 1]
    lower_lids, corners_y = (y[[40, 41]].mean(), y[[46, 47]].mean()), (y[48], y[54])
    centres = {
        "eye_right": _middle_of_extent(points[[*range(17, 22), *range(36, 42)]]),
        "eye_left": _middle_of_extent(points[[*range(22, 27), *range(42, 48)]]),
        "nose": (x[27:36].mean(), y[33] + 0.12 * d - nose.height * unit / 2),
        "cheek_right": (0.55 * x[31] + 0.45 * x[2], (lower_lids[0] + corners_y[0]) / 2),
        "cheek_left": (0.55 * x[35] + 0.45 * x[14], (lower_lids[1] + corners_y[1]) / 2),
        "mouth": _middle_of_extent(points[48:68]),
    }
    boxes = {name: Box(float(cx), float(cy), unit) for name, (cx, cy) in centres.items()}
    boxes[FACE.name] = Box(*_middle_of_extent(points), FACE_SIDE * d / FACE.height)
    return boxes


def face_points(points: Points) -> Points:
    """The 68 points of a clip's first frame in pixels (x, y) of its whole-face crop."""
    box = region_boxes(points)[FACE.name]
    return (points - [box.x, box.y]) / box.unit + [(FACE.width - 1) / 2, (FACE.height - 1) / 2]


def cut(
    image: Image, region: Region, box: Box, warp: Warp | None = None
) -> UInt8[np.ndarray, "height width *channels"]:
    """Resample one region out of an image, low-passed first where it shrinks.

    Under a warp the kernel is Lanczos's, which puts a pixel within 0.017 px of its place, measured at all fractions of a pixel
    on natural images. Boxes that do not move take the cubic kernel, in a fifth of the time. It is up to 0.03 px off, depending
    on the fraction; the fraction is then the same in all frames, so the error adds no motion.

    Args:
        image: gray, or with channels last. Places outside of it repeat its border.
        region: gives the crop's size.
        box: the crop's place in the first frame.
        warp: where the first frame's pixels lie in this one; None if they have not moved.
    """
    map_x, map_y = _grid(region, box)
    kernel = cv2.INTER_CUBIC
    if warp is not None:
        (a, b, dx), (c, d, dy) = np.asarray(warp, np.float32)
        map_x, map_y = a * map_x + b * map_y + dx, c * map_x + d * map_y + dy
        kernel = cv2.INTER_LANCZOS4
    (left, right), (top, bottom) = _span(map_x, image.shape[1]), _span(map_y, image.shape[0])
    patch = image[top:bottom, left:right]
    if box.unit > 1:
        # the blur that takes a unit-pixel footprint to one of `unit` pixels
        patch = cv2.GaussianBlur(patch, (0, 0), 0.5 * np.sqrt(box.unit**2 - 1) + 1e-6, borderType=cv2.BORDER_REPLICATE)
    return cv2.remap(patch, map_x - left, map_y - top, kernel, borderMode=cv2.BORDER_REPLICATE)


def corners(region: Region, box: Box) -> Float[np.ndarray, "4 2"]:
    """The box's corners (x, y) in the image, clockwise from the top left."""
    half_w, half_h = region.width * box.unit / 2, region.height * box.unit / 2
    return np.array([box.x, box.y]) + np.array(
        [[-half_w, -half_h], [half_w, -half_h], [half_w, half_h], [-half_w, half_h]]
    )


_MARGIN = 8  # image pixels kept around a box for the blur and the kernel


def _middle_of_extent(points: Float[np.ndarray, "n 2"]) -> tuple[float, float]:
    x, y = (points.min(0) + points.max(0)) / 2
    return float(x), float(y)


def _span(positions_HxW: np.ndarray, size: int) -> tuple[int, int]:
    """The first pixel of an axis that positions along it need, and the last + 1; at least the pixel at the border."""
    corners = positions_HxW[[0, 0, -1, -1], [0, -1, 0, -1]].tolist()  # the map is affine: its extremes are there
    first = min(max(int(min(corners)) - _MARGIN, 0), size - 1)
    return first, min(max(int(max(corners)) + _MARGIN + 2, first + 1), size)


@functools.lru_cache(maxsize=16)  # the boxes of a clip serve all its frames
def _grid(region: Region, box: Box) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Where in the first frame each pixel (x, y) of a crop lies."""
    columns = box.x + (np.arange(region.width) - (region.width - 1) / 2) * box.unit
    rows = box.y + (np.arange(region.height) - (region.height - 1) / 2) * box.unit
    map_x, map_y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    return map_x, map_y
