"""Many comparisons at once: corrected p values, and ranks over several databases."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata, studentized_range
from scipy.stats import t as student


def p_value(difference: float, draws: Float[np.ndarray, "draws"], subjects: int) -> float:
    """Two-sided p value of a difference, from its standard deviation over resampled subjects.

    It is Student's t with as many degrees of freedom as there are subjects, less one; NaN where the difference never varies.
    """
    spread = float(np.nanstd(draws, ddof=1))
    if subjects < 2 or not spread > 0:
        return float("nan")
    return float(2 * student.sf(abs(difference) / spread, subjects - 1))


def holm(p_values: Float[np.ndarray, "M"]) -> Float[np.ndarray, "M"]:
    """Holm's correction of p values for their number; NaN stays NaN and is not counted.

    The smallest is multiplied by M, the next by M - 1, and so on; none is below one that was smaller before. The chance of
    any false finding among those below 0.05 is then at most 5 %, however the comparisons depend on each other.

    References:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    p_M = np.asarray(p_values, float)
    corrected_M = np.full(len(p_M), np.nan)
    order = [i for i in np.argsort(p_M, kind="stable") if p_M[i] == p_M[i]]
    least = 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, p_M[i] * (len(order) - rank)))
        corrected_M[i] = least
    return corrected_M


class Ranks(NamedTuple):
    """Mean ranks of trials over databases (1 is best), and the difference that two of them need to differ at 5 %."""

    mean_T: np.ndarray
    critical: float
    databases: int


def critical_difference(scores_BxT: Float[np.ndarray, "B T"]) -> Ranks:
    """Ranks of T trials on B databases with Nemenyi's critical difference, q sqrt(T (T + 1) / 6 B).

    References:
        Demsar, Statistical comparisons of classifiers over multiple data sets, 2006, Sec. 3.2.2.
    """
    databases, trials = scores_BxT.shape
    mean_T = np.stack([rankdata(-own) for own in scores_BxT]).mean(0)
    q = studentized_range.ppf(0.95, trials, np.inf) / np.sqrt(2)
    return Ranks(mean_T, float(q * np.sqrt(trials * (trials + 1) / (6 * databases))), databases)
