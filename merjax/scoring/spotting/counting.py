"""True and false positives and misses of every video, by a rule; and which found interval was counted for which true one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from merjax.datasets.interval_tables import KINDS
from merjax.protocols.folds import subjects_of
from merjax.scoring.spotting.matching import Matched
from merjax.scoring.spotting.rules import Rule
from merjax.scoring.spotting.spotted import Spotted


class OneVideo(NamedTuple):
    """One video's intervals of one kind: their rows in `Spotted.found` and `Spotted.truth`, in the order of a rule."""

    video: int
    kind: str
    found: pd.DataFrame
    truth: pd.DataFrame


@dataclass(frozen=True)
class Counted:
    """What a rule counted.

    Attributes:
        counts: a row per video that counts and kind: video (its number), kind, found, true, hits, false, missed. With kinds,
            every video has a row of each.
        pairs: a row per true positive: kind, and found and truth, the numbers of rows of the two tables.
    """

    counts: pd.DataFrame
    pairs: pd.DataFrame


def count(spotted: Spotted, rule: Rule) -> Counted:
    """Count the found intervals of every video against the true ones, each kind by itself."""
    counts, pairs = [], []
    for own in one_by_one(spotted, rule):
        matched: Matched = rule.match(ends(own.found), ends(own.truth))
        sizes = (len(own.found), len(own.truth), matched.hits, matched.false, matched.missed)
        counts.append((own.video, own.kind, *sizes))
        pairs += [(own.kind, own.found.index[f], own.truth.index[t]) for f, t in matched.pairs]
    return Counted(
        pd.DataFrame(counts, columns=["video", "kind", "found", "true", "hits", "false", "missed"]),
        pd.DataFrame(pairs, columns=["kind", "found", "truth"]),
    )


def one_by_one(spotted: Spotted, rule: Rule) -> Iterator[OneVideo]:
    """The intervals of each kind and each video that counts by a rule."""
    for kind in KINDS if spotted.has_kinds else ("",):
        found, truth = (table[table["kind"] == kind] for table in (spotted.found, spotted.truth))
        if rule.ranked:
            found = found.sort_values("confidence", ascending=False, kind="stable")
        found_by, truth_by = dict(list(found.groupby("video"))), dict(list(truth.groupby("video")))
        person_V = subjects_of(spotted.videos)
        people = set(person_V[found["video"].to_numpy()])
        for video in spotted.videos.index:
            left_out = (rule.needs_truth and video not in truth_by) or (
                rule.needs_subject_found and person_V[video] not in people
            )
            if not left_out:
                yield OneVideo(video, kind, found_by.get(video, found[:0]), truth_by.get(video, truth[:0]))


def ends(intervals: pd.DataFrame) -> np.ndarray:
    """Onset and offset of each interval, N x 2."""
    return intervals[["onset", "offset"]].to_numpy(int)
