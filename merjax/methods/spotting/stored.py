"""Spotters that need no training, on a video of a motion store."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from merjax.methods.spotting.peaks import MACRO_PEAKS, MICRO_PEAKS, spot_peaks
from merjax.methods.spotting.signals import Spot
from merjax.methods.spotting.valleys import ValleyRule, spot_valleys
from merjax.stores.motion_store import MotionStore, StoredVideo

OWN_SHARES: Mapping[str, float] = {"valleys": 1.0, "mdmd": 0.01, "peaks": 0.55}
SHARES: Mapping[str, tuple[float, ...]] = {
    "valleys": (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0),
    "mdmd": (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    "peaks": (0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9),
}


def _valleys(store: MotionStore, video: StoredVideo, share: float = 0.0) -> tuple[Spot, ...]:
    factor, rule = share or 1.0, ValleyRule()
    rise = {part: factor * px for part, px in rule.rise.items()}
    rule = replace(rule, least=factor * rule.least, rise=rise, trend_rise=factor * rule.trend_rise)
    return spot_valleys(store.windows(video), video.fps, rule)


def _peaks(store: MotionStore, video: StoredVideo, share: float = 0.0) -> tuple[Spot, ...]:
    moved_T = np.linalg.norm(store.motion(video)[:, [0, 1, 5]], axis=2).mean(1).astype(float)
    rules = (replace(rule, share=share or rule.share) for rule in (MICRO_PEAKS, MACRO_PEAKS))
    return tuple(spot for rule in rules for spot in spot_peaks(moved_T, video.fps, rule))


def _mdmd(store: MotionStore, video: StoredVideo, share: float = 0.0) -> tuple[Spot, ...]:
    return ()


SPOTTERS: Mapping[str, Callable[[MotionStore, StoredVideo, float], tuple[Spot, ...]]] = {
    "valleys": _valleys,
    "mdmd": _mdmd,
    "peaks": _peaks,
}
