"""The crops of the code that the authors published in 2022: one face box, shrunk to fit a white canvas, and six fixed boxes.

This follows crop_6_ROIs.py of github.com/MouathAb/AnalyseMiE-CNN_LSTM_SE (commit e88e3ef), as far as we can read it. The 2021
paper shows the regions in a figure only; their sizes are the same. The box comes from the landmarks of a clip's first frame and
stays where it is. The whole face has no crop there.

Pillow does the fitting here too, since the pixels are those of its Lanczos kernel in fixed-point numbers and of its thumbnail,
which rounds the free side to the nearest aspect (since 7.0; the authors list 8.0.0).
"""

import math
from typing import NamedTuple

import numpy as np
import PIL.Image
from jaxtyping import Float, UInt8

from merjax.faces.crops import Points
from merjax.faces.pictures import Image
from merjax.faces.regions import Region
from merjax.system.errors import MerjaxError

CANVAS_HEIGHT, CANVAS_WIDTH = 280, 240
WHITE = 255  # of the bars; the authors' pictures have alpha 0 there, which their reader drops
# the left and top pixel of each region on the canvas
PLACES = {
    "eye_right": (0, 20),
    "eye_left": (140, 20),
    "nose": (60, 80),
    "cheek_right": (0, 120),
    "cheek_left": (180, 120),
    "mouth": (40, 180),
}

Canvas = UInt8[np.ndarray, "280 240 3"]


class FaceEdges(NamedTuple):
    """The face from brows to chin in whole pixels of its frame; the right column and the bottom row are not part of it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top


def face_edges(points: Points) -> FaceEdges:
    """The face between the outer ends of the brows, from the brows' second points down to the chin.

    Raises:
        MerjaxError: there is nothing between these points, as in a face that stands on its head.
    """
    x, y = np.rint(points).astype(int).T
    edges = FaceEdges(int(x[17]), int(min(y[18], y[25])), int(x[26]), int(y[8]))
    if min(edges.size) < 1:
        width, height = edges.size
        raise MerjaxError(
            f"the authors' face box, from brows to chin, would be {width} pixels wide and {height} high, since the face does "
            "not stand upright; use --geometry ours"
        )
    return edges


def on_canvas(image: Image, edges: FaceEdges) -> Canvas:
    """The face in the middle of the canvas, shrunk if it is larger, and never enlarged.

    Args:
        image: RGB values. Places outside of it are black.
        edges: of the face.
    """
    face = PIL.Image.fromarray(image).crop(edges)
    _shrink(face)
    left, top = _margins(face.size)
    canvas = np.full((CANVAS_HEIGHT, CANVAS_WIDTH, 3), WHITE, np.uint8)
    canvas[top : top + face.height, left : left + face.width] = np.asarray(face)
    return canvas


def cut_from_canvas(canvas: Canvas, region: Region) -> UInt8[np.ndarray, "height width 3"]:
    """One region's crop."""
    left, top = PLACES[region.name]
    return canvas[top : top + region.height, left : left + region.width]


def corners_in_frame(region: Region, edges: FaceEdges) -> Float[np.ndarray, "4 2"]:
    """Where in the frame the corners (x, y) of a region's crop lie, clockwise from the top left."""
    face = PIL.Image.new("L", edges.size)
    _shrink(face)
    left, top = PLACES[region.name]
    on_face = np.array(
        [
            [left, top],
            [left + region.width, top],
            [left + region.width, top + region.height],
            [left, top + region.height],
        ]
    ) - _margins(face.size)
    return np.array([edges.left, edges.top]) + on_face * np.divide(edges.size, face.size)


def _shrink(face: PIL.Image.Image) -> None:
    face.thumbnail((CANVAS_WIDTH, CANVAS_HEIGHT), PIL.Image.Resampling.LANCZOS)


def _margins(size: tuple[int, int]) -> tuple[int, int]:
    """Canvas pixels to the left of a face and above it."""
    return math.ceil((CANVAS_WIDTH - size[0]) / 2), math.ceil((CANVAS_HEIGHT - size[1]) / 2)
