"""Scores of spotting in the terminal, and the files that `merjax rescore` writes of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from merjax.system.console import say
from merjax.system.paths import make_folder

if TYPE_CHECKING:
    import pandas as pd

    from merjax.scoring.spotting.rescored import SpottingScores


def print_spotting(scores: "SpottingScores", title: str, console: Console) -> None:
    """Print scores of found intervals: a table of the databases and kinds, and what one must know of them."""
    from merjax.report.tables import TextTable, print_table
    from merjax.scoring.resamples import DRAWS
    from merjax.scoring.spotting.scores import RECOGNITION, SPOTTING

    shown = [name for name in (*SPOTTING, *RECOGNITION) if name in scores.table]
    rows = [
        (f"{row['part']}, {row['kind']}", *(_score(row, name) for name in shown), *_counts(row))
        for _, row in scores.table.iterrows()
    ]
    for note in scores.notes:
        say(console, note, "bold red")
    notes = ["TP, FP and FN are summed over all videos; empty videos have no true interval of the kind."]
    if scores.spotted.has_subjects:
        notes.append(f"In brackets 95 % of {DRAWS} bootstrap samples of the subjects.")
    columns = ("part", *shown, "TP/FP/FN", "videos", "empty", "subjects")
    print_table(TextTable(title, columns, tuple(rows), tuple(notes)), console)


def write_curve(scores: "SpottingScores", path: Path, console: Console) -> None:
    """Write precision and recall over confidence as CSV, and print the average precision of each kind."""
    from merjax.scoring.spotting.curve import average_precision
    from merjax.scoring.written import number
    from merjax.system.files import write_aside

    curve = scores.curve()
    make_folder(path.parent)
    write_aside(path, lambda aside: curve.to_csv(aside, index=False))
    means = ", ".join(f"{kind} {number(average_precision(own), 4)}" for kind, own in curve.groupby("kind", sort=False))
    say(console, f"{path}: precision and recall over confidence; average precision: {means or 'none'}")


def write_log(scores: "SpottingScores", path: Path, console: Console) -> None:
    """Write the log in the challenge's format."""
    from merjax.system.files import write_aside

    text = scores.log()
    make_folder(path.parent)
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))
    say(console, f"{path}: the intervals in the format of MEGC 2020 and 2021")


def _score(row: "pd.Series", name: str) -> str:
    from merjax.scoring.written import number

    if row[f"{name}_low"] != row[f"{name}_low"]:
        return number(row[name], 4)
    return f"{number(row[name], 4)} [{number(row[f'{name}_low'], 4)}, {number(row[f'{name}_high'], 4)}]"


def _counts(row: "pd.Series") -> tuple[str, ...]:
    counted = "/".join(str(row[name]) for name in ("hits", "false", "missed"))
    return counted, *(str(row[name]) for name in ("videos", "empty", "subjects"))
