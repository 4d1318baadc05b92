"""MDMD finds made expressions at any rate."""

import numpy as np
import pytest
from support.intervals import iou
from support.plain_spotters import bump

from merjax.methods.spotting.mdmd import MACRO_MDMD, MICRO_MDMD, contrast, half_window, spot_mdmd


def differences(position_T, k):
    """`main_difference` of a face that moves as one piece."""
    n = len(position_T)
    near, far = (np.abs(position_T[s:] - position_T[: n - s]) for s in (k, 2 * k))
    return np.r_[np.full(k, np.nan), near[: n - 2 * k] - far, np.full(k, np.nan)]


@pytest.mark.parametrize("fps", [30, 60, 200])
@pytest.mark.parametrize(("rule", "length"), [(MICRO_MDMD, 0.5), (MACRO_MDMD, 1.6)])
def test_expressions_are_found_at_their_apex_at_every_rate(fps, rule, length):
    starts = [round(s * fps) for s in (6, 15)]
    position = sum(bump(24 * fps, start, start + round(length * fps), 2.0) for start in starts)
    k = half_window(len(position), fps, rule)
    spots = spot_mdmd(differences(position, k), fps, rule)
    for start in starts:
        true = (start, start + round(length * fps))
        assert max(iou((spot.onset, spot.offset), true) for spot in spots) > 0.5
    best = sorted(spots, key=lambda spot: -spot.confidence)[:2]
    assert all(min(abs(s.apex - a - length / 2 * fps) for a in starts) <= 0.1 * fps for s in best)


def test_half_the_window_is_the_baselines_and_shrinks_in_short_videos_alone():
    assert [half_window(3000, fps, rule) for fps in (30, 200) for rule in (MICRO_MDMD, MACRO_MDMD)] == [12, 39, 80, 260]
    assert [half_window(n, 30, MICRO_MDMD) for n in (72, 71, 36, 35, 1)] == [12, 6, 6, 3, 2]


@pytest.mark.parametrize(("fps", "kept"), [(30, (7, 16)), (200, (47, 105))])
def test_lengths_that_are_kept_are_the_baselines(fps, kept):
    k = half_window(10_000, fps, MICRO_MDMD)
    for length in range(kept[0] - 2, kept[1] + 3):
        contrast_like = np.zeros(10_000)
        contrast_like[4000 : 4000 + length] = 5.0
        contrast_like[[4000 - 1, 4000 + length]] = -50  # so that the run has exactly this length
        found = [s for s in spot_mdmd(contrast_like, fps, MICRO_MDMD) if s.onset == 4000]
        assert bool(found) == (kept[0] <= length <= kept[1])
    assert k in (12, 80)


def test_contrast_is_the_value_less_the_mean_of_two_and_undefined_at_the_ends():
    signal_T = np.random.default_rng(0).random(12)
    expected = [signal_T[t] - (signal_T[t - 3] + signal_T[t + 3]) / 2 for t in range(3, 9)]
    np.testing.assert_allclose(contrast(signal_T, 3)[3:9], expected)
    assert np.isnan(contrast(signal_T, 3)[[0, 1, 2, 9, 10, 11]]).all()
    assert np.isnan(contrast(signal_T[:6], 3)).all()


def test_still_and_short_videos_show_nothing():
    assert spot_mdmd(np.zeros(300), 30, MICRO_MDMD) == ()
    assert spot_mdmd(np.full(9, np.nan), 30, MICRO_MDMD) == ()
    assert spot_mdmd(np.zeros(0), 30, MICRO_MDMD) == ()
