"""Scores of spotting, of anybody's tables or log of intervals."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from merjax.scoring.spotting.challenge_log import challenge_log, read_challenge_log
from merjax.scoring.spotting.counting import Counted, count
from merjax.scoring.spotting.curve import confidence_curve
from merjax.scoring.spotting.rules import RULES, Rule
from merjax.scoring.spotting.scores import score_spotted
from merjax.scoring.spotting.spotted import Spotted, read_spotted
from merjax.system.errors import MerjaxError, meant
from merjax.system.paths import user_path


@dataclass(frozen=True)
class SpottingScores:
    """Scores of found intervals.

    Attributes:
        table: a row per part and kind, see `merjax.scoring.spotting.scores.score_spotted`.
        notes: what one must know about the intervals and the rule, a sentence each.
        spotted: the intervals.
        counted: hits, false positives and misses of each video, and which intervals were counted for each other.
        rule: the rule by which they were counted.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    spotted: Spotted = field(repr=False)
    counted: Counted = field(repr=False)
    rule: Rule = field(repr=False)

    def curve(self) -> pd.DataFrame:
        """Precision and recall over confidence, see `merjax.scoring.spotting.curve.confidence_curve`."""
        return confidence_curve(self.spotted, self.rule)

    def log(self) -> str:
        """The log in the challenge's format, see `merjax.scoring.spotting.challenge_log`."""
        return challenge_log(self.spotted, self.counted)

    def _repr_html_(self) -> str:
        """In a notebook: the notes, then the table."""
        return "".join(f"<p>{html.escape(note)}</p>" for note in self.notes) + self.table.to_html()


def rescore_intervals(
    found: str | Path,
    *,
    truth: str | Path | None = None,
    videos: str | Path | None = None,
    compat: str = "",
    classes: Sequence[str] = (),
) -> SpottingScores:
    """Score found intervals of long videos, whoever found them.

    >>> merjax.rescore_intervals("found.csv", truth="truth.csv", videos="videos.csv").table

    Args:
        found: a table (CSV or a workbook) with columns video, onset and offset, and perhaps database, subject, kind (micro or
            macro), class (the emotion) and confidence; frames are whole numbers, and both ends belong to the interval. Without
            `truth`, a log in the format of MEGC 2020 and 2021.
        truth: the table of true intervals, with the same columns.
        videos: a table of all videos that count: video, and perhaps database, subject and frames (how many). Without it, the
            videos of the two tables count; those without any interval are then unknown.
        compat: the rule of other code by which a number was published: "megc2020", "softnet", "strs" or "auw".
        classes: the classes that are recognised, for analysis and STRS; by default all of the true intervals. Others are
            spotted, but not analysed.

    Returns:
        Precision, recall and F1 of micro-expressions, of macro-expressions and overall, of each database and together.

    Raises:
        MerjaxError: a table or log cannot be read, its cells are wrong, the tables do not fit each other, or the rule is
            unknown.
    """
    if compat not in RULES:
        known = [name for name in RULES if name]
        raise MerjaxError(f'there is no rule "{compat}"; write any of {", ".join(known)}{meant(compat, known)}')
    rule = RULES[compat]
    said: dict[str, int] = {}
    if truth is None:
        if videos is not None:
            raise MerjaxError(
                "a list of videos goes with tables of found and of true intervals; a log has no use for it"
            )
        spotted, said = read_challenge_log(user_path(found))
    else:
        spotted = read_spotted(user_path(found), user_path(truth), user_path(videos) if videos else None)
    counted = count(spotted, rule)
    table = score_spotted(spotted, counted, _classes(spotted, classes))
    notes = [*spotted.notes, *_notes(spotted, counted, rule), *_differences(said, counted)]
    return SpottingScores(table, tuple(filter(None, notes)), spotted, counted, rule)


def _classes(spotted: Spotted, asked: Sequence[str]) -> tuple[str, ...]:
    """The classes to analyse: those asked for, or all of the truth if both tables have classes."""
    there = tuple(sorted(set(spotted.truth["emotion"]) - {""}))
    both = bool(there) and bool((spotted.found["emotion"] != "").all())
    wanted = tuple(dict.fromkeys(name.strip().lower() for name in asked))
    if wanted and not both:
        raise MerjaxError(
            "classes are analysed only if both tables have a column class; add it, or leave the classes out"
        )
    if strange := [name for name in wanted if name not in there]:
        raise MerjaxError(f"no true interval is of the class {', '.join(strange)}; the classes are {', '.join(there)}")
    return wanted or (there if both else ())


def _notes(spotted: Spotted, counted: Counted, rule: Rule) -> list[str]:
    notes = [rule.about]
    left_out = len(spotted.videos) - counted.counts["video"].nunique()
    if left_out:
        notes.append(f"{left_out} of {len(spotted.videos)} videos are left out by this rule.")
    if not spotted.has_subjects:
        notes.append(
            "There are no intervals of the scores: the subject of some videos is not known (a column subject)."
        )
    return notes


def _differences(said: dict[str, int], counted: Counted) -> list[str]:
    """What a log says of itself, if its intervals do not give it."""
    if not said:
        return []
    hits, false, missed = (int(counted.counts[name].sum()) for name in ("hits", "false", "missed"))
    notes = ["The log does not tell micro- from macro-expressions, nor does it name videos without any interval."]
    if (hits, false, missed) != (said["TP"], said["FP"], said["FN"]):
        notes.append(
            f"The log's lines say {said['TP']} TP, {said['FP']} FP and {said['FN']} FN; its intervals give {hits}, {false} and "
            f"{missed}."
        )
    return notes
