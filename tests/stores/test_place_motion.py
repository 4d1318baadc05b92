"""The places of a video: windows put together again, motion beside where a place rests, and a face's mirror image."""

import numpy as np

from merjax.faces.region_motion import PLACES
from merjax.faces.regions import REGIONS
from merjax.stores.place_motion import MOST_PLACES, PLACES_OF_REGIONS, by_region, from_rest, joined, mirrored
from merjax.synthesis.face import MIRROR

RNG = np.random.default_rng(0)


def test_windows_that_overlap_give_the_motion_of_a_stretch_again_and_gaps_stay_0():
    stretches, block = [(0, 25), (30, 33)], 10
    walk = RNG.normal(size=(40, 18, 2)).cumsum(0)
    windows, moved = [], []
    for first, last in stretches:
        for start in range(first, max(first + 1, last + 1 - block), block):
            own = walk[start : min(start + 2 * block, last + 1)]
            windows.append((start, len(own)))
            moved.append(own - own[0])
    assert len(windows) == 3
    expected = np.zeros_like(walk)
    for first, last in stretches:
        expected[first : last + 1] = walk[first : last + 1] - walk[first]
    np.testing.assert_allclose(joined(np.array(windows), np.concatenate(moved), 40), expected, atol=1e-5)


def test_a_place_that_moves_for_a_while_is_away_from_where_it_rests_and_one_that_has_moved_on_is_not():
    summed = np.zeros((600, 2, 2))
    summed[300:320, 0, 1] = 3  # there and back
    summed[200:, 1, 0] = 5  # and stays
    moved = from_rest(summed, [(0, 499)], 201)
    np.testing.assert_allclose(moved[300:320, 0], [[0, 3]] * 20)
    assert np.flatnonzero(moved[:, 0].any(1)).tolist() == list(range(300, 320))
    assert abs(moved[[60, 320], 1]).max() == 0
    assert not moved[500:].any()


def test_a_stretch_of_one_frame_rests():
    assert not from_rest(np.ones((3, 18, 2)), [(1, 1)], 200).any()


def test_every_place_lies_in_one_region_and_regions_with_fewer_places_are_filled_with_0():
    assert sorted(n for places in PLACES_OF_REGIONS for n in places) == list(range(len(PLACES)))
    values = RNG.normal(size=(4, len(PLACES), 2))
    spread = by_region(values)
    assert spread.shape == (4, 6, MOST_PLACES, 2)
    for r, places in enumerate(PLACES_OF_REGIONS):
        np.testing.assert_array_equal(spread[:, r, : len(places)], values[:, list(places)])
        assert not spread[:, r, len(places) :].any()


def test_the_mirror_image_moves_as_the_twin_of_each_landmark_does():
    """Each landmark has a motion of its own; that of a place is its landmarks' mean."""
    of_landmarks = RNG.normal(size=(68, 2))
    twins = of_landmarks[MIRROR] * [-1, 1]

    def motion(landmarks):
        # the whole mouth is measured without landmark 67, but with its twin 65
        own = [[n for n in place.landmarks if n != 65] for place in PLACES]
        places = np.array([landmarks[landmarks_of_place].mean(0) for landmarks_of_place in own])[None]
        means = np.zeros((1, len(REGIONS), 1, 2))
        means[0, :2, 0], means[0, 3:5, 0] = landmarks[[36, 45]], landmarks[[2, 14]]
        return np.concatenate([means, by_region(places), by_region(2 * places)], 2)

    np.testing.assert_allclose(mirrored(motion(of_landmarks)), motion(twins))
