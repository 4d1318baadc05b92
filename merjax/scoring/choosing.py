"""What choosing the best of several trials by their tested scores adds to the best one's score.

The highest of N scores is high in part by luck, so it overstates what its trial would score on other people. How much of its
lead over the mean of all trials is real is estimated by choosing and scoring on different people: subjects are drawn with
replacement, the trial that scores best on those drawn is chosen, and its lead is taken on the subjects that were not drawn. The
mean over many draws is the honest lead; the rest of the lead that the table shows is the optimism of choosing. Trials that are
equal have an honest lead of 0, however far the luckiest stands out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t as student

from merjax.protocols.tasks import Task
from merjax.scoring.metrics import Score

ROUNDS = 400
_GROUPS = 20  # of subjects that are left out in turn, for the interval


class Choice(NamedTuple):
    """The trial with the highest tested score, and how much of its lead would remain on other people.

    Attributes:
        trials: how many there were to choose from.
        best: the number of the one with the highest score on all subjects.
        score: its score on all subjects.
        lead: that score minus the mean of all trials.
        honest: the expected lead, over the mean of all trials, of a trial that is chosen on some people and tested on others.
        low, high: the 95 % interval of `honest`.
        share: of the rounds, how many chose this trial.
        rounds: how many draws of subjects.
    """

    trials: int
    best: int
    score: float
    lead: float
    honest: float
    low: float
    high: float
    share: float
    rounds: int

    @property
    def optimism(self) -> float:
        """What choosing adds to the shown score."""
        return self.lead - self.honest

    @property
    def corrected(self) -> float:
        """The shown score without the optimism."""
        return self.score - self.optimism


def choose(
    counts: Sequence[Int[np.ndarray, "S Q *counts"]], score: Score, *, rounds: int = ROUNDS, seed: int = 0
) -> Choice:
    """Choose the trial with the highest score, and estimate how much of its lead is luck.

    Args:
        counts: of each trial, the confusion matrices of its seeds and subjects (see `merjax.scoring.answers.Counted`); all
            trials have the same subjects.
        score: of confusion matrices, see `merjax.scoring.metrics`; a trial's score is its mean over seeds.
        rounds: how many times subjects are drawn.
        seed: of the draws.

    The interval is that of a jackknife: groups of subjects are left out in turn, from the drawn and from the others alike.
    """
    subjects = counts[0].shape[1]
    times_DxQ = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=rounds)
    shown_T = _scores(counts, np.ones((1, subjects)), score)[:, 0]
    best = int(np.nanargmax(shown_T))
    honest, share = _honest_lead(counts, score, times_DxQ, best)
    groups = min(_GROUPS, subjects)
    group_Q = np.random.default_rng(seed).permutation(np.arange(subjects) % groups)
    left_G = np.array(
        [
            _honest_lead([c[:, group_Q != g] for c in counts], score, times_DxQ[:, group_Q != g], best)[0]
            for g in range(groups)
        ]
    )
    spread = np.sqrt((groups - 1) / groups * np.square(left_G - left_G.mean()).sum())
    half = float(student.ppf(0.975, groups - 1) * spread)
    lead = float(shown_T[best] - np.nanmean(shown_T))
    return Choice(len(counts), best, float(shown_T[best]), lead, honest, honest - half, honest + half, share, rounds)


def _honest_lead(counts: Sequence[np.ndarray], score: Score, times_DxQ: np.ndarray, best: int) -> tuple[float, float]:
    """The mean lead, on subjects that were not drawn, of the trial that is best on the drawn ones; how often that is `best`."""
    drawn_TxD, others_TxD = _scores(counts, times_DxQ, score), _scores(counts, times_DxQ == 0, score)
    usable_D = (~np.isnan(drawn_TxD) & ~np.isnan(others_TxD)).all(0)
    if not usable_D.any():
        return float("nan"), float("nan")
    drawn_TxD, others_TxD = drawn_TxD[:, usable_D], others_TxD[:, usable_D]
    chosen_D = drawn_TxD.argmax(0)
    lead_D = others_TxD[chosen_D, np.arange(len(chosen_D))] - others_TxD.mean(0)
    return float(lead_D.mean()), float((chosen_D == best).mean())


def _scores(counts: Sequence[np.ndarray], weight_DxQ: np.ndarray, score: Score) -> Float[np.ndarray, "T D"]:
    """Each trial's score with these weights of the subjects, the mean over its seeds; all trials at once."""
    seeds, matrix = [len(own) for own in counts], counts[0].shape[2:]
    counts_QxN = np.concatenate([own.swapaxes(0, 1).reshape(own.shape[1], -1) for own in counts], axis=1)
    pooled = np.asarray(weight_DxQ, float) @ counts_QxN
    of_seeds_DxN = score(pooled.reshape(len(pooled), sum(seeds), *matrix))
    firsts = np.cumsum([0, *seeds[:-1]])
    return (np.add.reduceat(of_seeds_DxN, firsts, axis=1) / seeds).T


class AtChance(NamedTuple):
    """Scores of trials whose answers have nothing to do with the labels: one trial's, and the highest of all."""

    single: float
    highest: float
    low: float
    high: float
    rounds: int


def highest_at_chance(
    truth_N: Int[np.ndarray, "N"],
    predictions: Sequence[Int[np.ndarray, "S N"]],
    task: Task,
    score: Score,
    *,
    rounds: int = 200,
    seed: int = 0,
) -> AtChance:
    """The mean and the highest score of trials when the labels are shuffled among the clips.

    All trials get the same shuffled labels and keep their answers, so that trials that answer alike count as what they are:
    nearly one trial.

    Args:
        truth_N: the classes of the clips.
        predictions: of each trial, the answers of its seeds to these clips, from 0.
        task: what is answered about a clip.
        score: of confusion matrices.
        rounds: how often labels are shuffled.
        seed: of the shuffling.
    """
    rng = np.random.default_rng(seed)
    truth_DxN = np.stack([rng.permutation(truth_N) for _ in range(rounds)])
    truth_DxNxK = np.stack([task.members(truth_N) for truth_N in truth_DxN]).astype(np.float32)
    scores_TxD = np.stack(
        [
            score(np.stack([_met(task, truth_DxNxK, task.members(own_N)) for own_N in own_SxN])).mean(0)
            for own_SxN in predictions
        ]
    )
    highest_D = scores_TxD.max(0)
    low, high = np.quantile(highest_D, [0.025, 0.975])
    return AtChance(float(scores_TxD.mean()), float(highest_D.mean()), float(low), float(high), rounds)


def _met(task: Task, truth_DxNxK: np.ndarray, answer_NxK: np.ndarray) -> np.ndarray:
    """Counts of the same answers against D truths, see `merjax.scoring.counts`."""
    answer_NxK = answer_NxK.astype(np.float32)
    if not task.several:
        return truth_DxNxK.swapaxes(1, 2) @ answer_NxK
    clips, found_DxK = len(answer_NxK), np.einsum("dnk,nk->dk", truth_DxNxK, answer_NxK)
    with_DxK, said_K = truth_DxNxK.sum(1), answer_NxK.sum(0)
    rows = [clips - with_DxK - said_K + found_DxK, said_K - found_DxK, with_DxK - found_DxK, found_DxK]
    return np.stack(rows, axis=-1).reshape(*found_DxK.shape, 2, 2)
