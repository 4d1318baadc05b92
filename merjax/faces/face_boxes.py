"""Where faces may be in a picture: the boxes that dlib's detector gives, from the surest way of asking it to the most patient.

The detector was trained on frontal faces of 80 px with some surroundings. A picture that a face fills shows it too little of
these: on such pictures it answers at a lower threshold, or when the picture is padded and enlarged.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import dlib
import numpy as np
from jaxtyping import UInt8

from merjax.faces.pictures import Image


class FaceBox(NamedTuple):
    """A square around a face, in the pixels of its picture; it may reach beyond the picture's edges."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def side(self) -> int:
        return self.right - self.left + 1  # as dlib counts

    def overlaps(self, other: "FaceBox") -> bool:
        """Whether the middle of one of them lies in the other."""
        return self._holds_middle_of(other) or other._holds_middle_of(self)

    def _holds_middle_of(self, other: "FaceBox") -> bool:
        x, y = (other.left + other.right) / 2, (other.top + other.bottom) / 2
        return self.left <= x <= self.right and self.top <= y <= self.bottom


def sure_boxes(image: Image) -> Iterator[tuple[int, list[FaceBox]]]:
    """For each way of looking, from the cheapest to the most patient: by how much the picture was padded, and the faces
    that the detector finds at its own threshold, the largest first."""
    for padding, scale in _ways(image.shape[0], image.shape[1]):
        yield padding, _boxes(image, padding, scale, 0.0)


def faint_boxes(image: Image) -> Iterator[tuple[int, list[FaceBox]]]:
    """The same at lower thresholds, of a picture that is twice as large where it is small.

    Boxes of a size that no clip's face has are left out: at low thresholds the detector answers to much that is no face.
    """
    height, width = image.shape[:2]
    shorter = min(height, width)
    for threshold in _THRESHOLDS:
        for padding, scale in [*_ways(height, width)][::-1]:
            boxes = _boxes(image, padding, scale, threshold)
            yield padding, [box for box in boxes if _LEAST * shorter <= box.side <= _MOST * shorter]


# The detector was trained on faces of 80 px: shrinking a frame with a larger face loses nothing and saves time.
_DETECTOR_SIDE = 320
_FEWEST = 2  # px of the shorter side of a shrunken picture
_PADDING = 0.3
_THRESHOLDS = (-0.3, -0.6)
_LEAST, _MOST = 0.2, 1.6  # of the picture's shorter side


def _ways(height: int, width: int) -> Iterator[tuple[int, int]]:
    """(padding in px, scale) from the cheapest to the most patient; a scale of -k shrinks k times, k enlarges."""
    shrink = min(
        max(height, width) // _DETECTOR_SIDE, min(height, width) // _FEWEST
    )  # of a strip, something must be left
    while shrink > 1:
        yield 0, -shrink
        shrink //= 2
    yield 0, 1
    # Cropped releases end at chin and brows; the detector needs some surroundings and a face of 80 px.
    padding = padding_of(height, width)
    yield padding, 1
    if max(height, width) < 2 * _DETECTOR_SIDE:
        yield 0, 2
        yield padding, 2


def padding_of(height: int, width: int) -> int:
    """By how many pixels a picture is padded that may show too little around a face."""
    return round(_PADDING * max(height, width))


def padded(image: Image, padding: int) -> Image:
    """The picture with its edges repeated around it."""
    if padding == 0:
        return np.ascontiguousarray(image)
    return cv2.copyMakeBorder(image, padding, padding, padding, padding, cv2.BORDER_REPLICATE)


def _boxes(image: Image, padding: int, scale: int, threshold: float) -> list[FaceBox]:
    """The faces of a padded picture at the given scale, the largest first."""
    found, _, _ = _detector().run(_scaled(padded(image, padding), scale), 0, threshold)
    return [_in_picture(box, padding, scale) for box in sorted(found, key=lambda box: -box.area())]


def _in_picture(box: Any, padding: int, scale: int) -> FaceBox:
    edges = (box.left(), box.top(), box.right(), box.bottom())
    if scale < 0:  # pixel i of the shrunken image is pixels k i ... k i + k - 1 of the image
        k = -scale
        edges = (k * edges[0], k * edges[1], k * edges[2] + k - 1, k * edges[3] + k - 1)
    else:
        edges = tuple(edge // scale for edge in edges)
    return FaceBox(*(edge - padding for edge in edges))


def _scaled(image: Image, scale: int) -> UInt8[np.ndarray, "h w *channels"]:
    height, width = image.shape[:2]
    if scale < 0:  # cut to a multiple of k, so that every shrunken pixel is the mean of exactly k x k pixels
        k = -scale
        whole = image[: height // k * k, : width // k * k]
        return cv2.resize(whole, (width // k, height // k), interpolation=cv2.INTER_AREA)
    if scale > 1:
        return cv2.resize(image, (width * scale, height * scale), interpolation=cv2.INTER_LINEAR)
    return image


@functools.cache
def _detector() -> Any:
    return dlib.get_frontal_face_detector()
