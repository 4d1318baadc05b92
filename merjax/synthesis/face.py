"""A face that can move: its landmarks, the points derived from them, and dense displacement fields.

Right and left are the subject's: the right half lies on the image's left side. d is the inter-ocular distance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, Float32, Shaped, UInt8

from merjax.faces.crops import inter_ocular_distance
from merjax.synthesis.movements import Movement, Point, unit_of

# Index of each landmark's mirror image among the 68 (the order of iBUG 300-W).
# fmt: off
MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46,
     39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)
# fmt: on
_UPPER_LIP = frozenset({49, 50, 51, 52, 53, 61, 62, 63})
_LOWER_LIP = frozenset({55, 56, 57, 58, 59, 65, 66, 67})
_LIP_LINE = 0.015  # half the width, in d, over which the upper lip's motion turns into the lower lip's
_FADE = 0.12  # width, in d, over which the mask falls from 1 inside the face to 0 outside
_DAMPING = 0.1


@dataclass(frozen=True)
class Face:
    """A frontal face with level eyes.

    Attributes:
        image_HxWx3: BGR, the channel order of OpenCV.
        points_68x2: landmarks (x, y) in pixels.
    """

    image_HxWx3: UInt8[np.ndarray, "H W 3"] = field(repr=False)
    points_68x2: Float[np.ndarray, "68 2"] = field(repr=False)

    @cached_property
    def d(self) -> float:
        """Inter-ocular distance: between the eyes' centres, in pixels."""
        return inter_ocular_distance(self.points_68x2)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.image_HxWx3.shape[0], self.image_HxWx3.shape[1]


def displacement_field(face: Face, movements: Iterable[Movement], peak: float) -> Float32[np.ndarray, "H W 2"]:
    """Displacement (x, y) in pixels of every pixel, where the largest vector has length `peak`.

    Each action unit displaces points. Its dense field is the normalised Gaussian convolution of these displacements, times a
    soft mask of the face. The fields of several units are added.
    """
    control = control_points(face.points_68x2)
    vectors_by_reach: dict[float, np.ndarray] = {}
    for movement in movements:
        reach, vectors_Px2 = unit_of(movement.unit).reach, movement.intensity * _vectors(control, movement)
        vectors_by_reach[reach] = vectors_by_reach.get(reach, 0) + vectors_Px2
    points_Px2 = np.array(list(control.values()))
    names = [name for name, _ in control]
    field_HxWx2 = sum(_spread(face, names, points_Px2, *item) for item in vectors_by_reach.items())
    field_HxWx2 = field_HxWx2 * face_mask(face.points_68x2, *face.shape)[..., None]
    return (field_HxWx2 * (peak / np.linalg.norm(field_HxWx2, axis=2).max())).astype(np.float32)


def normalised_convolution(
    points_Px2: Float[np.ndarray, "P 2"],
    values_PxC: Float[np.ndarray, "P C"],
    sigma: float,
    height: int,
    width: int,
    damping: float = _DAMPING,
) -> Float32[np.ndarray, "height width C"]:
    """Values of scattered points spread over the image: Gaussian-weighted mean of the points around each pixel.

    `damping` is added to the sum of the weights (a point weighs 1 at its own place), so that the field falls to zero
    where no point is near; with 0, equal values give a constant field (Knutsson and Westin 1993).
    """
    # The Gaussian is separable: the sums over points are two small matrix products.
    weights_HxP = _gaussian((np.arange(height)[:, None] - points_Px2[:, 1]) / sigma)
    weights_PxW = _gaussian((np.arange(width) - points_Px2[:, :1]) / sigma)
    total_HxW = weights_HxP @ weights_PxW + np.float32(damping)
    channels = []
    for values_P in values_PxC.T.astype(np.float32):
        moved = values_P.nonzero()[0]  # the other points only hold the field: they count in the sum of weights alone
        channels.append((weights_HxP[:, moved] * values_P[moved]) @ weights_PxW[moved] / total_HxW)
    return np.stack(channels, -1)


def face_mask(points_68x2: Float[np.ndarray, "68 2"], height: int, width: int) -> Float[np.ndarray, "H W"]:
    """1 inside the face, from jaw to forehead, 0 outside, with a soft edge."""
    d = inter_ocular_distance(points_68x2)
    outline = np.concatenate([points_68x2[:17], points_68x2[26:16:-1] - [0, 0.5 * d]])
    inside_HxW = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside_HxW, [cv2.convexHull(outline.round().astype(np.int32))], (1,))
    distance_HxW = cv2.distanceTransform(inside_HxW, cv2.DIST_L2, 5) - cv2.distanceTransform(
        1 - inside_HxW, cv2.DIST_L2, 5
    )
    return _smoothstep(distance_HxW / (_FADE * d))


