"""The table of scores that a sweep prints when it is finished."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from merjax.report.names import readable, short_keys
from merjax.report.settings import varying
from merjax.scoring.entry import KNOWN_NOTE, LEAKS, Entry, features_know
from merjax.scoring.metrics import SCORES
from merjax.scoring.resamples import comparable
from merjax.scoring.scores import OF_FOLDS
from merjax.sweeps.plan import Plan, left_out_sentences
from merjax.sweeps.result import SweepResult
from merjax.system.console import say
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten

_MOST_ROWS = 20
_MOST_SETTINGS = 6  # that vary: more have no room, and the names of trials tell them


def refuse_unknown(sort: str) -> None:
    """Refuse to sort by what is no score.

    Raises:
        MerjaxError: naming the scores.
    """
    if sort and sort not in SCORES:
        raise MerjaxError(f"--sort {sort}: there is no such score; write one of {', '.join(SCORES)}")


def print_scores(result: SweepResult, console: Console, sort: str = "") -> None:
    """Print the table of scores, with what one must know about the data.

    Args:
        result: of the sweep.
        console: where to print.
        sort: the score by which to sort, the highest first; without, trials stand in the sweep's order.
    """
    plan, scores, entries = result.plan, result.scores, result.entries
    trained = scores["diverged"].notna()  # the controls, which train nothing, follow
    rows, controls = scores[trained].to_dict("records"), scores[~trained].to_dict("records")
    marks = _marks(result, entries, rows)
    if sort:
        rows.sort(key=lambda row: row[sort], reverse=True)
    shown = _shown(rows, marks)
    say(console, _title(plan), "italic")  # as a line of its own, since a table breaks its title at its width
    configs = {entry.label: flatten(entry.config) for entry in entries}
    keys = varying(list(configs.values()))
    keys = keys if len(keys) <= _MOST_SETTINGS else []
    table = Table()
    table.add_column("trial", min_width=12, overflow="fold")
    for head in (*(short_keys(keys)[key] for key in keys), *SCORES, *([""] if marks else [])):
        table.add_column(head, justify="right")
    for number, row in enumerate([*shown, *controls], 1):
        own = configs.get(row["trial"])
        settings = [readable(own[key]) if own else "" for key in keys]
        marked = [" and ".join(marks.get(row["trial"], ()))] if marks else []
        last = number in (len(shown), len(shown) + len(controls))
        table.add_row(_name(row), *settings, *_cells(row), *marked, end_section=last)
    for row in shown if len(shown) <= _MOST_ROWS // 2 else ():  # scores.csv has them all
        if row["fold_accuracy"] >= 0:  # not a number if there is one fold
            cells = [f"{row['fold_accuracy']:.3f}" if name == "accuracy" else "" for name in SCORES]
            table.add_row(f"{row['trial']}: {OF_FOLDS}", *[""] * len(keys), *cells)
    console.print(table)
    _say_more(result, sort, len(rows) - len(shown), console)


def _title(plan: Plan) -> str:
    data = plan.groups[0]
    title = f"{plan.name}: {data.protocol}, {data.clips} clips of {data.subjects} subjects, {len(data.folds)} folds"
    return title + (f", {len(plan.seeds)} seeds" if len(plan.seeds) > 1 else "")


def _marks(result: SweepResult, entries: Sequence[Entry], rows: Sequence[Mapping]) -> dict[str, list[str]]:
    """What is said of rows by their labels: "chosen" by a search, and "best", the highest UF1 of those to choose from."""
    marks: dict[str, list[str]] = {}
    if result.tried is not None:
        marks = {entry.label: ["chosen"] for entry in entries if not entry.leaks}
    fit = comparable(entries)
    labels = {entry.label for entry in fit if entry.selection == fit[0].selection}
    own = [row for row in rows if row["trial"] in labels and row["part"] == rows[0]["part"]]
    if len(own) > 1:
        marks.setdefault(max(own, key=lambda row: row["UF1"])["trial"], []).append("best")
    return marks


def _shown(rows: Sequence[Mapping[Any, Any]], marks: Mapping[str, Any]) -> list[Mapping[Any, Any]]:
    """The first rows, with those that are marked."""
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    marked = [number for number, row in enumerate(rows) if row["trial"] in marks][:_MOST_ROWS]
    others = [number for number in range(len(rows)) if number not in marked]
    return [rows[number] for number in sorted([*marked, *others[: _MOST_ROWS - len(marked)]])]


def _name(row: Mapping[Any, Any]) -> str:
    note = f" ({row['diverged']:.0f} runs diverged)" if row.get("diverged", 0) > 0 else ""
    part = "" if row["part"] == "together" else f" [{row['part']}]"
    return row["trial"] + part + note


def _cells(row: Mapping[Any, Any]) -> list[str]:
    told = [(row[name], row.get(f"{name}_sd", float("nan"))) for name in SCORES]
    return [f"{value:.3f}" + ("" if pd.isna(sd) else f" ± {sd:.3f}") for value, sd in told]


def _say_more(result: SweepResult, sort: str, more: int, console: Console) -> None:
    """What a reader must know about the table: what it leaves out, how it is sorted, leaks, and the data."""
    plan = result.plan
    if more:
        every = result.folder / "scores.csv"
        say(console, f"{more} more rows are in {every} and on the page of `merjax report {result.folder}`")
    if sort:
        luck = "the first is first in part by luck, so its score is too high for other people"
        say(console, f"sorted by {sort} on the tested subjects: {luck}", "yellow")
    if any(entry.selection == "oracle" for entry in result.entries):
        say(console, LEAKS, "yellow")
    print_known(plan, console)
    print_not_run(plan, console)
    for statement in dict.fromkeys(group.statement for group in plan.groups if group.statement):
        say(console, statement, "yellow")
    for sentence in left_out_sentences(plan.groups):
        say(console, sentence)


def print_known(plan: Plan, console: Console) -> None:
    """Print that trials leak, if their spatial stage trains on held-out subjects."""
    if any(features_know(trial.config) for trial in plan.trials):
        say(console, KNOWN_NOTE, "yellow")


def print_not_run(plan: Plan, console: Console) -> None:
    """Print the trials that lack data, and what they lack."""
    for trial in plan.not_run:
        say(console, str(trial), "bold yellow")
