"""Precision and recall at every confidence from which on found intervals are kept."""

import numpy as np
import pandas as pd

from merjax.scoring.spotting.counting import OneVideo, ends, one_by_one
from merjax.scoring.spotting.rules import Rule
from merjax.scoring.spotting.scores import OVERALL, SPOTTING, spotting_scores
from merjax.scoring.spotting.spotted import Spotted
from merjax.system.errors import MerjaxError

_COUNTS = ["hits", "false", "missed"]


def confidence_curve(spotted: Spotted, rule: Rule) -> pd.DataFrame:
    """The scores of the intervals that are at least so confident, counted anew at every confidence.

    Returns:
        A row per kind (and overall) and confidence that occurs, from the highest down: kind, confidence, hits, false, missed,
        precision, recall, F1.

    Raises:
        MerjaxError: a found interval has no confidence.
    """
    if spotted.found["confidence"].isna().any():
        raise MerjaxError("a curve over confidence needs a column confidence in the table of found intervals")
    steps = pd.concat([_steps(own, rule) for own in one_by_one(spotted, rule)], ignore_index=True)
    kinds = [kind for kind in dict.fromkeys(steps["kind"]) if kind]
    return pd.concat([_curve(steps[steps["kind"] == kind], kind) for kind in kinds] + [_curve(steps, OVERALL)])


def average_precision(curve: pd.DataFrame) -> float:
    """The average precision of one kind's curve: the sum of each gain in recall times the precision there."""
    gain = np.diff(curve["recall"].to_numpy(), prepend=0.0)
    return float(np.nansum(gain * np.nan_to_num(curve["precision"].to_numpy()))) if len(curve) else float("nan")


def _steps(own: OneVideo, rule: Rule) -> pd.DataFrame:
    """By how much a video's counts change at each of its confidences; first, at infinity, what they are with nothing found."""
    confidences = own.found["confidence"].drop_duplicates().sort_values(ascending=False)
    kept = [own.found[:0], *(own.found[own.found["confidence"] >= c] for c in confidences)]
    counts = np.array([rule.match(ends(some), ends(own.truth))[1:] for some in kept])
    table = pd.DataFrame(np.diff(counts, axis=0, prepend=0), columns=_COUNTS)
    return table.assign(confidence=[np.inf, *confidences], kind=own.kind)


def _curve(steps: pd.DataFrame, kind: str) -> pd.DataFrame:
    summed = steps.groupby("confidence")[_COUNTS].sum().sort_index(ascending=False).cumsum().iloc[1:]
    scores = spotting_scores(summed.to_numpy())
    curve = summed.reset_index().assign(kind=kind, **{name: scores[name] for name in SPOTTING})
    return curve[["kind", "confidence", *_COUNTS, *SPOTTING]]
