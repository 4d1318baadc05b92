"""The two ways of placing a clip's crops: merjax's own, and that of the code that the authors published in 2022.

Both give the six regions in the same sizes. The whole face is cut in merjax's way in both, since the authors' code has no crop
of it. The one picture of a clip's motion and the handcrafted features come from the whole face, so they are the same in both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float

from merjax.faces.authors_crops import FaceEdges, corners_in_frame, cut_from_canvas, face_edges, on_canvas
from merjax.faces.crops import Box, Points, Warp, corners, cut, region_boxes
from merjax.faces.pictures import Image
from merjax.faces.regions import FACE, REGIONS, Region

Geometry = Literal["ours", "authors"]


class Cutter(Protocol):
    """Cuts the crops of one clip, whose first frame says where they lie."""

    def crops(self, image: Image, warp: Warp | None = None) -> dict[str, np.ndarray]:
        """The crops of a frame by region name, those of the six regions and of the whole face.

        Args:
            image: the frame, gray or RGB.
            warp: where the first frame's pixels lie in it; None if they have not moved.
        """
        ...

    def corners(self, region: Region) -> Float[np.ndarray, "4 2"]:
        """The corners (x, y) of a region on the first frame, clockwise from the top left."""
        ...


def cutter(geometry: Geometry, points: Points) -> Cutter:
    """What cuts the crops of a clip.

    Args:
        geometry: "ours", one box for each region around its landmarks, all at one scale; or "authors", fixed boxes on a canvas
            that the face fits.
        points: the 68 points (x, y) on the clip's first frame.

    Raises:
        MerjaxError: the points give no box.
    """
    boxes = region_boxes(points)
    return _Ours(boxes) if geometry == "ours" else _Authors(face_edges(points), boxes[FACE.name])


@dataclass(frozen=True)
class _Ours:
    boxes: Mapping[str, Box]

    def crops(self, image: Image, warp: Warp | None = None) -> dict[str, np.ndarray]:
        return {region.name: cut(image, region, self.boxes[region.name], warp) for region in (*REGIONS, FACE)}

    def corners(self, region: Region) -> np.ndarray:
        return corners(region, self.boxes[region.name])


@dataclass(frozen=True)
class _Authors:
    edges: FaceEdges
    face: Box

    def crops(self, image: Image, warp: Warp | None = None) -> dict[str, np.ndarray]:
        assert warp is None, "the authors' boxes stay where they are"
        canvas = on_canvas(image, self.edges)
        return {region.name: cut_from_canvas(canvas, region) for region in REGIONS} | {
            FACE.name: cut(image, FACE, self.face)
        }

    def corners(self, region: Region) -> np.ndarray:
        return corners_in_frame(region, self.edges)
