"""Motion signals of a video: smoothed, without the head's motion and without a trend.

Spotters keep their constants in seconds and hertz, so that one setting serves videos of all rates.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.signal import butter, detrend, sosfiltfilt

from merjax.system.videos import frames

Signal = Float[np.ndarray, "T"]

_ORDER = 4  # of the Butterworth filter; forwards and backwards it counts twice
_PADDING = 3  # periods of the cut-off by which a signal is mirrored beyond its ends


class Spot(NamedTuple):
    """A found interval.

    Attributes:
        onset, offset: its first and last frame, counted from 0.
        apex: the frame at which the motion is strongest.
        kind: "micro" or "macro".
        confidence: how far the motion stands out at the apex, in the unit of the signal.
    """

    onset: int
    offset: int
    apex: int
    kind: str
    confidence: float


def residual(motion_TxRx2: Float[np.ndarray, "T R 2"], nose_Tx2: Float[np.ndarray, "T 2"]) -> Float[np.ndarray, "T R"]:
    """How far regions move beside the nose, which moves with the head alone; in the unit of the vectors (x, y)."""
    return np.linalg.norm(motion_TxRx2 - nose_Tx2[:, None], axis=2)


def low_pass(signal_T: Signal, fps: float, hertz: float) -> Signal:
    """A signal without what is faster than a cut-off, not shifted in time; unchanged where the video is too slow to show it."""
    if len(signal_T) < 2 or hertz >= fps / 2:
        return np.asarray(signal_T, float)
    sections = butter(_ORDER, hertz, fs=fps, output="sos")
    return sosfiltfilt(sections, signal_T, padlen=min(frames(_PADDING / hertz, fps), len(signal_T) - 1))


def without_trend(signal_T: Signal) -> Signal:
    """A signal less the straight line that fits it best."""
    return detrend(signal_T) if len(signal_T) > 1 else np.zeros(len(signal_T))


def runs(picked_T: Bool[np.ndarray, "T"], gap: int = 1) -> Int[np.ndarray, "N 2"]:
    """First and last frame of each run of picked frames; frames of one run follow each other by at most `gap`."""
    picked = np.flatnonzero(picked_T)
    if not len(picked):
        return np.zeros((0, 2), int)
    breaks = np.flatnonzero(np.diff(picked) > gap)
    return np.stack([picked[[0, *(breaks + 1)]], picked[[*breaks, len(picked) - 1]]], axis=1)
