"""The control of spotting: the same videos with their motion in a random order, so that nothing can be found in them."""

import zlib
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Float32, UInt8

from merjax.faces.region_motion import Window
from merjax.stores.motion_store import LAG, MotionStore, StoredVideo


@dataclass(frozen=True)
class ShuffledMotion(MotionStore):
    """A motion store whose motion is permuted in time, video by video; frames, truth and hash are those of the store.

    Attributes:
        seed: of the permutations.
    """

    seed: int = 0

    @classmethod
    def of(cls, store: MotionStore, seed: int) -> "ShuffledMotion":
        """The store with its motion permuted."""
        return cls(**{f.name: getattr(store, f.name) for f in fields(store)}, seed=seed)

    def windows(self, video: StoredVideo, *, from_rest: bool = False) -> list[Window]:
        """Each window's signals in an order of its own."""
        return [
            window._replace(
                motion={
                    part: [signal[self._order(video, len(signal), window.first)] for signal in signals]
                    for part, signals in window.motion.items()
                }
            )
            for window in super().windows(video, from_rest=from_rest)
        ]

    def motion(self, video: StoredVideo, seconds: float = LAG) -> Float32[np.ndarray, "T R 2"]:
        return self._permuted(video, super().motion(video, seconds))

    def regional_motion(self, video: StoredVideo) -> Float32[np.ndarray, "T R V 2"]:
        return self._permuted(video, super().regional_motion(video))

    def differences(self, video: StoredVideo, k: int) -> Float[np.ndarray, "T"]:
        return self._permuted(video, super().differences(video, k))

    def flow(self, video: StoredVideo, k: int) -> UInt8[np.ndarray, "N 42 42 3"]:
        return self._permuted(video, super().flow(video, k))

    def _permuted(self, video: StoredVideo, motion_T: np.ndarray) -> np.ndarray:
        return motion_T[self._order(video, len(motion_T))]

    def _order(self, video: StoredVideo, length: int, place: int = 0) -> np.ndarray:
        rng = np.random.default_rng((self.seed, zlib.crc32(video.key.encode()), place))
        return rng.permutation(length)
