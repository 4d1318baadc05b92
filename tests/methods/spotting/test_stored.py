"""Spotters on stored videos: what is found in a made store is where its expressions are, and never reaches across a gap."""

import numpy as np
import pytest
from support.intervals import iou
from support.made_motion import make_motion_store

from merjax.methods.spotting.signals import Spot
from merjax.methods.spotting.stored import OWN_SHARES, SHARES, SPOTTERS, in_own_frames
from merjax.stores.motion_store import open_motion_store

GAPS = ((100, 104), (180, 199))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One expression before a gap and one after it."""
    path = tmp_path_factory.mktemp("made") / "store"
    return make_motion_store(path, subjects=2, kinds=("macro", "macro"), gaps=((146, 152),))


@pytest.fixture(scope="module")
def with_gaps(tmp_path_factory):
    made = make_motion_store(tmp_path_factory.mktemp("gaps") / "store", subjects=1, videos=3, gaps=GAPS, flows=())
    for video in made.videos:  # MDMD's own values: dense flow would take seconds
        for k in range(2, 40):
            difference_T = np.sin(np.arange(video.n_frames) / 5) + np.random.default_rng(k).normal(
                0, 0.02, video.n_frames
            )
            for first, last in GAPS:
                difference_T[first - k : last + k + 1] = np.nan
            np.save(made.path / video.folder / f"difference_{k}.npy", difference_T)
    return open_motion_store(made.path)


@pytest.mark.parametrize("name", ["valleys", "peaks"])
def test_expressions_are_found_where_they_are(store, name):
    for video in store.videos:
        found = SPOTTERS[name](store, video, 0.0)
        for true in video.truth:
            assert max(iou((s.onset, s.offset), (true.onset, true.offset)) for s in found) >= 0.5
        if name == "valleys":
            assert len(found) == len(video.truth)


@pytest.mark.parametrize("name", SPOTTERS)
def test_no_interval_reaches_into_or_across_a_gap(with_gaps, name):
    found = [s for video in with_gaps.videos for s in SPOTTERS[name](with_gaps, video, 0.0)]
    assert found
    for spot in found:
        assert not any(spot.onset <= last and first <= spot.offset for first, last in GAPS)
        assert 0 <= spot.onset <= spot.apex <= spot.offset < 300
        assert any(first <= spot.onset and spot.offset <= last for first, last in ((0, 99), (105, 179), (200, 299)))


@pytest.mark.parametrize("name", SPOTTERS)
def test_a_larger_share_finds_less_and_0_is_the_methods_own(with_gaps, name):
    def found(share):
        return [SPOTTERS[name](with_gaps, video, share) for video in with_gaps.videos]

    counts = [sum(map(len, found(share))) for share in (SHARES[name][0], SHARES[name][-1])]
    assert counts[0] > counts[1]
    assert found(0.0) == found(OWN_SHARES[name])
    assert OWN_SHARES[name] in SHARES[name]


def test_stored_frames_become_the_videos_own():
    numbers = np.array([0, 7, 14, 14, 21])
    spots = (Spot(1, 3, 2, "micro", 0.5), Spot(0, 4, 1, "macro", 1.0))
    assert in_own_frames(spots, numbers) == (Spot(7, 14, 14, "micro", 0.5), Spot(0, 21, 7, "macro", 1.0))
