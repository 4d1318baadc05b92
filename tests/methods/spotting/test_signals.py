"""Signals are filtered in hertz at any rate, without a shift in time; runs are the runs of frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.plain_spotters import joined

from merjax.methods.spotting.signals import low_pass, residual, runs, without_trend


@pytest.mark.parametrize("fps", [30, 60, 200])
def test_the_filter_keeps_and_takes_off_the_same_frequencies_at_every_rate(fps):
    seconds_T = np.arange(8 * fps) / fps
    slow, fast = (np.sin(2 * np.pi * hertz * seconds_T) for hertz in (1.0, 12.0))
    inner = slice(fps, -fps)  # ends have less to average over
    np.testing.assert_allclose(low_pass(slow + fast, fps, 5.0)[inner], slow[inner], atol=0.01)


def test_a_trend_is_the_straight_line_of_least_squares():
    signal_T = np.random.default_rng(0).random(50)
    line_T = np.polyval(np.polyfit(np.arange(50), signal_T, 1), np.arange(50))
    np.testing.assert_allclose(without_trend(signal_T), signal_T - line_T, atol=1e-12)


@pytest.mark.parametrize("length", [1, 2, 5, 30])
def test_short_signals_and_slow_videos_are_filtered_as_far_as_they_go(length):
    signal_T = np.linspace(1, 2, length)
    assert low_pass(signal_T, 30, 5.0).shape == (length,)
    np.testing.assert_array_equal(low_pass(signal_T, 8, 5.0), signal_T)
    np.testing.assert_allclose(without_trend(signal_T), 0, atol=1e-12)


def test_motion_of_the_head_moves_no_region():
    rng = np.random.default_rng(0)
    head_Tx2, own_TxRx2 = rng.normal(size=(20, 2)), rng.normal(size=(20, 3, 2))
    motion_TxR = residual(own_TxRx2 + head_Tx2[:, None], head_Tx2)
    np.testing.assert_allclose(motion_TxR, np.hypot(own_TxRx2[..., 0], own_TxRx2[..., 1]))


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 4))
def test_runs_are_those_of_a_plain_loop(picked, gap):
    expected = joined([t for t, on in enumerate(picked) if on], gap)
    assert runs(np.array(picked, bool), gap).tolist() == expected
