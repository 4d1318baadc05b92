"""A spotter that looks for rises of motion over the valleys around them (the family of OF-FD, He 2021; Zhao et al. 2022).

Each region's motion against the first frame of a window is low-passed. Where it stands out over the window's lowest value,
and over the valleys within a second on either side, there is an expression; its ends are sought down the slopes. Intervals of
several regions and windows are put together where they overlap.

The constants are those of shengjianda/micro-expression-spot (main_casme2.py), which were set by hand on the databases on which
it is scored: scores of this spotter on CAS(ME)^2 and SAMM Long Videos are of a tuned method. It differs from that code in three
points: a Butterworth filter in place of zeroed Fourier bins; a straight line taken off as the trend, in place of the last
component of an empirical mode decomposition; and both ends of an interval treated alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import minimum_filter1d
from scipy.signal import find_peaks

from merjax.faces.region_motion import Window
from merjax.methods.spotting.signals import Signal, Spot, low_pass, runs, without_trend
from merjax.system.videos import frames


@dataclass(frozen=True)
class ValleyRule:
    """Constants of the spotter: times in seconds, motion in px where the inner eye corners are 64 px apart.

    Attributes:
        hertz: what is faster is noise.
        least: how far above the window's lowest value motion must be.
        rise: how far above the lowest value of the second before and after, by part of the face.
        trend_rise: the same for the motion without its trend.
        around: how far to either side valleys are sought.
        join: frames that are closer than this belong together.
        foot: an interval ends where motion has fallen to this share of its height over the valley.
        near, near_drop: where the valley lies inside an interval, its end moves to the lowest frame within `near` seconds
            outside, if motion falls by more than `near_drop` on the way.
        split_from, split_margin: an interval of at least this length is split at its lowest frame, not closer to its ends than
            the margin ...
        split_drop, split_share: ... if both parts rise over it by more than this, and by more than this share of their height.
        overlap: intervals are put together where they share more than this of the shorter one.
        shortest, longest: other intervals are dropped.
        micro: intervals up to this length are micro-expressions.
        train: so many peaks or more, each at most `train_period` after the one before, are speech or chewing, no expression;
            0 leaves them in, as the published code does.
        train_rise: how far a peak of a train rises over the valleys beside it, at least.
    """

    hertz: float = 5.0
    least: float = 1.4
    rise: Mapping[str, float] = field(default_factory=lambda: {"brow": 1.8, "mouth": 1.85, "nose": 2.1})
    trend_rise: float = 0.8
    around: float = 1.0
    join: float = 0.1
    foot: float = 0.33
    near: float = 1 / 3
    near_drop: float = 0.3
    split_from: float = 2 / 3
    split_margin: float = 4 / 15
    split_drop: float = 0.7
    split_share: float = 0.33
    overlap: float = 0.34
    shortest: float = 0.4
    longest: float = 20 / 3
    micro: float = 0.5
    train: int = 0
    train_period: float = 0.5
    train_rise: float = 0.7


# For a motion store, whose windows can be measured from the face at rest. What differs from the published constants was chosen
# on motion made by scripts, of other people than those on whom docs/spotting.md gives scores.
VALLEYS = ValleyRule(shortest=0.27, micro=0.6, train=3)


def spot_valleys(windows: Iterable[Window], fps: float, rule: ValleyRule | None = None) -> tuple[Spot, ...]:
    """The expressions of a video.

    Args:
        windows: its windows, which may overlap; each part of the face is one of `rule.rise`.
        fps: frames per second.
        rule: the constants; None for those of the published code.

    Returns:
        Intervals by their onset.
    """
    rule = rule or ValleyRule()
    found = [merged(_in_window(window, fps, rule), rule.overlap) for window in windows]
    spots = merged([spot for spots in found for spot in spots], rule.overlap)
    named = [spot._replace(kind="micro" if spot.offset - spot.onset <= rule.micro * fps else "macro") for spot in spots]
    return tuple(s for s in named if rule.shortest * fps <= s.offset - s.onset <= rule.longest * fps)


def spot_rises(motion_T: Signal, fps: float, rise: float, rule: ValleyRule) -> list[Spot]:
    """The intervals of one region in one window, before they are put together; their kind is not decided."""
    signal_T = low_pass(motion_T, fps, rule.hertz)
    if rule.train:
        signal_T = without_trains(signal_T, fps, rule)
    signal_T = signal_T - signal_T.min()
    trendless_T = without_trend(signal_T)
    around, gap = frames(rule.around, fps), max(1, frames(rule.join, fps) - 1)
    stands_out_T = (_over_valleys(signal_T, around) > rise) & (_over_valleys(trendless_T, around) > rule.trend_rise)
    candidate_T = np.zeros(len(signal_T), bool)
    for first, last in runs(signal_T >= rule.least, gap):
        candidate_T[first : last + 1] = stands_out_T[first : last + 1]
    spots = []
    for first, last in runs(candidate_T, gap).tolist():
        for onset, offset in split(signal_T, *_grown(signal_T, first, last, fps, rule), fps, rule):
            apex = onset + int(np.argmax(signal_T[onset : offset + 1]))
            spots.append(Spot(onset, offset, apex, "", float(signal_T[apex])))
    return spots


def without_trains(signal_T: Signal, fps: float, rule: ValleyRule) -> Signal:
    """A signal with a straight line in place of each train of peaks."""
    peaks, _ = find_peaks(signal_T, prominence=rule.train_rise)
    at_peak_T = np.zeros(len(signal_T), bool)
    at_peak_T[peaks] = True
    straight_T = signal_T.copy()
    for first, last in runs(at_peak_T, frames(rule.train_period, fps)).tolist():
        if at_peak_T[first : last + 1].sum() >= rule.train:
            half = frames(rule.train_period / 2, fps)
            start, end = max(0, first - half), min(len(signal_T) - 1, last + half)
            straight_T[start : end + 1] = np.linspace(signal_T[start], signal_T[end], end + 1 - start)
    return straight_T


def split(signal_T: Signal, onset: int, offset: int, fps: float, rule: ValleyRule) -> list[tuple[int, int]]:
    """An interval, or its two parts if it is long and both of them rise well over the lowest frame between them."""
    margin = frames(rule.split_margin, fps)
    if offset - onset < max(frames(rule.split_from, fps), 2 * margin + 1):
        return [(onset, offset)]
    lowest = onset + margin + int(np.argmin(signal_T[onset + margin : offset - margin + 1]))
    for peak in (signal_T[onset:lowest].max(), signal_T[lowest : offset + 1].max()):
        if peak - signal_T[lowest] <= max(rule.split_drop, rule.split_share * peak):
            return [(onset, offset)]
    return [(onset, lowest - 1), (lowest + 1, offset)]


def merged(spots: Sequence[Spot], overlap: float) -> list[Spot]:
    """Intervals with their union in place of any two that share more than a part of the shorter one, until there are no
    such two; the union has the apex of the more confident one."""
    left = sorted(spots)
    n = 0
    while n < len(left):
        other = next((m for m in range(n + 1, len(left)) if _share(left[n], left[m]) > overlap), None)
        if other is None:
            n += 1
            continue
        one, two = left[n], left.pop(other)
        surer = max(one, two, key=lambda spot: spot.confidence)
        left[n] = surer._replace(onset=min(one.onset, two.onset), offset=max(one.offset, two.offset))
        left.sort()
        n = 0
    return left


def _in_window(window: Window, fps: float, rule: ValleyRule) -> list[Spot]:
    spots = [
        spot
        for part, signals in window.motion.items()
        if part in rule.rise  # lids tell blinks, and no expressions
        for motion_T in signals
        for spot in spot_rises(motion_T, fps, rule.rise[part], rule)
    ]
    return [
        s._replace(onset=s.onset + window.first, offset=s.offset + window.first, apex=s.apex + window.first)
        for s in spots
    ]


def _over_valleys(signal_T: Signal, around: int) -> Signal:
    """How far each frame is above the lowest frame at most so far from it."""
    return signal_T - minimum_filter1d(signal_T, 2 * around + 1, mode="nearest")


def _grown(signal_T: Signal, first: int, last: int, fps: float, rule: ValleyRule) -> tuple[int, int]:
    peak = float(signal_T[first : last + 1].max())
    onset = _onset(signal_T, first, peak, fps, rule)
    end = len(signal_T) - 1
    offset = end - _onset(signal_T[::-1], end - last, peak, fps, rule)
    return min(onset, offset), max(onset, offset)


def _onset(signal_T: Signal, first: int, peak: float, fps: float, rule: ValleyRule) -> int:
    """Where an interval begins whose motion is known to stand out from a frame on."""
    around, near = frames(rule.around, fps), frames(rule.near, fps)
    start = max(0, first - around)
    valley = start + int(np.argmin(signal_T[start : first + around + 1]))
    if valley < first:
        foot = signal_T[valley] + rule.foot * (peak - signal_T[valley])
        for t in range(first - 1, -1, -1):
            if signal_T[t] < foot:
                return t
            if signal_T[t] > signal_T[t + 1]:  # it rises again: another movement lies before
                return min(t + 2, first)
        return first
    start = max(0, first - near)
    lowest = start + int(np.argmin(signal_T[start : first + 1]))
    return lowest + 1 if signal_T[first] - signal_T[lowest] > rule.near_drop else first


def _share(one: Spot, other: Spot) -> float:
    """What two intervals share, as a part of the shorter one."""
    common = min(one.offset, other.offset) - max(one.onset, other.onset)
    return common / max(1, min(one.offset - one.onset, other.offset - other.onset))
