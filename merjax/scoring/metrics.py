"""Scores of predictions pooled over all folds (Eqs. 8 and 9, MEGC 2019), and their uncertainty over subjects.

Everything is a function of confusion matrices `[..., truth, prediction]`, so that thousands of resampled ones are scored at
once. A class that occurs neither in the truth nor in the predictions is left out of UF1, and a class that does not occur in
the truth is left out of UAR: both then equal scikit-learn's macro F1 and balanced accuracy.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from jaxtyping import Float, Int

Confusion = Int[np.ndarray, "*batch classes classes"]
Score = Callable[[np.ndarray], np.ndarray]


def f1_per_class(confusion: Confusion) -> Float[np.ndarray, "*batch classes"]:
    """F1 of each class, 2 TP / (2 TP + FP + FN); NaN for a class in neither truth nor predictions."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return ratio(2 * hits, confusion.sum(-1) + confusion.sum(-2))


def recall_per_class(confusion: Confusion) -> Float[np.ndarray, "*batch classes"]:
    """Share of each class's clips that is found, TP / N; NaN for a class that does not occur."""
    return ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def uf1(confusion: Confusion) -> Float[np.ndarray, "*batch"]:
    """Unweighted F1, Eq. 8: the mean of the classes' F1 of the pooled confusion matrix."""
    return mean_of_defined(f1_per_class(confusion))


def uar(confusion: Confusion) -> Float[np.ndarray, "*batch"]:
    """Unweighted average recall, Eq. 9: the mean of the classes' recall of the pooled confusion matrix."""
    return mean_of_defined(recall_per_class(confusion))


def accuracy(confusion: Confusion) -> Float[np.ndarray, "*batch"]:
    """Share of clips that are predicted right; NaN without clips."""
    return ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


SCORES: dict[str, Score] = {"UF1": uf1, "UAR": uar, "accuracy": accuracy}


@cache
def times_drawn(subjects: int, draws: int, seed: int) -> Int[np.ndarray, "draws subjects"]:
    """How often each subject is drawn in each resample; computed once."""
    times = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=draws)
    times.setflags(write=False)
    return times


def interval(scores: Float[np.ndarray, "draws"], level: float = 0.95) -> tuple[float, float]:
    """The central `level` interval of resampled scores."""
    low, high = np.nanquantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole, NaN where the whole is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """The mean over the last axis of the values that are numbers; NaN where none is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1))
