"""Scores against scikit-learn, on random and degenerate predictions."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from merjax.protocols.tasks import Task
from merjax.scoring import metrics
from merjax.scoring.counts import chance, counted_labels, majority, subject_bootstrap

CLASSES = 3
TASK = Task(("a", "b", "c"))
labels = st.integers(0, CLASSES - 1)
pairs = st.lists(st.tuples(labels, labels), min_size=1, max_size=40)


@given(pairs)
@settings(deadline=None, max_examples=200)
def test_scores_equal_scikit_learn(pairs):
    truth, prediction = np.array(pairs).T
    confusion = counted_labels(TASK, truth, prediction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, about classes that do not occur
        assert metrics.uf1(confusion) == pytest.approx(reference.f1_score(truth, prediction, average="macro"))
        assert metrics.uar(confusion) == pytest.approx(reference.balanced_accuracy_score(truth, prediction))
    assert metrics.accuracy(confusion) == pytest.approx(reference.accuracy_score(truth, prediction))
    np.testing.assert_array_equal(confusion, reference.confusion_matrix(truth, prediction, labels=range(CLASSES)))


def test_published_majority_scores_of_megc_2019():
    truth = np.repeat([0, 1, 2], [250, 109, 83])
    confusion = majority(TASK, truth)
    assert float(metrics.uf1(confusion)) == pytest.approx(0.241, abs=5e-4)
    assert float(metrics.uar(confusion)) == pytest.approx(1 / 3)


def test_absent_classes_are_undefined_per_class_and_left_out_of_means():
    four = Task(("a", "b", "c", "d"))
    confusion = counted_labels(four, np.array([0, 0, 1]), np.array([0, 1, 1]))
    np.testing.assert_array_equal(np.isnan(metrics.f1_per_class(confusion)), [False, False, True, True])
    assert float(metrics.uar(confusion)) == pytest.approx(0.75)
    assert np.isnan(metrics.accuracy(counted_labels(four, np.array([]), np.array([]))))


def test_labels_out_of_range_are_refused():
    with pytest.raises(ValueError, match="0..2"):
        counted_labels(TASK, np.array([0, 3]), np.array([0, 0]))
    with pytest.raises(ValueError, match="0..2"):
        counted_labels(TASK, np.array([0, 1]), np.array([0, -1]))


def test_chance_keeps_the_frequencies_of_the_truth():
    truth = np.repeat([0, 1, 2], [50, 30, 20])
    confusions = chance(TASK, truth, draws=4000)
    assert (confusions.sum(2) == [50, 30, 20]).all()
    np.testing.assert_allclose(confusions.sum(1).mean(0), [50, 30, 20], atol=0.5)
    assert float(metrics.uar(confusions).mean()) == pytest.approx(1 / 3, abs=0.01)


def test_bootstrap_draws_whole_subjects():
    """Each subject has its own class, so resampled class counts are multiples of the subject's size."""
    truth = np.repeat([0, 1, 2], [4, 6, 10])
    confusions = subject_bootstrap(TASK, truth, truth, truth, draws=500)
    counts = confusions.sum(2)
    assert (counts % [4, 6, 10] == 0).all()
    assert ((counts / [4, 6, 10]).sum(1) == 3).all()


def test_bootstrap_equals_resampling_by_hand():
    rng = np.random.default_rng(1)
    subject = rng.integers(0, 5, 60)
    truth, prediction = rng.integers(0, 3, (2, 60))
    got = subject_bootstrap(TASK, truth, prediction, subject, draws=3, seed=4)
    times = np.random.default_rng(4).multinomial(5, np.full(5, 0.2), size=3)
    for draw, n_times in enumerate(times):
        rows = np.concatenate([np.tile(np.flatnonzero(subject == s), n) for s, n in enumerate(n_times)])
        expected = reference.confusion_matrix(truth[rows], prediction[rows], labels=range(3))
        np.testing.assert_array_equal(got[draw], expected)
