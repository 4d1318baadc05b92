"""Whether 68 points can be those of a face, whoever found the box in which they were sought.

dlib's points always look somewhat like a face, even on a wall. What tells most is whether they stay in place when the box is
moved: on a face they hardly follow it, on other things they go along by half of its way and more.

The limits were chosen by measuring: 204 photographs of 102 people (London Set), where no measure came near a limit (eyes .39 to
.48, follow up to .34); 2,226 crops of these, turned and tighter than the face, in which the points were right (error below .12
d), where follow reached 1.24; their points turned by up to 40 degrees to the side, by a mean face's depths (nose .47, mouth
.37, mouth_below .9 to 1.6, eye_widths 1.8). Of 152 boxes on things that are no faces, follow alone refuses 84
(benchmarks/README.md).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from merjax.faces.crops import Points, inter_ocular_distance


class Measures(NamedTuple):
    """What the limits apply to. d is the distance of the eye centres; "beside" and "below" are in the frame of the eyes.

    Attributes:
        eyes: d in sides of the face box.
        outside_box: how far points lie outside the face box, at most, in its sides.
        outside_picture: how far the points of eyes, nose and mouth lie outside the picture, at most, in d.
        nose, mouth: how far their middle lies beside the middle of the eyes, in d.
        mouth_below: how far the mouth's middle lies below the eyes, in d.
        eye_widths: the wider eye's width over the other's.
        follow: how far the points go along when the box moves by its side, in d.
    """

    eyes: float
    outside_box: float
    outside_picture: float
    nose: float
    mouth: float
    mouth_below: float
    eye_widths: float
    follow: float


LOWEST = Measures(0.2, 0, 0, 0, 0, 0.5, 0, -np.inf)
HIGHEST = Measures(1, 0.5, 0.5, 0.6, 0.6, 2.2, 2.7, 1.4)


def can_be_face(measures: Measures) -> bool:
    """Whether all measures are within the limits."""
    return all(low <= value <= high for low, value, high in zip(LOWEST, measures, HIGHEST, strict=True))


def measured(points: Points, box: tuple[int, int, int, int], picture: tuple[int, ...], share: float) -> Measures:
    """The measures of points (x, y) in pixels.

    Args:
        points: the 68 points.
        box: left, top, right and bottom of the face box.
        picture: rows and columns of the picture.
        share: the share of the box's movements that the points take part in.
    """
    left, top, right, bottom = box
    right_eye, left_eye = points[36:42].mean(0), points[42:48].mean(0)
    d = max(inter_ocular_distance(points), 1e-6)
    across = (left_eye - right_eye) / d
    frame = np.stack([across, [-across[1], across[0]]], 1)  # of the eyes: x to the face's left, y down
    own = (points - (right_eye + left_eye) / 2) @ frame / d
    widths = [float(np.ptp(own[eye, 0])) for eye in (slice(36, 42), slice(42, 48))]
    (nose, _), (mouth, below) = own[30:36].mean(0), own[48:68].mean(0)
    return Measures(
        eyes=d / (right - left),
        outside_box=_outside(points, (left, top, right, bottom)) / (right - left),
        outside_picture=_outside(points[27:], (0, 0, picture[1], picture[0])) / d,
        nose=abs(float(nose)),
        mouth=abs(float(mouth)),
        mouth_below=float(below),
        eye_widths=max(widths) / max(min(widths), 1e-6),
        follow=share * (right - left) / d,
    )


def _outside(points: Float[np.ndarray, "n 2"], edges: tuple[int, int, int, int]) -> float:
    low, high = points.min(0), points.max(0)
    return max(0.0, *(np.array(edges[:2]) - low), *(high - np.array(edges[2:])))
