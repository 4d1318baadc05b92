"""Many comparisons at once, against published tables, plain loops and simulations."""

import numpy as np
import pytest

from merjax.scoring.corrections import critical_difference, holm, p_value


def test_holms_correction_is_that_of_the_steps_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, np.nan, 0.6])), [1.0, np.nan, 1.0])
    assert holm(np.array([])).size == 0


def test_holm_keeps_false_findings_of_equal_trials_below_one_in_twenty():
    p_values = np.random.default_rng(0).random((2000, 10))
    assert np.mean([(p < 0.05).any() for p in p_values]) > 0.35
    assert np.mean([(holm(p) < 0.05).any() for p in p_values]) < 0.065


def test_a_p_value_is_uniform_without_a_difference_and_small_with_one():
    rng = np.random.default_rng(1)
    times_DxQ = rng.multinomial(24, np.full(24, 1 / 24), size=400) / 24

    def found(shift):
        own_Q = rng.normal(shift, 1, 24)
        return p_value(own_Q.mean(), times_DxQ @ own_Q, 24)

    null = np.array([found(0) for _ in range(1500)])
    assert np.mean(null < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.median(null) == pytest.approx(0.5, abs=0.05)
    assert np.mean([found(1) < 0.01 for _ in range(50)]) > 0.9
    assert np.isnan(p_value(0.0, np.zeros(100), 24))


def test_ranks_and_their_critical_difference_are_the_published_ones():
    """Demsar 2006, Table 5a: q is 2.343 for 3 and 2.569 for 4 classifiers; 14 data sets and 4 classifiers give CD 1.25."""
    scores_BxT = np.random.default_rng(0).random((14, 4))
    ranks = critical_difference(scores_BxT)
    assert ranks.critical == pytest.approx(1.25, abs=0.005)
    by_hand = [np.mean([1 + (own > own[t]).sum() for own in scores_BxT]) for t in range(4)]
    np.testing.assert_allclose(ranks.mean_T, by_hand)
    three = critical_difference(np.array([[0.1, 0.2, 0.2]]))
    assert three.critical == pytest.approx(2.343 * np.sqrt(3 * 4 / 6), abs=0.002)
    assert three.mean_T.tolist() == [3, 1.5, 1.5]
