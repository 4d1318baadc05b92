"""The spotters that need no training, each as a function from a stored video to its expressions.

All of them look at each stretch between gaps by itself, so that no interval reaches across a gap. One number of each may be
chosen on other videos, its share; 0 leaves the method's own constants.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from merjax.faces.regions import REGIONS
from merjax.methods.spotting.mdmd import MACRO_MDMD, MICRO_MDMD, half_window, spot_mdmd
from merjax.methods.spotting.peaks import MACRO_PEAKS, MICRO_PEAKS, spot_peaks
from merjax.methods.spotting.signals import Spot
from merjax.methods.spotting.valleys import VALLEYS, spot_valleys
from merjax.stores.motion_store import MotionStore, StoredVideo

Spotter = Callable[[MotionStore, StoredVideo, float], tuple[Spot, ...]]

_MOVING = [n for n, region in enumerate(REGIONS) if region.name in ("eye_right", "eye_left", "mouth")]


def valleys(store: MotionStore, video: StoredVideo, share: float = 0.0) -> tuple[Spot, ...]:
    """Rises of motion over the face at rest in a window; see `merjax.methods.spotting.valleys`, and `VALLEYS` there.

    The share is a factor on all thresholds of motion.
    """
    factor = share or OWN_SHARES["valleys"]
    rule = replace(
        VALLEYS,
        least=VALLEYS.least * factor,
        rise={part: rise * factor for part, rise in VALLEYS.rise.items()},
        trend_rise=VALLEYS.trend_rise * factor,
    )
    return spot_valleys(store.windows(video, from_rest=True), video.fps, rule)


def peaks(store: MotionStore, video: StoredVideo, share: float = 0.0) -> tuple[Spot, ...]:
    """Peaks of the motion of brows and mouth over half an interval; see `merjax.methods.spotting.peaks`.

    The share is how far from the mean to the highest value a peak must reach.
    """

    def spot() -> Iterator[Spot]:
        for own in (MICRO_PEAKS, MACRO_PEAKS):
            rule = replace(own, share=share or own.share)
            moved_T = np.linalg.norm(store.motion(video, rule.half)[:, _MOVING], axis=2).mean(1)
            for first, last, _ in store.stretches(video):
                yield from later(spot_peaks(moved_T[first : last + 1].astype(float), video.fps, rule), first)

    return tuple(sorted(spot()))


def mdmd(store: MotionStore, video: StoredVideo, share: float = 0.0) -> tuple[Spot, ...]:
    """Motion that goes and comes back; see `merjax.methods.spotting.mdmd`.

    The share is how far from the mean to the maximum of the contrast a frame must reach.
    """

    def spot() -> Iterator[Spot]:
        for own in (MICRO_MDMD, MACRO_MDMD):
            rule = replace(own, share=share or own.share)
            for first, last, _ in store.stretches(video):
                k = half_window(last + 1 - first, video.fps, rule)
                difference_T = np.asarray(store.differences(video, k)[first : last + 1], float)
                yield from later(spot_mdmd(difference_T, video.fps, rule), first)

    return tuple(sorted(spot()))


SPOTTERS: Mapping[str, Spotter] = {"valleys": valleys, "mdmd": mdmd, "peaks": peaks}
OWN_SHARES = {"valleys": 1.0, "mdmd": MICRO_MDMD.share, "peaks": MICRO_PEAKS.share}
# what may be chosen on other videos, the method's own among it
SHARES: Mapping[str, tuple[float, ...]] = {
    "valleys": (0.5, 0.7, 1.0, 1.4, 2.0, 3.0),
    "mdmd": (0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8),
    "peaks": (0.3, 0.4, 0.55, 0.7, 0.9),
}


def later(spots: Iterable[Spot], by: int) -> Iterator[Spot]:
    """Intervals of a part of a video as intervals of the video."""
    return (s._replace(onset=s.onset + by, offset=s.offset + by, apex=s.apex + by) for s in spots)


def in_own_frames(spots: Iterable[Spot], numbers_T: Int[np.ndarray, "T"]) -> tuple[Spot, ...]:
    """Intervals of stored frames as intervals of the video's own frames, whose numbers are those of the stored ones."""
    return tuple(
        s._replace(onset=int(numbers_T[s.onset]), offset=int(numbers_T[s.offset]), apex=int(numbers_T[s.apex]))
        for s in spots
    )
