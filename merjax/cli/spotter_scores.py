"""The table of scores that a sweep of spotters prints when it is finished."""

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from merjax.cli.scores import print_known, print_not_run
from merjax.datasets.interval_tables import KINDS
from merjax.scoring.spotting.scores import OVERALL
from merjax.scoring.spotting.trials import CHOSEN_ON_TESTED
from merjax.sweeps.result import SweepResult
from merjax.system.console import say


def print_spotters(result: SweepResult, console: Console, sort: str = "") -> None:
    """Print the scores of a sweep's spotters: F1 of each kind and overall, with what they are made of.

    Args:
        result: of the sweep.
        console: where to print.
        sort: by what the trials are sorted, the highest overall score first: precision, recall or F1.
    """
    data, scores = result.plan.groups[0], result.scores
    say(
        console,
        f"{result.plan.name}: spotting, {data.clips} videos of {data.subjects} subjects, {len(data.folds)} folds",
        "italic",
    )
    part = scores["part"].iloc[0]
    own = scores[scores["part"] == part]
    names = list(dict.fromkeys(own["trial"]))
    of = {(row["trial"], row["kind"]): row for row in own.to_dict("records")}
    if sort:
        names.sort(key=lambda name: of[name, OVERALL][sort], reverse=True)
    table = Table()
    table.add_column("trial", min_width=12, overflow="fold")
    for head in ("micro", "macro", "F1 overall", "right", "false", "false/min"):
        table.add_column(head, justify="right", no_wrap=True)
    for name in names:
        whole = of[name, OVERALL]
        cells = [_number(of[name, kind]["F1"]) for kind in KINDS] + [_with_interval(whole, "F1")]
        cells += [f"{whole['hits']:g} of {whole['true']:g}", f"{whole['false']:g}"]
        table.add_row(name, *cells, _number(whole["false_per_minute"], 2))
    console.print(table)
    say(console, "false/min: found in a minute of the videos without expressions; in brackets: 95 %, over subjects")
    if any(entry.selection == "oracle" for entry in result.entries):
        say(console, CHOSEN_ON_TESTED, "yellow")
    print_known(result.plan, console)
    print_not_run(result.plan, console)
    for statement in dict.fromkeys(group.statement for group in result.plan.groups if group.statement):
        say(console, statement, "yellow")


def _with_interval(row: dict[Any, Any], score: str) -> str:
    ends = f"\n[{_number(row[f'{score}_low'])}, {_number(row[f'{score}_high'])}]" if row[f"{score}_low"] >= 0 else ""
    return _number(row[score]) + ends


def _number(value: float, digits: int = 3) -> str:
    return "-" if pd.isna(value) else f"{value:.{digits}f}"
