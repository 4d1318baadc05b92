"""Motion of blocks is put together to motion since the first frame of a stretch."""

import numpy as np
import pytest

from merjax.faces.following import Seen
from merjax.faces.region_motion import PLACES, Measured
from merjax.faces.regions import REGIONS
from merjax.stores.video_motion import summed_up, windows_of, without_nose

BLOCK = 4


def seen_of(places_TxSx2, regions_TxRx2, nose_Tx2, head_Tx2):
    """What `follow` gives of a face that is where these say: since a block's first frame, and on it since the block before."""
    seen = []
    for t in range(len(places_TxSx2)):
        begun = 0 if t == 0 else (t - 1) // BLOCK * BLOCK
        moved = Measured(*(own[t] - own[begun] for own in (places_TxSx2, regions_TxRx2, nose_Tx2)))
        points = np.zeros((68, 2)) if t % BLOCK == 0 else None
        seen.append(Seen(t == 0, points, moved, head_Tx2[t], np.zeros((0, 0), np.uint8)))
    return seen


@pytest.mark.parametrize("frames", [1, 4, 5, 14])
def test_motion_over_blocks_is_that_since_the_first_frame(frames):
    rng = np.random.default_rng(0)
    sizes = (len(PLACES), 2), (len(REGIONS), 2), (2,), (2,)
    places, regions, nose, head = (rng.normal(size=(frames, *size)).cumsum(0) for size in sizes)
    summed = summed_up(seen_of(places, regions, nose, head))
    np.testing.assert_allclose(summed.places, places - places[0], atol=1e-12)
    np.testing.assert_allclose(summed.regions, regions - regions[0], atol=1e-12)
    np.testing.assert_allclose(summed.nose, nose - nose[0] + head, atol=1e-12)
    kept = without_nose(summed)
    at = [region.name for region in REGIONS].index("nose")
    for n in range(len(REGIONS)):
        own = summed.nose - summed.nose[0] if n == at else summed.regions[:, n] - summed.regions[:, at]
        np.testing.assert_allclose(kept[:, n], own, atol=1e-5)


@pytest.mark.parametrize(
    ("frames", "starts"), [(1, [0]), (20, [0]), (21, [0, 10]), (31, [0, 10, 20]), (45, [0, 10, 20, 30])]
)
def test_windows_overlap_by_half_and_reach_the_end(frames, starts):
    """Of two blocks of 10 frames; each begins where there are landmarks."""
    windows = windows_of(range(0, frames, 10), frames)
    assert [start for start, _ in windows] == starts
    assert [end for _, end in windows] == [min(start + 20, frames) for start in starts]
    assert windows[-1][1] == frames
