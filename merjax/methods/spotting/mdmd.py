"""MDMD, main directional maximal difference (Wang et al. 2017), the baseline of the challenges of 2020 and 2021.

An expression goes away from the face before it and comes back: at its apex, the motion from k frames earlier is larger than
the motion over the whole 2 k frames. As in the baseline's code (HeyingGithub/Baseline-project-for-MEGC2020_spotting), opposite
directions share a bin, and the threshold lies one hundredth of the way from the mean to the maximum, which was chosen on the
data that are scored. Unlike there, a short video's smaller k holds for it alone, and frames at the end are not left out.
"""

from dataclasses import dataclass

import numpy as np

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


def half_window(n_frames: int, fps: float, rule: MdmdRule) -> int:
    """k in frames: halved until the video has 6 k frames, at least 2."""
    k = max(2, frames(rule.half, fps))
    while n_frames < 6 * k and k > 2:
        k = max(2, int(k / 2 + 0.5))
    return k


def spot_mdmd(difference_T: Signal, fps: float, rule: MdmdRule) -> tuple[Spot, ...]:
    """The expressions of a video.

    Args:
        difference_T: `merjax.faces.main_direction.main_difference` of each frame, with k of `half_window`; NaN in the first and
            last k frames.
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


def _fits(length: int, fps: float, rule: MdmdRule) -> bool:
    return frames(rule.shortest, fps) <= length <= (np.inf if np.isinf(rule.longest) else frames(rule.longest, fps))
