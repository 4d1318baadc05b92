"""The motion of a face's parts over time, as spotters take it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from merjax.faces.crops import Points, region_boxes
from merjax.faces.flow import Flow
from merjax.faces.regions import REGIONS


class Window(NamedTuple):
    """The motion of some frames of a video.

    Attributes:
        first: the number of its first frame, to which motion is measured, counted from 0.
        motion: for each part of the face ("brow", "mouth", "nose"), how far places of it have moved from the first frame,
            without the head's motion, in px where the inner eye corners are 64 px apart; and how far down each upper lid has
            moved ("lid"), where that is known.
    """

    first: int
    motion: Mapping[str, Sequence[Float[np.ndarray, "T"]]]


class MeasuredPlace(NamedTuple):
    """A place of the face at which motion is measured.

    Attributes:
        part: "brow", "mouth", "nose" or "lid".
        landmarks: the points around which it lies: one, or all that it spans.
        region: the one of `merjax.faces.regions.REGIONS` in which it lies.
    """

    part: str
    landmarks: tuple[int, ...]
    region: str


# The 16 places of OF-FD's code (shengjianda/micro-expression-spot): points of each brow and the whole brow, points of the mouth
# and the whole mouth, the sides of the nose. And the upper lids, which tell a blink from a motion of the brows.
PLACES = (
    *(MeasuredPlace("brow", points, "eye_right") for points in ((20,), (19,), (18,), tuple(range(17, 22)))),
    *(MeasuredPlace("brow", points, "eye_left") for points in ((23,), (24,), (25,), tuple(range(22, 27)))),
    *(MeasuredPlace("mouth", points, "mouth") for points in ((48,), (54,), (51,), (57,), (62,), tuple(range(48, 67)))),
    *(MeasuredPlace("nose", points, "nose") for points in ((31,), (35,))),
    MeasuredPlace("lid", (37, 38), "eye_right"),
    MeasuredPlace("lid", (43, 44), "eye_left"),
)
LIDS = [n for n, place in enumerate(PLACES) if place.part == "lid"]


def lengths(moved_TxSx2: Float[np.ndarray, "T S 2"]) -> Float[np.ndarray, "T S"]:
    """How far places have moved; of the lids, how far down."""
    signals_TxS = np.linalg.norm(moved_TxSx2, axis=2)
    signals_TxS[:, LIDS] = moved_TxSx2[:, LIDS, 1]
    return signals_TxS


def by_part(signals_TxS: Float[np.ndarray, "T S"]) -> dict[str, list[Float[np.ndarray, "T"]]]:
    """Signals of all places, in the order of `PLACES`, by part of the face."""
    parts: dict[str, list[np.ndarray]] = {}
    for place, signal_T in zip(PLACES, signals_TxS.T, strict=True):
        parts.setdefault(place.part, []).append(signal_T)
    return parts


_HALF = 10  # px of a crop of 256 around a landmark, as in OF-FD's code
_LARGEST = {
    1: 0.2,
    2: 0.2,
    5: 0.25,
    19: 0.3,
}  # by a place's landmarks, the share of its vectors, the longest, that count

Slices = tuple[slice, slice]


class Parts(NamedTuple):
    """Where in a flow field the places and regions of a face lie, as rows and columns."""

    places: tuple[Slices, ...]
    regions: tuple[Slices, ...]
    nose: Slices


def parts_of(points: Points, part: Slices) -> Parts:
    """The places and regions of a face.

    Args:
        points: its landmarks in a crop.
        part: the rows and columns of the crop whose motion is known.
    """
    boxes = region_boxes(points)
    regions = []
    for region in REGIONS:
        box = boxes[region.name]
        half = np.array([region.width, region.height]) * box.unit / 2
        regions.append(_within(np.array([box.x, box.y]) - half, np.array([box.x, box.y]) + half, part))
    places = [_around(points[list(place.landmarks)], part, _below(place)) for place in PLACES]
    return Parts(tuple(places), tuple(regions), _around(points[29:31], part))


def _below(place: MeasuredPlace) -> int:
    """By how many pixels a place reaches below its landmarks: below a whole brow, blinks move the skin."""
    return 0 if place.part == "brow" and len(place.landmarks) > 1 else _HALF


def _around(points: Float[np.ndarray, "N 2"], part: Slices, below: int = _HALF) -> Slices:
    return _within(points.min(0) - _HALF, points.max(0) + [_HALF, below], part)


def _within(low: np.ndarray, high: np.ndarray, part: Slices) -> Slices:
    """Rows and columns of a box (x, y), at least one of each, counted from the part's first."""
    rows, columns = part
    found = []
    for axis, own in ((1, rows), (0, columns)):
        first = int(np.clip(low[axis] - own.start, 0, own.stop - own.start - 1))
        found.append(slice(first, int(np.clip(high[axis] - own.start + 1, first + 1, own.stop - own.start))))
    return found[0], found[1]


class Measured(NamedTuple):
    """The motion in one field, in its pixels and without the head's.

    Attributes:
        places: how each of `PLACES` has moved beside the nose, as vectors (x, y).
        regions: mean vectors of the six regions.
        nose: mean vector of the nose's tip.
    """

    places: Float[np.ndarray, "18 2"]
    regions: Float[np.ndarray, "6 2"]
    nose: Float[np.ndarray, "2"]


def measured(flow: Flow, head: Float[np.ndarray, "2 3"], parts: Parts, part: Slices) -> Measured:
    """The motion of a face's places and regions.

    Args:
        flow: the motion of each pixel of a part of the crop.
        head: the head's share of it: takes (x, y, 1) of the crop to where the head has moved it.
        parts: where the places and regions lie.
        part: the rows and columns of the crop that `flow` has.
    """
    drift, first = head - np.eye(2, 3), np.array([part[1].start, part[0].start])

    def own(at: Slices) -> Float[np.ndarray, "N 2"]:
        rows, columns = at
        x, y = np.arange(columns.start, columns.stop) + first[0], np.arange(rows.start, rows.stop)[:, None] + first[1]
        heads = np.stack([drift[i, 0] * x + drift[i, 1] * y + drift[i, 2] for i in (0, 1)], -1)
        return (flow[at] - heads).reshape(-1, 2)

    def mean(at: Slices) -> Float[np.ndarray, "2"]:
        """As `own(at).mean(0)`: the head's share is linear, so its mean is that of the middle."""
        middle = [(at[1].start + at[1].stop - 1) / 2 + first[0], (at[0].start + at[0].stop - 1) / 2 + first[1], 1]
        return np.array(cv2.mean(flow[at])[:2]) - drift @ middle

    nose = mean(parts.nose)
    places = [
        _longest(own(at), _LARGEST[len(place.landmarks)]) - nose for place, at in zip(PLACES, parts.places, strict=True)
    ]
    return Measured(np.array(places), np.array([mean(at) for at in parts.regions]), nose)


def _longest(vectors_Nx2: Float[np.ndarray, "N 2"], share: float) -> Float[np.ndarray, "2"]:
    """The mean of the longest vectors."""
    count = max(1, int(len(vectors_Nx2) * share))
    squared_N = np.einsum("ij,ij->i", vectors_Nx2, vectors_Nx2)
    return vectors_Nx2[np.argpartition(squared_N, -count)[-count:]].mean(0)
