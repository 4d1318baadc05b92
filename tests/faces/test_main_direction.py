"""MDMD's value of a frame is that of plain loops over pixels."""

import numpy as np
import pytest
from support.plain_spotters import plain_main_difference

from merjax.faces.main_direction import main_difference


def test_the_value_of_a_frame_is_that_of_plain_loops():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        to, past = rng.normal(size=(2, 20, 26, 2))
        to[rng.random((20, 26)) < 0.3, rng.integers(2)] = 0
        to[:4, :5] = 0  # a block that does not move
        assert main_difference(to, past) == pytest.approx(plain_main_difference(to, past))


def test_motion_there_and_back_counts_and_steady_motion_does_not():
    there = np.full((12, 12, 2), 1.0)
    assert main_difference(there, np.zeros((12, 12, 2))) == pytest.approx(np.sqrt(2))
    assert main_difference(there, 2 * there) == pytest.approx(-np.sqrt(2))
