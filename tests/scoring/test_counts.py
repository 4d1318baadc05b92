"""Scores where a clip may have several classes, against scikit-learn's multi-label scores."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as reference

from merjax.protocols.tasks import Task
from merjax.scoring import counts
from merjax.scoring.choosing import highest_at_chance
from merjax.scoring.metrics import SCORES

UNITS = Task(("AU1", "AU2", "AU4"), several=True)
labels = arrays.arrays(np.int64, st.integers(1, 12), elements=st.integers(0, 7))


@given(labels, st.data())
@settings(deadline=None, max_examples=100)
def test_scores_of_several_classes_equal_scikit_learn(truth_N, data):
    answer_N = data.draw(arrays.arrays(np.int64, len(truth_N), elements=st.integers(0, 7)))
    truth, answer = UNITS.members(truth_N), UNITS.members(answer_N)
    counted = counts.counted_labels(UNITS, truth_N, answer_N)
    np.testing.assert_array_equal(counted, reference.multilabel_confusion_matrix(truth, answer))
    scores = {name: float(score(counted)) for name, score in counts.scores_of(UNITS).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about classes that do not occur
        balanced = [reference.balanced_accuracy_score(truth[:, k], answer[:, k]) for k in range(3)]
        f1 = [reference.f1_score(truth[:, k], answer[:, k], zero_division=np.nan) for k in range(3)]
        mean_f1 = np.nanmean(f1)
    assert scores["UF1"] == pytest.approx(mean_f1, nan_ok=True)  # a class that is nowhere is left out
    assert scores["UAR"] == pytest.approx(np.mean(balanced))
    assert scores["accuracy"] == pytest.approx(1 - reference.hamming_loss(truth, answer))
    np.testing.assert_allclose(counts.f1_of_classes(UNITS, counted), f1)
    assert counts.clips_of(UNITS, counted) == len(truth_N)
    assert counts.right_of(UNITS, counted) == pytest.approx(scores["accuracy"] * len(truth_N))
    assert counts.clips_of_classes(UNITS, counted).tolist() == truth.sum(0).tolist()


def test_whole_subjects_are_drawn():
    rng = np.random.default_rng(1)
    subject_N, truth_N, answer_N = rng.integers(0, 5, 60), *rng.integers(0, 8, (2, 60))
    got = counts.subject_bootstrap(UNITS, truth_N, answer_N, subject_N, draws=3, seed=4)
    times = np.random.default_rng(4).multinomial(5, np.full(5, 0.2), size=3)
    for draw, n_times in enumerate(times):
        rows = np.concatenate([np.tile(np.flatnonzero(subject_N == s), n) for s, n in enumerate(n_times)])
        expected = reference.multilabel_confusion_matrix(UNITS.members(truth_N[rows]), UNITS.members(answer_N[rows]))
        np.testing.assert_array_equal(got[draw], expected)


def test_majority_never_finds_a_rare_class_and_chance_finds_it_by_its_frequency():
    truth_N = UNITS.label_of(np.arange(100)[:, None] < [10, 30, 80])
    always = counts.majority(UNITS, truth_N)
    assert counts.f1_of_classes(UNITS, always) == pytest.approx([0, 0, 160 / 180])
    (every,) = counts.controls(UNITS, truth_N)["every class"]
    assert counts.f1_of_classes(UNITS, every) == pytest.approx([20 / 110, 60 / 130, 160 / 180])
    drawn = counts.chance(UNITS, truth_N, draws=4000)
    assert (drawn.sum((-1, -2)) == 100).all()
    assert (drawn.sum(-1)[..., 1] == [10, 30, 80]).all()
    assert counts.f1_of_classes(UNITS, drawn).mean(0) == pytest.approx([0.1, 0.3, 0.8], abs=0.01)


def test_the_highest_at_chance_is_that_of_a_plain_loop():
    rng = np.random.default_rng(5)
    truth_N, answers = rng.integers(0, 8, 40), [rng.integers(0, 8, (2, 40)) for _ in range(4)]
    macro_f1 = counts.scores_of(UNITS)["UF1"]
    found = highest_at_chance(truth_N, answers, UNITS, macro_f1, rounds=20, seed=3)
    shuffling, highest = np.random.default_rng(3), []
    for shuffled_N in [shuffling.permutation(truth_N) for _ in range(20)]:
        each = [
            np.mean([macro_f1(counts.counted_labels(UNITS, shuffled_N, own)) for own in trial]) for trial in answers
        ]
        highest.append(max(each))
    assert found.highest == pytest.approx(np.mean(highest))


def test_log_loss_is_that_of_every_answer():
    truth_N, probability_NxK = np.array([5, 0]), np.array([[0.9, 0.2, 0.6], [0.1, 0.5, 0.3]])
    expected = reference.log_loss(UNITS.members(truth_N).ravel(), probability_NxK.ravel())
    assert counts.log_loss(UNITS, truth_N, probability_NxK) == pytest.approx(expected)


def test_every_score_has_a_meaning_for_several_classes():
    """Tables go through the names of `SCORES`, whatever is answered about a clip."""
    assert list(counts.scores_of(UNITS)) == list(SCORES)


def test_labels_that_are_none_of_the_task_are_refused():
    with pytest.raises(ValueError, match=r"must lie in 0\.\.7, got 0\.\.8"):
        counts.counted_labels(UNITS, np.array([8]), np.array([0]))