def control_points(points_68x2: Float[np.ndarray, "68 2"]) -> dict[tuple[Point, str], Float[np.ndarray, "2"]]:
    """Every point that moves or holds the field, by (name, side): the landmarks by the index of their right twin, and
    the points derived from them; side is "right", "left" or "middle"."""
    middle = points_68x2[27:31].mean(0) * [1, 0]  # the nose bridge's x, about which the left half is mirrored
    mirrored_68x2 = points_68x2[MIRROR] * [-1, 1] + 2 * middle
    control: dict[tuple[Point, str], np.ndarray] = {}
    for index in range(68):
        twin = int(MIRROR[index])
        side = "middle" if index == twin else "right" if _is_right(index) else "left"
        control[index if side != "left" else twin, side] = points_68x2[index]
    for name, point in _derived(points_68x2).items():
        control[name, "right"] = point
    for name, point in _derived(mirrored_68x2).items():
        control[name, "left"] = point * [-1, 1] + 2 * middle
    control["glabella", "middle"] = points_68x2[21:23].mean(0)
    control["chin", "middle"] = points_68x2[[57, 8]].mean(0)
    return control


def _is_right(index: int) -> bool:
    return index in {*range(8), *range(17, 22), 31, 32, *range(36, 42), 48, 49, 50, 58, 59, 60, 61, 67}


def _derived(points_68x2: np.ndarray) -> dict[str, np.ndarray]:
    """Points between the landmarks of the image's left half, where skin moves but no landmark lies."""
    p, d = points_68x2, inter_ocular_distance(points_68x2)
    out, down = np.array([-d, 0]), np.array([0, d])
    return {
        "forehead_inner": p[21] - 0.35 * down,
        "forehead_middle": p[19] - 0.3 * down,
        "forehead_outer": p[18] - 0.3 * down,
        "infraorbital": p[[40, 41]].mean(0) + 0.28 * down,
        "cheek": p[[41, 48, 2]].mean(0),
        "cheek_low": p[[48, 3, 31, 4]].mean(0),
        "nasolabial": 0.55 * p[31] + 0.45 * p[48] + 0.08 * out,
        "ala": p[31] + 0.1 * out - 0.05 * down,
        "dimple": p[48] + 0.22 * out,
        # These are never displaced: they hold the eyeball and the scalp.
        "iris": p[36:42].mean(0),
        "hairline_inner": p[21] - 0.62 * down,
        "hairline_outer": p[18] - 0.57 * down,
    }


def _spread(
    face: Face, names: list[Point], points_Px2: np.ndarray, reach: float, vectors_Px2: np.ndarray
) -> Float[np.ndarray, "H W 2"]:
    """The points' displacements as a dense field; the upper and the lower lip separate along the line between them."""
    fields = []
    for other_lip in (_LOWER_LIP, _UPPER_LIP):
        kept = np.array([name not in other_lip for name in names])
        fields.append(normalised_convolution(points_Px2[kept], vectors_Px2[kept], reach * face.d, *face.shape))
    below_HxWx1 = _below_the_lip_line(face)[..., None]
    return fields[0] + below_HxWx1 * (fields[1] - fields[0])


def _vectors(control: Iterable[tuple[Point, str]], movement: Movement) -> Float[np.ndarray, "P 2"]:
    """Displacement (x, y) of every control point by one unit at intensity 1."""
    displacements = unit_of(movement.unit).displacements
    return np.array([_displacement(displacements, movement.side, *key) for key in control])


def _displacement(
    displacements: Mapping[Point, tuple[float, float]], moving: str, name: Point, side: str
) -> tuple[float, float]:
    lateral, down = displacements.get(name, (0.0, 0.0))
    # A one-sided unit holds the midline, so that the other half of the face does not move.
    if moving not in ("both", side):
        return 0.0, 0.0
    return (-lateral if side == "right" else lateral), down


def _below_the_lip_line(face: Face) -> Float[np.ndarray, "H W"]:
    """0 above the line between the lips, 1 below; the step widens beyond the mouth's corners and fades out."""
    p, (height, width) = face.points_68x2, face.shape
    line = np.array([p[48], p[60], p[[61, 67]].mean(0), p[[62, 66]].mean(0), p[[63, 65]].mean(0), p[64], p[54]])
    x_W = np.arange(width)
    order = np.argsort(line[:, 0])
    line_W = np.interp(x_W, line[order, 0], line[order, 1])
    beyond_W = np.maximum(0, np.maximum(line[:, 0].min() - x_W, x_W - line[:, 0].max()))
    gap_W = np.interp(x_W, p[[60, 61, 62, 63, 64], 0], p[[60, 67, 66, 65, 64], 1] - p[[60, 61, 62, 63, 64], 1])
    half_W = np.maximum(_LIP_LINE * face.d, gap_W / 2) + beyond_W
    return _smoothstep((np.arange(height)[:, None] - line_W) / (2 * half_W))


def _gaussian(t: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * np.square(t)).astype(np.float32)


def _smoothstep(t: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """0 below -1/2, 1 above 1/2, a cubic between."""
    t = np.clip(t + 0.5, 0, 1)
    return t * t * (3 - 2 * t)
