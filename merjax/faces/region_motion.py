"""The motion of a face's parts over time, as spotters take it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Window(NamedTuple):
    """The motion of some frames of a video.

    Attributes:
        first: the number of its first frame, to which motion is measured, counted from 0.
        motion: for each part of the face ("brow", "mouth", "nose"), how far places of it have moved from the first frame,
            without the head's motion, in px where the inner eye corners are 64 px apart.
    """

    first: int
    motion: Mapping[str, Sequence[Float[np.ndarray, "T"]]]


class MeasuredPlace(NamedTuple):
    """A place of the face at which motion is measured.

    Attributes:
        part: "brow", "mouth" or "nose".
        landmarks: the points around which it lies: one, or all that it spans.
    """

    part: str
    landmarks: tuple[int, ...]


# The 16 places of OF-FD's code (shengjianda/micro-expression-spot): points of each brow and the whole brow, points of the mouth
# and the whole mouth, the sides of the nose.
PLACES = (
    *(MeasuredPlace("brow", points) for points in ((20,), (19,), (18,), tuple(range(17, 22)))),
    *(MeasuredPlace("brow", points) for points in ((23,), (24,), (25,), tuple(range(22, 27)))),
    *(MeasuredPlace("mouth", points) for points in ((48,), (54,), (51,), (57,), (62,), tuple(range(48, 67)))),
    *(MeasuredPlace("nose", points) for points in ((31,), (35,))),
)


def by_part(signals_TxS: Float[np.ndarray, "T S"]) -> dict[str, list[Float[np.ndarray, "T"]]]:
    """Signals of all places, in the order of `PLACES`, by part of the face."""
    parts: dict[str, list[np.ndarray]] = {}
    for place, signal_T in zip(PLACES, signals_TxS.T, strict=True):
        parts.setdefault(place.part, []).append(signal_T)
    return parts
