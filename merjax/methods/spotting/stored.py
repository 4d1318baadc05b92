"""The spotters that need no training, each as a function from a stored video to its expressions.

All of them look at each stretch between gaps by itself, so that no interval reaches across a gap.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from jaxtyping import Int

from merjax.faces.flow import dense_flow
from merjax.faces.regions import REGIONS
from merjax.methods.spotting.mdmd import MACRO_MDMD, MICRO_MDMD, MdmdRule, half_window, main_difference, spot_mdmd
from merjax.methods.spotting.peaks import MACRO_PEAKS, MICRO_PEAKS, PeakRule, spot_peaks
from merjax.methods.spotting.signals import Signal, Spot
from merjax.methods.spotting.valleys import ValleyRule, spot_valleys
from merjax.stores.motion_store import MotionStore, StoredVideo

Spotter = Callable[[MotionStore, StoredVideo], tuple[Spot, ...]]

_MOVING = [n for n, region in enumerate(REGIONS) if region.name in ("eye_right", "eye_left", "mouth")]


def valleys(store: MotionStore, video: StoredVideo, rule: ValleyRule | None = None) -> tuple[Spot, ...]:
    """Rises of motion against the first frame of a window; see `merjax.methods.spotting.valleys`."""
    return spot_valleys(store.windows(video), video.fps, rule)


def peaks(
    store: MotionStore, video: StoredVideo, rules: Iterable[PeakRule] = (MICRO_PEAKS, MACRO_PEAKS)
) -> tuple[Spot, ...]:
    """Peaks of the motion of brows and mouth over half an interval; see `merjax.methods.spotting.peaks`."""

    def spot(rule: PeakRule) -> Iterator[Spot]:
        moved_T = np.linalg.norm(store.motion(video, rule.half)[:, _MOVING], axis=2).mean(1)
        for first, last, _ in store.stretches(video):
            yield from later(spot_peaks(moved_T[first : last + 1].astype(float), video.fps, rule), first)

    return tuple(sorted(s for rule in rules for s in spot(rule)))


def mdmd(
    store: MotionStore, video: StoredVideo, rules: Iterable[MdmdRule] = (MICRO_MDMD, MACRO_MDMD)
) -> tuple[Spot, ...]:
    """Motion that goes and comes back; see `merjax.methods.spotting.mdmd`."""

    def spot(rule: MdmdRule) -> Iterator[Spot]:
        for first, last, _ in store.stretches(video):
            k = half_window(last + 1 - first, video.fps, rule)
            difference_T = _differences(store, video, k)[first : last + 1]
            yield from later(spot_mdmd(np.asarray(difference_T, float), video.fps, rule), first)

    return tuple(sorted(s for rule in rules for s in spot(rule)))


def _differences(store: MotionStore, video: StoredVideo, k: int) -> Signal:
    """`main_difference` of each frame; NaN within k frames of the ends of its stretch."""

    def made() -> Signal:
        crops, difference_T = store.array(video, "crops"), np.full(video.n_frames, np.nan)
        for first, last, _ in store.stretches(video):
            for t in range(first + k, last + 1 - k):
                to, past = (dense_flow(crops[t - k], crops[frame]) for frame in (t, t + k))
                difference_T[t] = main_difference(to, past)
        return difference_T

    return store.kept(video, f"difference_{k}", ((video.n_frames,), "<f8"), made)


def later(spots: Iterable[Spot], by: int) -> Iterator[Spot]:
    """Intervals of a part of a video as intervals of the video."""
    return (s._replace(onset=s.onset + by, offset=s.offset + by, apex=s.apex + by) for s in spots)


def in_own_frames(spots: Iterable[Spot], numbers_T: Int[np.ndarray, "T"]) -> tuple[Spot, ...]:
    """Intervals of stored frames as intervals of the video's own frames."""
    return tuple(
        s._replace(onset=int(numbers_T[s.onset]), offset=int(numbers_T[s.offset]), apex=int(numbers_T[s.apex]))
        for s in spots
    )


SPOTTERS: Mapping[str, Spotter] = {"valleys": valleys, "mdmd": mdmd, "peaks": peaks}
