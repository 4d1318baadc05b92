"""The tables of a report on spotters."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from merjax.report.tables import TextTable
from merjax.scoring.parts import Part
from merjax.scoring.spotting.scores import OVERALL

_KINDS = {"micro": "micro-expressions", "macro": "macro-expressions", OVERALL: "overall"}
_SCORES = ("F1", "precision", "recall")
_HOW = (
    "A found interval hits a true one of its kind if both together cover at most twice the frames that they share; each is "
    "counted once. Hits, false intervals and misses are summed over all videos, those without expressions too. Intervals in "
    "brackets: 95 %, over resampled subjects."
)
_PAIRED = "Subjects are drawn alike for both; an interval without 0 is a difference that other subjects would show too."


def spotter_texts(scores: pd.DataFrame) -> list[TextTable]:
    """The scores of each kind, overall first: a table for each part of the videos and kind."""
    return [
        _scores(scores[(scores["part"] == part) & (scores["kind"] == kind)], part, kind)
        for part in scores["part"].unique()
        for kind in (OVERALL, "micro", "macro")
    ]


def difference_texts(differences: pd.DataFrame) -> list[TextTable]:
    """What trials score more than a base: a table for each base, part of the videos and kind, overall first."""
    tables = []
    for (base, part), own in differences.groupby(["base", "part"], sort=False) if len(differences) else ():
        for kind in (OVERALL, "micro", "macro"):
            rows = tuple(
                (row["trial"], *(score_text(row, name, "+.3f") for name in _SCORES))
                for row in own[own["kind"] == kind].to_dict("records")
            )
            title = f"Difference to {base}, {_KINDS[kind]}, {Part(str(part)).title}"
            tables.append(TextTable(title, ("trial", *_SCORES), rows, (_PAIRED,)))
    return tables


def gain_text(gains: pd.DataFrame) -> TextTable | None:
    """What an oracle adds to honest choices."""
    if gains.empty:
        return None
    parts, kinds = gains["part"].unique(), (OVERALL, "micro", "macro")
    rows = []
    for (base, part), own in gains.groupby(["base", "part"], sort=False):
        of_kind = {row["kind"]: score_text(row, "F1", "+.3f") for row in own.to_dict("records")}
        name = str(base) if len(parts) == 1 else f"{base}, {Part(str(part)).title}"
        rows.append((name, *(of_kind[kind] for kind in kinds)))
    note = (
        "The oracle chooses the moment of training and how sure an interval must be on the held-out subject itself; what it "
        "adds is not there for new people."
    )
    return TextTable("What choosing on the held-out subjects would add to F1", ("rule", *kinds), tuple(rows), (note,))


def score_text(row: Mapping[Any, Any] | pd.Series, name: str, form: str = ".3f") -> str:
    """A score with its interval."""
    if pd.isna(row[name]):
        return "-"
    ends = [row[f"{name}_{end}"] for end in ("low", "high")]
    told = "" if any(map(pd.isna, ends)) else f" [{format(ends[0], form)}, {format(ends[1], form)}]"
    return format(row[name], form) + told


def _scores(own: pd.DataFrame, part: str, kind: str) -> TextTable:
    first = own.iloc[0]
    rows = tuple(
        (
            row["trial"],
            *(score_text(row, name) for name in _SCORES),
            *(f"{row[count]:g}" for count in ("found", "hits", "false", "missed")),
            "-" if pd.isna(row["false_per_minute"]) else f"{row['false_per_minute']:.2f}",
        )
        for row in own.to_dict("records")
    )
    counts = f"{first['true']:g} true intervals in {first['videos']} videos of {first['subjects']} subjects"
    title = f"Spotting {_KINDS[kind]}, {Part(part).title}: {counts}, {first['empty']} of them without any"
    columns = ("trial", *_SCORES, "found", "hits", "false", "missed", "false/min")
    note = "false/min: what is found in a minute of the videos without any expression."
    return TextTable(title, columns, rows, (_HOW, note))


def false_text(false: Sequence[Mapping[str, Any]]) -> TextTable | None:
    """The surest false intervals, with what may have caused each."""
    if not false:
        return None
    rows = tuple(
        (
            row["trial"],
            row["video"],
            f"{row['from']:.1f} s",
            f"{row['length']:.2f} s",
            row["kind"],
            f"{row['sure']:.2f}",
            row["cause"],
        )
        for row in false
    )
    note = (
        "The cause is read from signals alone: the light of the whole face, the motion of the head, and which regions move "
        "beside it. It is likely, not known."
    )
    columns = ("trial", "video", "from", "length", "kind", "sure", "likely cause")
    return TextTable("The surest false intervals of each trial", columns, rows, (note,))
