"""MDMD, main directional maximal difference (Wang et al. 2017), the baseline of the challenges of 2020 and 2021.

An expression goes away from the face before it and comes back: at its apex, the motion from k frames earlier is larger than
the motion over the whole 2 k frames. As in the baseline's code (HeyingGithub/Baseline-project-for-MEGC2020_spotting), opposite
directions share a bin, and the threshold lies one hundredth of the way from the mean to the maximum, which was chosen on the
data that are scored. Unlike there, a short video's smaller k holds for it alone, and frames at the end are not left out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from merjax.methods.spotting.signals import Signal, Spot, runs
from merjax.system.videos import frames


@dataclass(frozen=True)
class MdmdRule:
    """Constants of the spotter.

    Attributes:
        kind: "micro" or "macro".
        half: k in seconds: motion is measured from so long before a frame to it, and to so long after it.
        shortest, longest: seconds; other intervals are dropped.
        share: how far from the mean to the maximum of the contrast a frame must reach, between 0 and 1.
    """

    kind: str
    half: float
    shortest: float
    longest: float = float("inf")
    share: float = 0.01


# 12 and 39 frames at 30 per second (CAS(ME)^2), 80 and 260 at 200 (SAMM Long Videos)
MICRO_MDMD = MdmdRule("micro", 0.4, 0.235, 0.525)
MACRO_MDMD = MdmdRule("macro", 1.3, 0.53)

_BLOCKS = 6  # per side
_LARGEST = 1 / 3  # share of a block's pixels, and of the blocks, that count


def half_window(n_frames: int, fps: float, rule: MdmdRule) -> int:
    """k in frames: halved until the video has 6 k frames, at least 2."""
    k = max(2, frames(rule.half, fps))
    while n_frames < 6 * k and k > 2:
        k = max(2, int(k / 2 + 0.5))
    return k


def main_difference(to_HxWx2: Float[np.ndarray, "H W 2"], past_HxWx2: Float[np.ndarray, "H W 2"]) -> float:
    """How much more a face has moved k frames after some frame than 2 k frames after it.

    Args:
        to_HxWx2, past_HxWx2: dense motion (x, y) in px, from the frame k before the one in question to it, and from the same
            frame to k after it; at least 6 x 6 pixels.
    """
    height, width = (side // _BLOCKS for side in to_HxWx2.shape[:2])
    values = []
    for row in range(_BLOCKS):
        for column in range(_BLOCKS):
            own = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            values.append(_block_difference(to_HxWx2[own].reshape(-1, 2), past_HxWx2[own].reshape(-1, 2)))
    return _mean_of_largest(np.array(values))


def spot_mdmd(difference_T: Signal, fps: float, rule: MdmdRule) -> tuple[Spot, ...]:
    """The expressions of a video.

    Args:
        difference_T: `main_difference` of each frame, with k of `half_window`; NaN in the first and last k frames.
        fps: frames per second.
        rule: the constants.

    Returns:
        Intervals by their onset; none in a video that is too short.
    """
    n_frames = len(difference_T)
    k = half_window(n_frames, fps, rule)
    contrast_T = contrast(difference_T, k - 1)
    defined = contrast_T[~np.isnan(contrast_T)]
    if not len(defined) or np.ptp(defined) == 0:
        return ()
    threshold = defined.mean() + rule.share * (defined.max() - defined.mean())
    spots = []
    for onset, offset in runs(np.nan_to_num(contrast_T, nan=-np.inf) > threshold):
        if _fits(offset - onset + 1, fps, rule):
            apex = int(onset) + int(np.argmax(contrast_T[onset : offset + 1]))
            confidence = float(contrast_T[apex] - threshold)
            spots.append(Spot(int(onset), int(offset), apex, rule.kind, confidence))
    return tuple(spots)


def contrast(signal_T: Signal, distance: int) -> Signal:
    """A signal less the mean of its values so many frames before and after; NaN where one of the three is not there."""
    contrast_T = np.full(len(signal_T), np.nan)
    if len(signal_T) > 2 * distance:
        around_T = (signal_T[: -2 * distance] + signal_T[2 * distance :]) / 2
        contrast_T[distance:-distance] = signal_T[distance:-distance] - around_T
    return contrast_T


def _block_difference(to_Nx2: Float[np.ndarray, "N 2"], past_Nx2: Float[np.ndarray, "N 2"]) -> float:
    """The mean of the largest differences among the pixels of the block's main direction."""
    u_N, v_N = to_Nx2.T
    same_N, opposite_N = u_N * v_N > 0, u_N * v_N < 0  # the quadrants, of which opposite ones share a bin
    same_N |= (u_N == 0) & (v_N != 0)
    opposite_N |= (v_N == 0) & (u_N < 0)
    right_N = (v_N == 0) & (u_N > 0)
    main_N = max((same_N, right_N, opposite_N), key=np.count_nonzero)
    if not main_N.any():
        return 0.0
    difference = np.linalg.norm(to_Nx2[main_N], axis=1) - np.linalg.norm(past_Nx2[main_N], axis=1)
    return _mean_of_largest(difference)


def _mean_of_largest(values: Float[np.ndarray, "N"]) -> float:
    count = max(1, int(len(values) * _LARGEST + 0.5))
    return float(np.sort(values)[-count:].mean())


def _fits(length: int, fps: float, rule: MdmdRule) -> bool:
    return frames(rule.shortest, fps) <= length <= (np.inf if np.isinf(rule.longest) else frames(rule.longest, fps))
