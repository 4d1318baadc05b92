"""From the windows of a video to the motion of its places frame by frame, and which of them lie in which region."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Float32, Int

from merjax.faces.region_motion import PLACES
from merjax.faces.regions import REGIONS

PLACES_OF_REGIONS = tuple(
    tuple(n for n, place in enumerate(PLACES) if place.region == region.name) for region in REGIONS
)
MOST_PLACES = max(map(len, PLACES_OF_REGIONS))
_MIRRORED_REGIONS = [1, 0, 2, 4, 3, 5]
# of each region, the places of its mirror image in their order: both corners of a mouth and both sides of a nose change places
_MIRRORED_PLACES = {"mouth": [1, 0, 2, 3, 4, 5], "nose": [1, 0, 2, 3, 4, 5]}
_RESTS = 15  # frames from one median to the next: a face's rest changes slowly


def joined(
    windows_Wx2: Int[np.ndarray, "W 2"], moved_RxSx2: Float[np.ndarray, "rows S 2"], n_frames: int
) -> Float32[np.ndarray, "T S 2"]:
    """How far each place has moved since the first frame of its stretch: windows that overlap are put together again.

    Args:
        windows_Wx2: the first frame and the length of each window.
        moved_RxSx2: of each frame of each window, one window after the other, the motion since the window's first frame.
        n_frames: of the video; those of no window are 0.
    """
    summed_TxSx2 = np.zeros((n_frames, *moved_RxSx2.shape[1:]), np.float32)
    row, end = 0, 0
    for first, length in windows_Wx2.tolist():
        own = moved_RxSx2[row : row + length]
        summed_TxSx2[first : first + length] = own + summed_TxSx2[first] if first < end else own
        row, end = row + length, first + length
    return summed_TxSx2


def since_earlier(
    summed_TxPx2: Float[np.ndarray, "T P 2"], stretches: Iterable[tuple[int, int]], lag: int
) -> Float[np.ndarray, "T P 2"]:
    """The motion since the frame `lag` frames earlier; 0 where that is not in the same stretch."""
    motion_TxPx2 = np.zeros_like(summed_TxPx2)
    for first, last in stretches:
        own = summed_TxPx2[first : last + 1]
        motion_TxPx2[first + lag : last + 1] = own[lag:] - own[:-lag]
    return motion_TxPx2


def from_rest(
    summed_TxPx2: Float[np.ndarray, "T P 2"], stretches: Iterable[tuple[int, int]], around: int
) -> Float[np.ndarray, "T P 2"]:
    """How far each place is from where it rests: from its median in the `around` frames about a frame, and between the frames
    at which medians are taken on the line between these; 0 outside of stretches."""
    moved_TxPx2 = np.zeros_like(summed_TxPx2)
    for first, last in stretches:
        own = summed_TxPx2[first : last + 1]
        at = np.unique([*range(0, len(own), _RESTS), len(own) - 1])
        rests = [np.median(own[max(0, t - around // 2) : t + around // 2 + 1], axis=0) for t in at]
        moved_TxPx2[first : last + 1] = own - _between(at, np.stack(rests), len(own))
    return moved_TxPx2


def _between(at: Int[np.ndarray, "N"], values_NxPx2: np.ndarray, length: int) -> np.ndarray:
    right = np.clip(np.searchsorted(at, np.arange(length), "right"), 1, max(1, len(at) - 1))
    if len(at) == 1:
        return np.repeat(values_NxPx2, length, 0)
    share = (np.arange(length) - at[right - 1]) / (at[right] - at[right - 1])
    return values_NxPx2[right - 1] + share[:, None, None] * (values_NxPx2[right] - values_NxPx2[right - 1])


def by_region(values_TxSx2: Float[np.ndarray, "T S 2"]) -> Float[np.ndarray, "T R P 2"]:
    """The places of each region; where a region has fewer than another, 0."""
    spread = np.zeros((len(values_TxSx2), len(REGIONS), MOST_PLACES, 2), values_TxSx2.dtype)
    for r, places in enumerate(PLACES_OF_REGIONS):
        spread[:, r, : len(places)] = values_TxSx2[:, list(places)]
    return spread


def mirrored(motion_TxRxVx2: Float[np.ndarray, "T R V 2"]) -> Float[np.ndarray, "T R V 2"]:
    """The motion of the mirror image of a face, as `merjax.stores.motion_store.MotionStore.regional_motion` gives it."""
    other = motion_TxRxVx2[:, _MIRRORED_REGIONS] * np.array([-1, 1], motion_TxRxVx2.dtype)
    for r, region in enumerate(REGIONS):
        if order := _MIRRORED_PLACES.get(region.name):
            own = np.array(order)
            other[:, r] = other[:, r, [0, *(1 + own), *(1 + MOST_PLACES + own)]]
    return other
