"""Precision, recall and F1 of spotting, and the score of spotting and recognising together, over all videos at once.

Hits, false positives and misses are summed over all videos, and a score is computed from the sums: never a mean over videos
or subjects (MEGC 2020 to 2025). The overall row sums those of micro- and of macro-expressions, the row of all databases
those of each.

The STRS (Liong, See and Chan 2023) is the F1 of spotting times the F1 of analysis. The latter looks at true positives alone
whose true class is one of the classes: the harmonic mean of the mean precision and the mean recall of the classes, where one
that is not defined counts as 0.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num

from merjax.datasets.interval_tables import KINDS
from merjax.protocols.folds import subjects_of
from merjax.scoring.metrics import interval, ratio, times_drawn
from merjax.scoring.parts import TOGETHER
from merjax.scoring.resamples import DRAWS
from merjax.scoring.scores import LEVEL
from merjax.scoring.spotting.counting import Counted
from merjax.scoring.spotting.spotted import Spotted

OVERALL = "overall"
SPOTTING = ("precision", "recall", "F1")
RECOGNITION = ("analysis", "STRS")

Counts = Num[np.ndarray, "*batch 3"]
Confusion = Num[np.ndarray, "*batch classes answers"]


def spotting_scores(counts: Counts) -> dict[str, Float[np.ndarray, "*batch"]]:
    """Precision, recall and F1 from counts of hits, false positives and misses; NaN where there is nothing to divide by."""
    hits, false, missed = np.moveaxis(np.asarray(counts), -1, 0)
    both = ratio(2 * hits, 2 * hits + false + missed)
    return dict(zip(SPOTTING, (ratio(hits, hits + false), ratio(hits, hits + missed), both), strict=True))


def analysis_f1(confusion: Confusion) -> Float[np.ndarray, "*batch"]:
    """The F1 of recognition in spotted intervals.

    Args:
        confusion: counts `[truth, answer]` of true positives: K classes, and K + 1 answers, of which the last is any other.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    precision = np.nan_to_num(ratio(right, confusion[..., :-1].sum(-2))).mean(-1)
    recall = np.nan_to_num(ratio(right, confusion.sum(-1))).mean(-1)
    return np.nan_to_num(ratio(2 * precision * recall, precision + recall))


def score_spotted(spotted: Spotted, counted: Counted, classes: Sequence[str] = ()) -> pd.DataFrame:
    """Scores of each database and of all together, of each kind and overall.

    Args:
        spotted: the intervals.
        counted: what a rule counted of them.
        classes: the classes that are recognised, in lower case; without any, there is no analysis.

    Returns:
        A row per part and kind: part ("together" or a database), kind ("micro", "macro" or "overall"), videos, empty (videos
        among them without a true interval of the kind), subjects, found, true, hits, false, missed; precision, recall and F1,
        each with the ends `_low` and `_high` of its 95 % interval over resampled subjects; and with classes also analysis and
        STRS. Intervals are missing where the subject of a video is not known, or with a single subject.
    """
    rows = []
    for part, within_V in parts_within(spotted):
        for kind in (*KINDS, OVERALL) if spotted.has_kinds else (OVERALL,):
            rows.append({"part": part, "kind": kind} | _row(spotted, counted, classes, within_V, kind))
    return pd.DataFrame(rows)


def parts_within(spotted: Spotted) -> Iterator[tuple[str, np.ndarray]]:
    """Names of parts, and whether each video is of it."""
    database_V = spotted.videos["database"].to_numpy(object)
    databases = list(dict.fromkeys(database_V))
    if len(databases) != 1:
        yield TOGETHER.name, np.ones(len(database_V), bool)
    for name in databases:
        yield name or (TOGETHER.name if len(databases) == 1 else "no database"), database_V == name


def _row(spotted: Spotted, counted: Counted, classes: Sequence[str], within_V: np.ndarray, kind: str) -> dict[str, Any]:
    counts = counted.counts[within_V[counted.counts["video"].to_numpy(int)]]
    counts = counts if kind == OVERALL else counts[counts["kind"] == kind]
    videos, true = counts["video"].nunique(), counts.groupby("video")["true"].sum()
    sums = counts[["found", "true", "hits", "false", "missed"]].sum()
    people_V = subjects_of(spotted.videos)
    people, person_M = np.unique(people_V[counts["video"].to_numpy(int)].astype(str), return_inverse=True)
    counts_Qx3 = np.zeros((len(people), 3), int)
    np.add.at(counts_Qx3, person_M, counts[["hits", "false", "missed"]].to_numpy(int))
    confusion_QxKxA = _confusions(spotted, counted.pairs, classes, kind, people, people_V)
    scores, draws = _scores(counts_Qx3, confusion_QxKxA, np.ones((1, len(people)), int)), {}
    if spotted.has_subjects and len(people) > 1:
        draws = _scores(counts_Qx3, confusion_QxKxA, times_drawn(len(people), DRAWS, 0))
    row: dict[str, Any] = {"videos": videos, "empty": int((true == 0).sum()), "subjects": len(people)} | dict(sums)
    for name, values in scores.items():
        defined = name in draws and not np.isnan(draws[name]).all()
        low, high = interval(draws[name], LEVEL) if defined else (np.nan, np.nan)
        row |= {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}
    return row


def _scores(
    counts_Qx3: Int[np.ndarray, "Q 3"], confusion_QxKxA: Int[np.ndarray, "Q K A"], times_DxQ: Int[np.ndarray, "D Q"]
) -> dict[str, np.ndarray]:
    """Scores of subjects drawn so many times each."""
    scores = spotting_scores(times_DxQ @ counts_Qx3)
    if confusion_QxKxA.shape[1]:
        analysis = analysis_f1(np.tensordot(times_DxQ, confusion_QxKxA, axes=1))
        scores |= dict(zip(RECOGNITION, (analysis, scores["F1"] * analysis), strict=True))
    return scores


def _confusions(
    spotted: Spotted,
    pairs: pd.DataFrame,
    classes: Sequence[str],
    kind: str,
    people: np.ndarray,
    people_V: np.ndarray,
) -> Int[np.ndarray, "Q K A"]:
    """The answers in true positives of each subject, by true class; the last answer is any that is no class."""
    own = pairs if kind == OVERALL else pairs[pairs["kind"] == kind]
    true = spotted.truth.loc[own["truth"]]
    answer = spotted.found.loc[own["found"], "emotion"].to_numpy(object)
    number = {name: k for k, name in enumerate(classes)}
    confusion = np.zeros((len(people), len(classes), len(classes) + 1), int)
    person = {name: q for q, name in enumerate(people)}
    for video, emotion, answered in zip(true["video"], true["emotion"], answer, strict=True):
        if emotion in number and people_V[video] in person:
            confusion[person[people_V[video]], number[emotion], number.get(answered, -1)] += 1
    return confusion
