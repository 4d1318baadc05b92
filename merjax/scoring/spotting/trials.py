"""Scores of a sweep's spotters: of each trial, of each against another, and how much an oracle adds.

As everywhere in spotting, hits, false positives and misses are summed over all held-out videos of all folds, those without
expressions too. With several seeds, a score is the mean of the seeds' scores.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from merjax.datasets.interval_tables import KINDS
from merjax.protocols.folds import subjects_of
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import interval, mean_of_defined, times_drawn
from merjax.scoring.resamples import DRAWS
from merjax.scoring.scores import LEVEL
from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.rules import RULES
from merjax.scoring.spotting.scores import OVERALL, SPOTTING, parts_within, spotting_scores
from merjax.scoring.spotting.spotted import VIDEO, Spotted, put_together

CHOSEN_ON_TESTED = (
    "oracle (leaks): how sure an interval must be, and the moment of training, were chosen on the held-out subjects; this does "
    "not estimate F1 on new people."
)
_COUNTS = ("found", "true", "hits", "false", "missed")
_HITS, _FALSE, _MISSED = (_COUNTS.index(name) for name in ("hits", "false", "missed"))


class Counts(NamedTuple):
    """What was counted of an entry in one part of the videos and one kind.

    Attributes:
        part, kind: see `merjax.scoring.spotting.scores.score_spotted`.
        people: the Q subjects.
        counts_SxQxC: found, true, hits, false, missed, by seed and subject.
        videos, empty: how many videos there are, and how many without a true interval of the kind.
    """

    part: str
    kind: str
    people: np.ndarray
    counts_SxQxC: np.ndarray
    videos: int
    empty: int

    def scores(self, times_DxQ: np.ndarray) -> dict[str, np.ndarray]:
        """Precision, recall and F1 of subjects drawn so many times each: the mean over seeds."""
        drawn_SxDxC = np.einsum("dq,sqc->sdc", times_DxQ, self.counts_SxQxC[:, :, [_HITS, _FALSE, _MISSED]])
        return {name: mean_of_defined(values_SxD.T) for name, values_SxD in spotting_scores(drawn_SxDxC).items()}

    @property
    def once(self) -> dict[str, np.ndarray]:
        """The scores of all subjects, each once."""
        return self.scores(np.ones((1, len(self.people)), int))

    @property
    def resampled(self) -> dict[str, np.ndarray]:
        """The scores of resampled subjects; the same draws for all entries with the same subjects."""
        return self.scores(times_drawn(len(self.people), DRAWS, 0))


def spotted_of(predictions: pd.DataFrame) -> Spotted:
    """The found and true intervals of one seed of an entry, its videos by their names; see
    `merjax.sweeps.folder.read_predictions`."""
    named = predictions.rename(columns={"clip": "video"})
    rows = {row: named[named["row"] == row].reset_index(drop=True) for row in ("video", "true", "found")}
    videos = rows["video"].assign(frames=rows["video"]["offset"] + 1).sort_values(VIDEO)[[*VIDEO, "frames"]]
    return put_together(
        rows["found"], rows["true"], videos, ("found intervals", "true intervals", "the held-out videos")
    )


def count_entry(entry: Entry) -> list[Counts]:
    """What is counted of an entry, of each part and kind."""
    seeds = [spotted_of(own) for _, own in entry.predictions.groupby("seed")]
    counted = [count(spotted, RULES[""]).counts for spotted in seeds]
    first, people_V = seeds[0], subjects_of(seeds[0].videos)
    found = []
    for part, within_V in parts_within(first):
        people, place_V = np.unique(people_V[within_V].astype(str), return_inverse=True)
        person_V = np.full(len(people_V), -1)
        person_V[within_V] = place_V
        for kind in (*KINDS, OVERALL):
            counts_SxQxC = np.zeros((len(seeds), len(people), len(_COUNTS)), int)
            for s, table in enumerate(counted):
                own = table[(person_V[table["video"]] >= 0) & ((kind == OVERALL) | (table["kind"] == kind))]
                np.add.at(counts_SxQxC[s], person_V[own["video"]], own[list(_COUNTS)].to_numpy(int))
            true_V = own.groupby("video")["true"].sum()
            found.append(Counts(part, kind, people, counts_SxQxC, len(true_V), int((true_V == 0).sum())))
    return found


def score_spotters(entries: Sequence[Entry]) -> pd.DataFrame:
    """A row per entry, part and kind.

    Returns:
        trial (the entry's label), part, kind, videos, empty, subjects, found, true, hits, false, missed (means over seeds);
        precision, recall, F1, each with `_low` and `_high`, the ends of its 95 % interval over resampled subjects; and
        false_per_minute, how many intervals a minute are found in videos without any expression (missing if there are none).
    """
    rows = []
    for entry in entries:
        for own in count_entry(entry):
            sizes = {"videos": own.videos, "empty": own.empty, "subjects": len(own.people)}
            sums = dict(zip(_COUNTS, own.counts_SxQxC.sum(1).mean(0), strict=True))
            scores = {name: values[0] for name, values in own.once.items()} | _ends(own.resampled, len(own.people))
            rows.append(
                {"trial": entry.label, "part": own.part, "kind": own.kind, **sizes, **sums}
                | {key: scores[key] for name in SPOTTING for key in (name, f"{name}_low", f"{name}_high")}
                | {"false_per_minute": _false_per_minute(entry, own)}
            )
    return pd.DataFrame(rows)


def spotter_differences(base: Entry, others: Sequence[Entry]) -> pd.DataFrame:
    """What others score more than a base, with intervals of the paired difference: subjects are drawn alike for both.

    Entries that were not tested on the same videos of all folds are left out.

    Returns:
        trial, base, part, kind; precision, recall and F1, each with `_low` and `_high`.
    """
    rows = []
    of_base = {(own.part, own.kind): own for own in count_entry(base)}
    for entry in others:
        for own in count_entry(entry) if entry.tested == base.tested and not entry.is_partial else ():
            other = of_base[own.part, own.kind]
            mine, theirs = own.once, other.once
            difference = {name: mine[name][0] - theirs[name][0] for name in SPOTTING}
            both, drawn = own.resampled, other.resampled
            ends = _ends({name: both[name] - drawn[name] for name in SPOTTING}, len(own.people))
            scores = difference | ends
            rows.append(
                {"trial": entry.label, "base": base.label, "part": own.part, "kind": own.kind}
                | {key: scores[key] for name in SPOTTING for key in (name, f"{name}_low", f"{name}_high")}
            )
    return pd.DataFrame(rows)


def oracle_gains(entries: Sequence[Entry]) -> pd.DataFrame:
    """What an oracle adds to each trial's honest rules: the columns of `spotter_differences`, of each trial that has both."""
    honest = [entry for entry in entries if entry.selection != "oracle"]
    by_trial = {(e.run, e.trial): e for e in entries if e.selection == "oracle"}
    tables = [
        spotter_differences(base, [by_trial[base.run, base.trial]])
        for base in honest
        if (base.run, base.trial) in by_trial
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _ends(draws: dict[str, np.ndarray], people: int) -> dict[str, float]:
    """The ends of intervals; missing where there is one subject, or nothing to divide by."""
    ends: dict[str, float] = {}
    for name, values in draws.items():
        defined = values[~np.isnan(values)] if people > 1 else values[:0]
        low, high = interval(defined, LEVEL) if len(defined) else (np.nan, np.nan)
        ends |= {f"{name}_low": low, f"{name}_high": high}
    return ends


def _false_per_minute(entry: Entry, own: Counts) -> float:
    predictions = entry.predictions
    if own.part in set(predictions["database"]):
        predictions = predictions[predictions["database"] == own.part]
    video = predictions["database"] + "/" + predictions["subject"] + "/" + predictions["clip"]
    empty = predictions[~video.isin(set(video[predictions["row"] == "true"]))]
    found = empty[empty["row"] == "found"]
    found = found if own.kind == OVERALL else found[found["kind"] == own.kind]
    minutes = empty.loc[empty["row"] == "video", "seconds"].sum() / 60
    return len(found) / minutes if minutes else float("nan")
