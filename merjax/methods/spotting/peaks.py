"""The simplest spotter: peaks of smoothed motion, each with an interval of one length.

It is what SOFTNet (Liong et al. 2021) does with its network's scores, done with the motion itself; its authors report it as
"without network". There the interval lies around the frame from which the motion is measured. Here it lies around the middle
of the two frames between which it is measured, where the expression is: half a gap apart.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from merjax.methods.spotting.signals import Signal, Spot
from merjax.system.videos import frames


@dataclass(frozen=True)
class PeakRule:
    """Constants of the spotter.

    Attributes:
        kind: "micro" or "macro", what its intervals are called.
        half: half the length of an interval in seconds; also the gap over which motion is measured, and half the time over
            which it is smoothed. SOFTNet: half the mean length of the kind's expressions.
        share: how far from the mean to the highest value of the smoothed motion a peak must reach, between 0 and 1.
    """

    kind: str
    half: float
    share: float = 0.55


MICRO_PEAKS = PeakRule("micro", 0.2)  # .2 and .6 s: 6 and 18 frames at 30 per second, as for CAS(ME)^2
MACRO_PEAKS = PeakRule("macro", 0.6)


def spot_peaks(motion_T: Signal, fps: float, rule: PeakRule) -> tuple[Spot, ...]:
    """The expressions of a video.

    Args:
        motion_T: how far the face has moved from the frame `rule.half` seconds earlier to each frame, such as the mean over
            regions of `merjax.methods.spotting.signals.residual`; 0 where there is no earlier frame.
        fps: frames per second.
        rule: the constants.

    Returns:
        Intervals by their onset; none in a video shorter than one interval or without any motion.
    """
    half = frames(rule.half, fps)
    if len(motion_T) < 2 * half:
        return ()
    smooth_S = np.convolve(motion_T, np.full(2 * half, 1 / (2 * half)), "valid")
    if np.ptp(smooth_S) == 0:
        return ()
    mean = float(np.mean(smooth_S))
    threshold = mean + rule.share * (np.max(smooth_S) - mean)
    peaks, _ = find_peaks(smooth_S, height=threshold, distance=half)
    spots = []
    for peak in peaks:
        # The middle of its window, and back to the middle of the two frames between which motion is measured.
        centre = int(peak) + half - half // 2
        onset, offset = max(0, centre - half), min(len(motion_T) - 1, centre + half)
        spots.append(Spot(onset, offset, centre, rule.kind, float(smooth_S[peak] - mean)))
    return tuple(spots)
