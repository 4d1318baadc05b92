"""The price of choosing the best of many trials: simulations with a known truth."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from merjax.protocols.tasks import Task
from merjax.scoring.choosing import choose, highest_at_chance
from merjax.scoring.metrics import accuracy, uf1

CLASSES, SUBJECTS, CLIPS = 3, 30, 6


def simulated(skills, rng, subjects=SUBJECTS) -> list[np.ndarray]:
    """Confusion matrices, one seed x subjects x K x K, of trials that know a clip's class with a probability each."""
    truth_QxN = rng.integers(0, CLASSES, (subjects, CLIPS))
    trials = []
    for skill in skills:
        guess_QxN = rng.integers(0, CLASSES, truth_QxN.shape)
        answer_QxN = np.where(rng.random(truth_QxN.shape) < skill, truth_QxN, guess_QxN)
        counts = np.zeros((1, subjects, CLASSES, CLASSES), int)
        np.add.at(counts[0], (np.arange(subjects)[:, None], truth_QxN, answer_QxN), 1)
        trials.append(counts)
    return trials


@pytest.mark.parametrize("score", [accuracy, uf1])
def test_equal_trials_have_no_honest_lead_although_one_stands_out(score):
    rng = np.random.default_rng(1)
    choices = [choose(simulated([0.4] * 12, rng), score, rounds=40) for _ in range(60)]
    honest, lead = (np.array([getattr(c, name) for c in choices]) for name in ("honest", "lead"))
    error = honest.std(ddof=1) / np.sqrt(len(honest))
    assert abs(honest.mean()) < 3 * error
    assert error < 0.005
    assert lead.mean() > 0.04  # what a table shows
    covered = np.mean([c.low <= 0 <= c.high for c in choices])
    assert covered >= 0.85


def test_the_corrected_score_is_what_the_chosen_trial_scores_on_other_people():
    """Trials of different skill: the mean corrected score against the truth, which is known."""
    rng = np.random.default_rng(2)
    skills = np.linspace(0.3, 0.5, 12)
    truth = skills + (1 - skills) / CLASSES
    choices = [choose(simulated(skills, rng), accuracy, rounds=40) for _ in range(60)]
    of_best = np.mean([truth[c.best] for c in choices])
    shown, corrected = (np.mean([getattr(c, name) for c in choices]) for name in ("score", "corrected"))
    assert shown - of_best > 0.015
    assert abs(corrected - of_best) < 0.4 * (shown - of_best)
    assert corrected < shown


def test_a_known_optimum_is_found_and_keeps_its_lead():
    choice = choose(simulated([0.3] * 9 + [0.9], np.random.default_rng(3)), uf1)
    assert choice.best == 9
    assert choice.share > 0.99
    truth = 0.9 * (0.9 - 0.3) * (1 - 1 / CLASSES)  # in accuracy, over the mean of all
    assert choice.low < truth < choice.high
    assert choice.honest == pytest.approx(choice.lead, abs=0.05)


def test_one_trial_has_no_lead_and_copies_of_one_trial_neither():
    (alone,) = simulated([0.5], np.random.default_rng(4))
    for choice in (choose([alone], uf1), choose([alone] * 5, uf1)):
        assert (choice.lead, choice.honest, choice.optimism) == pytest.approx((0, 0, 0), abs=1e-12)
        assert choice.score == uf1(alone.sum(1))[0]


def test_the_highest_of_many_at_chance_is_that_of_a_plain_loop():
    rng = np.random.default_rng(5)
    truth_N = rng.choice(3, 60, p=[0.6, 0.3, 0.1])
    predictions = [rng.integers(0, 3, (2, 60)) for _ in range(7)]
    found = highest_at_chance(truth_N, predictions, Task(("a", "b", "c")), accuracy, rounds=300)
    highest, single = [], []
    for _ in range(300):
        shuffled = rng.permutation(truth_N)
        scores = [np.mean([accuracy_score(shuffled, own) for own in trial]) for trial in predictions]
        highest.append(max(scores))
        single += scores
    assert found.single == pytest.approx(np.mean(single), abs=0.006)
    assert found.highest == pytest.approx(np.mean(highest), abs=0.01)
    assert found.low == pytest.approx(np.quantile(highest, 0.025), abs=0.03)
    copies = highest_at_chance(truth_N, [predictions[0]] * 7, Task(("a", "b", "c")), accuracy)
    assert copies.highest == pytest.approx(copies.single)  # seven names of one trial give nothing to choose from
