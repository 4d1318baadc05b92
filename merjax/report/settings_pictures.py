"""The pictures of settings and of ranks, as the page shows them."""

import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from merjax.report.charts import axis_chart, cost_chart, importance_chart, pair_chart, rank_chart, said
from merjax.report.pictures import Picture, charted
from merjax.report.section import Section, warnings_of
from merjax.report.tables import TextTable
from merjax.scoring.corrections import critical_difference
from merjax.scoring.written import number

_MOST_AXES = (
    6  # more settings than these vary in lists of trials, not in grids: each picture would show all of them at once
)
_MOST_RANKED = 24


def settings_context(section: Section, trials: pd.DataFrame) -> dict[str, Any]:
    """Pictures of the scores against settings: axes, pairs, importance, cost; and a sentence if there are none."""
    settings, names = section.settings, section.names
    warnings = warnings_of(settings.entries)
    if len(settings.entries) < 2 or not settings.axes:
        return {"said": "", "axes": [], "pairs": [], "importance": None, "shares": [], "cost": None}
    if len(settings.axes) > _MOST_AXES:
        keys = ", ".join(axis.name for axis in settings.axes)
        no = f"The trials differ in {len(settings.axes)} settings at once ({keys}), so no picture shows one of them alone."
        return {"said": no, "axes": [], "pairs": [], "importance": None, "shares": [], "cost": _cost(section, trials)}
    axes = [
        charted(axis_chart(settings, axis, names), " ".join([_about_axis(axis.name), *warnings]))
        for axis in settings.axes
    ]
    pairs = [
        charted(
            pair_chart(settings, one, other),
            " ".join([f"Mean UF1 for {one.name} and {other.name}; in brackets the number of trials.", *warnings]),
        )
        for one, other in itertools.combinations(settings.axes, 2)
        if settings.importance is not None
    ]
    shares = settings.importance if len(settings.axes) > 1 else None
    full = settings.importance is not None
    return {
        "said": "" if full else "The trials are no full grid, so how much each setting matters is not told.",
        "axes": axes,
        "pairs": pairs,
        "importance": None if shares is None or shares["share"].isna().all() else _importance(shares, warnings),
        "shares": [] if shares is None else [_share_text(shares)],
        "cost": _cost(section, trials),
    }


def _about_axis(name: str) -> str:
    return (
        f"UF1 against {name}: points are trials (each seed apart), diamonds the mean over all other settings with a 95 % "
        "interval over subjects."
    )


def _importance(shares: pd.DataFrame, warnings: Sequence[str]) -> Picture:
    caption = "How much of the variance between trials each setting and each pair explains, with 95 % intervals over subjects."
    return charted(importance_chart(shares), " ".join([caption, *warnings]))


def _share_text(shares: pd.DataFrame) -> TextTable:
    rows = tuple(
        (row["axis"], f"{number(row['share'])} [{number(row['low'])}, {number(row['high'])}]")
        for row in shares.to_dict("records")
    )
    notes = (
        "Computed exactly on the full grid (functional analysis of variance); a pair's share is what the two settings explain "
        "together beyond each alone. A part of every share is noise of the tested clips, which the intervals include.",
    )
    return TextTable("Share of the variance of UF1 between trials", ("setting", "share"), rows, notes)


def _cost(section: Section, trials: pd.DataFrame) -> Picture | None:
    """Scores against seconds of training; none if they were not recorded."""
    own = trials[trials["entry"].isin([entry.label for entry in section.settings.entries])]
    if len(own) < 2 or own["seconds"].isna().any():
        return None
    told = said(section.settings)
    rows = own.assign(trial=own["entry"].map(section.names), settings=own["entry"].map(told))
    caption = (
        "UF1 against the seconds of training (a chunk's time is shared evenly among its runs); the line joins the trials that "
        "no other beats in both."
    )
    return charted(cost_chart(rows), " ".join([caption, *warnings_of(section.comparison.entries)]))


def rank_picture(section: Section) -> Picture | None:
    """Mean ranks over the databases with the critical difference, for three to 24 trials on two databases or more."""
    databases = [part for part in section.comparison.parts if part.database]
    entries = section.choosable
    if not 3 <= len(entries) <= _MOST_RANKED or len(databases) < 2:
        return None
    table = section.scores.pivot(index="part", columns="entry", values="UF1")
    labels = [entry.label for entry in entries]
    ranks = critical_difference(table.loc[[part.name for part in databases], labels].to_numpy(float))
    caption = (
        f"Mean rank by UF1 over {ranks.databases} databases (Nemenyi): trials whose bars overlap are not told apart at 5 %, "
        "which so few databases rarely allow."
    )
    chart = rank_chart(ranks, [section.names[label] for label in labels])
    return charted(chart, " ".join([caption, *warnings_of(entries)]))
