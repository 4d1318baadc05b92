"""Overlaps are those of sets of frames, and no one-to-one matching has more pairs than the one that is counted."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.intervals import iou, random_intervals

from merjax.scoring.spotting.matching import matched, one_to_one, overlaps, overlaps_without_ends


def arrays(*intervals):
    return np.array(intervals, int).reshape(-1, 2)


def test_overlaps_are_those_of_the_sets_of_frames():
    rng = np.random.default_rng(0)
    found, true = random_intervals(rng, 40), random_intervals(rng, 30)
    expected = [[iou(f, t) for t in true] for f in found]
    np.testing.assert_allclose(overlaps(found, true), expected)


def test_both_ends_belong_to_an_interval_and_a_half_is_enough():
    assert overlaps(arrays((5, 5)), arrays((5, 5)))[0, 0] == 1
    assert overlaps(arrays((1, 4)), arrays((5, 8)))[0, 0] == 0
    assert overlaps(arrays((1, 4)), arrays((4, 7)))[0, 0] == pytest.approx(1 / 7)
    half = matched(arrays((1, 10)), arrays((1, 20)))
    assert (half.hits, half.false, half.missed) == (1, 0, 0)
    less = matched(arrays((1, 10)), arrays((1, 21)))
    assert (less.hits, less.false, less.missed) == (0, 1, 1)
    assert overlaps_without_ends(arrays((1, 10)), arrays((1, 19)))[0, 0] == 0.5


def test_several_found_on_one_true_interval_are_one_hit_and_else_false():
    result = matched(arrays((10, 20), (11, 21), (9, 20)), arrays((10, 20)))
    assert (result.hits, result.false, result.missed) == (1, 2, 0)
    assert result.pairs == ((0, 0),)  # the one that overlaps most


def test_a_found_interval_gives_way_so_that_two_true_ones_are_hit():
    """Taking the best pair first would leave the second found and the second true interval alone."""
    found, true = arrays((10, 29), (2, 20)), arrays((8, 27), (18, 33))
    overlap = overlaps(found, true)
    assert overlap[0, 0] > overlap[0, 1] >= 0.5
    assert overlap[1, 0] >= 0.5 > overlap[1, 1]
    assert matched(found, true).pairs == ((0, 1), (1, 0))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_no_other_pairing_has_more_pairs_or_as_many_that_overlap_more(n_found, n_true, seed):
    rng = np.random.default_rng(seed)
    hit, overlap = rng.random((n_found, n_true)) < 0.5, rng.random((n_found, n_true))
    pairs = one_to_one(hit, overlap)
    assert all(hit[f, t] for f, t in pairs)
    assert len({f for f, _ in pairs}) == len({t for _, t in pairs}) == len(pairs)
    side = range(max(n_found, n_true))
    best = max(
        (len(own), sum(overlap[f, t] for f, t in own))
        for order in permutations(side)
        for own in [[(f, t) for f, t in enumerate(order) if f < n_found and t < n_true and hit[f, t]]]
    )
    assert (len(pairs), sum(overlap[f, t] for f, t in pairs)) == (best[0], pytest.approx(best[1]))


def test_videos_without_found_or_true_intervals_count_as_misses_or_as_false():
    some, none = arrays((1, 5), (20, 30)), arrays()
    assert matched(none, none)[1:] == (0, 0, 0)
    assert matched(some, none)[1:] == (0, 2, 0)
    assert matched(none, some)[1:] == (0, 0, 2)
