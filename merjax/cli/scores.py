"""The table of scores that a sweep prints when it is finished."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from rich.console import Console
from rich.table import Table

from merjax.methods.registry import method_of
from merjax.protocols import scheme_named
from merjax.report.names import readable, short_keys
from merjax.report.settings import varying
from merjax.scoring.entry import KNOWN_NOTE, LEAKS, Entry, features_know, left_out_sentences
from merjax.scoring.metrics import SCORES
from merjax.scoring.resamples import comparable
from merjax.scoring.scores import OF_FOLDS
from merjax.scoring.spotting.scores import SPOTTING
from merjax.sweeps.plan import Plan
from merjax.sweeps.result import SweepResult
from merjax.sweeps.sweep_file import Trial
from merjax.system.console import say
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten

_MOST_ROWS = 20
_NAME = 24  # characters of a name that columns of settings must leave room for
_MOST_SETTINGS = 6  # that vary: more have no room, and the names of trials tell them


def refuse_unknown(sort: str, trials: Sequence[Trial]) -> None:
    """Refuse to sort trials by what is no score of theirs.

    Raises:
        MerjaxError: naming the scores.
    """
    known = SPOTTING if method_of(trials[0].config.method).spots else tuple(SCORES)
    if sort and sort not in known:
        raise MerjaxError(f"--sort {sort}: there is no such score; write one of {', '.join(known)}")


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
    told = [_Row(row, configs.get(row["trial"]), marks.get(row["trial"], ())) for row in [*shown, *controls]]
    keys = varying(list(configs.values()))
    keys = keys if len(keys) <= _MOST_SETTINGS and _has_room(told, keys, console.width) else []
    table = Table()
    table.add_column("trial", min_width=12, overflow="fold")
    for head in (*(short_keys(keys)[key] for key in keys), *SCORES, *([""] if marks else [])):
        table.add_column(head, justify="right")
    for number, row in enumerate(told, 1):
        last = number in (len(shown), len(told))
        table.add_row(row.name, *row.settings(keys), *row.scores, *([row.marked] if marks else []), end_section=last)
    console.print(table)
    for values in shown if len(shown) <= _MOST_ROWS // 2 else ():  # scores.csv has them all
        if values["fold_accuracy"] >= 0:  # not a number if there is one fold
            say(console, f"{values['trial']}: {OF_FOLDS} {values['fold_accuracy']:.3f}")
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


class _Row(NamedTuple):
    """A row of the table: its scores, its settings if it is a trial, and its marks."""

    values: Mapping[Any, Any]
    config: Mapping[str, Any] | None
    marks: Sequence[str]

    @property
    def name(self) -> str:
        note = f" ({self.values['diverged']:.0f} runs diverged)" if self.values.get("diverged", 0) > 0 else ""
        part = "" if self.values["part"] == "together" else f" [{self.values['part']}]"
        return self.values["trial"] + part + note

    @property
    def scores(self) -> list[str]:
        told = [(self.values[name], self.values.get(f"{name}_sd", float("nan"))) for name in SCORES]
        return [f"{value:.3f}" + ("" if pd.isna(sd) else f" ± {sd:.3f}") for value, sd in told]

    @property
    def marked(self) -> str:
        return " and ".join(self.marks)

    def settings(self, keys: Sequence[str]) -> list[str]:
        return [readable(self.config[key]) if self.config else "" for key in keys]


def _has_room(rows: Sequence[_Row], keys: Sequence[str], width: int) -> bool:
    """Whether columns of settings leave enough of the terminal's width to the names of trials."""
    cells = [(*row.settings(keys), *row.scores, row.marked) for row in rows]
    taken = sum(max(map(len, column)) + 3 for column in zip(*cells, strict=True))
    return width - taken - 4 >= min(_NAME, max(len(row.name) for row in rows))


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
    for note in dict.fromkeys(scheme_named(group.protocol, group.classes).note for group in plan.groups):
        say(console, note)
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
