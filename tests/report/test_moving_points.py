"""Landmarks that go along with the motion of a store's places."""

import numpy as np
import pytest
from support.made_motion import make_motion_store

from merjax.faces.region_motion import PLACES
from merjax.report.moving_points import LINES, MovingPoints


@pytest.fixture
def moving(tmp_path):
    """The first video of a store with a gap, and the moving landmarks of it."""
    store = make_motion_store(tmp_path / "store", subjects=1, frames=200, gaps=((60, 69),))
    return store, store.videos[0], MovingPoints(store, store.videos[0])


def test_a_landmark_moves_as_its_place_does_in_half_its_pixels(moving):
    store, video, points = moving
    at = points.at(20, points.window(20)) - np.asarray(store.array(video, "points")[0], float)
    own_Sx2 = np.asarray(store.array(video, "signals")[20])
    for n, place in enumerate(PLACES):
        if len(place.landmarks) == 1:
            np.testing.assert_allclose(at[place.landmarks[0]], own_Sx2[n] / 2, atol=1e-6)
    np.testing.assert_allclose(at[37], own_Sx2[16] / 2, atol=1e-6)  # the right upper lid
    corner, middle = (next(n for n, p in enumerate(PLACES) if p.landmarks == (m,)) for m in (48, 51))
    np.testing.assert_allclose(at[50], (own_Sx2[corner] + 2 * own_Sx2[middle]) / 3 / 2, atol=1e-6)
    still = [*range(17), *range(27, 31), 33, 36, 39, 40, 41, 42, 45, 46, 47]
    assert not at[still].any()
    assert at[sorted(set(range(68)) - set(still))].any(axis=1).all()


def test_there_are_no_landmarks_in_a_gap_and_those_behind_it_have_a_window_of_their_own(moving):
    store, video, points = moving
    assert points.window(65) is None
    behind = store.array(video, "windows")[points.window(70)]
    assert behind[0] == 70
    np.testing.assert_array_equal(points.at(0, points.window(70)), points.at(70, points.window(70)))


def test_every_landmark_lies_on_a_line():
    assert {landmark for line in LINES for landmark in line} == set(range(68))
