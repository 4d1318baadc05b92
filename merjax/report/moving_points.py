"""The landmarks of a face over time, from a motion store: what is drawn where no picture of a face may be shown.

A motion store has landmarks where a window begins, and from there on the motion of 18 places. A landmark goes along with its
own place, or with the two that it lies between. Those of the jaw, the bridge of the nose and the lower lids stay.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Float

from merjax.faces.region_motion import PLACES
from merjax.stores.motion_store import SIDE, MotionStore, StoredVideo

Points = Float[np.ndarray, "68 2"]
# jaw, brows, nose, eyes and lips
LINES = (
    *(tuple(range(first, last + 1)) for first, last in ((0, 16), (17, 21), (22, 26), (27, 30), (31, 35))),
    *((*range(first, last + 1), first) for first, last in ((36, 41), (42, 47), (48, 59), (60, 67))),
)
_UNIT = SIDE / 256  # px of a crop in one of the motion
_BESIDE = {17: 18, 21: 20, 22: 23, 26: 25, 60: 48, 64: 54, 66: 57}  # the ends of the brows, and the inner lips
_BETWEEN = ((48, 51), (51, 54), (54, 57), (57, 60), (60, 62), (62, 64), (64, 66), (31, 33), (33, 35))


def _shares() -> Float[np.ndarray, "68 S"]:
    """How much each landmark goes along with each place."""
    share_LxS = np.zeros((68, len(PLACES)))
    for n, place in enumerate(PLACES):
        if len(place.landmarks) == 1 or place.part == "lid":
            share_LxS[list(place.landmarks), n] = 1
    for landmark, beside in _BESIDE.items():
        share_LxS[landmark] = share_LxS[beside]
    for first, last in _BETWEEN:
        for landmark in range(first + 1, last):
            way = (landmark - first) / (last - first)
            share_LxS[landmark] = (1 - way) * share_LxS[first] + way * share_LxS[last]
    share_LxS[67] = (share_LxS[66] + share_LxS[60]) / 2
    return share_LxS


_SHARE_LxS = _shares()


class MovingPoints:
    """The landmarks of a stored video, in pixels of its crops."""

    def __init__(self, store: MotionStore, video: StoredVideo) -> None:
        self._store, self._video = store, video

    @cached_property
    def _windows(self) -> np.ndarray:
        return np.asarray(self._store.array(self._video, "windows"))

    @cached_property
    def _rows(self) -> np.ndarray:
        """By window, the row of its first frame in the signals."""
        return np.concatenate([[0], np.cumsum(self._windows[:, 1])[:-1]])

    def window(self, frame: int) -> int | None:
        """The window in whose middle a stored frame lies most; None in a gap."""
        first_W, length_W = self._windows.T
        within_W = (first_W <= frame) & (frame < first_W + length_W)
        if not within_W.any():
            return None
        away_W = np.abs(frame - (first_W + length_W / 2))
        return int(np.where(within_W, away_W, np.inf).argmin())

    def at(self, frame: int, window: int) -> Points:
        """The landmarks at a stored frame of a window; a frame before or behind it counts as its first or last."""
        first, length = self._windows[window]
        row = self._rows[window] + int(np.clip(frame - first, 0, length - 1))
        moved_Sx2 = np.asarray(self._store.array(self._video, "signals")[row], float)
        points = np.asarray(self._store.array(self._video, "points")[window], float)
        return points + _UNIT * _SHARE_LxS @ moved_Sx2
