"""All trials of a comparison in one table, with their settings, scores and costs: for the page and for Python."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from merjax.report.names import readable, short_keys
from merjax.report.section import Section, records
from merjax.report.settings import varying
from merjax.scoring.metrics import SCORES
from merjax.scoring.written import number, p_text
from merjax.sweeps.result import SweepResult
from merjax.sweeps.spent import spent_on_trials
from merjax.system.settings import flatten


class Cell(NamedTuple):
    """A cell of the page's table: what it shows, by what it is sorted, and more about it."""

    text: str
    value: str
    title: str = ""


def trials_of(section: Section, runs: Sequence[SweepResult]) -> pd.DataFrame:
    """A row per entry.

    Returns:
        Columns entry, run, trial, selection, the settings by which entries differ (by dotted key), then UF1, UAR and
        accuracy on the first part, each with `_sd`, `_low` and `_high`, `UF1_holm` (against the base), clips, seeds, diverged,
        seconds and jobs (see `merjax.sweeps.spent`), chosen, base and best (true or false).
    """
    comparison, part = section.comparison, section.comparison.parts[0]
    configs = {entry.label: flatten(entry.config) for entry in comparison.entries}
    keys = varying(list(configs.values()))
    spent = {(run.name, trial): own for run in runs for trial, own in spent_on_trials(run).items()}
    scores = {row["entry"]: row for row in records(section.scores, part)}
    against = [row for row in records(section.differences, part) if row["base"] == comparison.base.label]
    holm = {row["entry"]: row["UF1_holm"] for row in against}
    rows = []
    for entry in (entry for entry in comparison.entries if entry.label in scores):
        score, own = scores[entry.label], spent.get((entry.run, entry.trial))
        row: dict[str, Any] = {key: getattr(entry, key) for key in ("run", "trial", "selection")}
        row |= {key: configs[entry.label][key] for key in keys}
        row |= {f"{name}{end}": score[f"{name}{end}"] for name in SCORES for end in ("", "_sd", "_low", "_high")}
        row |= {"UF1_holm": holm.get(entry.label, float("nan"))}
        row |= {key: int(score[key]) for key in ("clips", "seeds", "diverged")}
        row |= {"seconds": own.seconds if own else float("nan"), "jobs": own.jobs if own else float("nan")}
        row |= {"chosen": entry in comparison.chosen, "base": entry in comparison.bases, "best": entry is section.best}
        rows.append({"entry": entry.label} | row)
    return pd.DataFrame(rows)


def page_table(section: Section, trials: pd.DataFrame) -> dict[str, Any]:
    """The table that the page's script sorts, filters and copies: heads with their kind, and rows of cells."""
    comparison = section.comparison
    keys = varying([flatten(entry.config) for entry in comparison.entries])
    names = short_keys(keys)
    several = trials["run"].nunique() > 1
    heads = [("trial", "text"), ("marks", "text"), *([("sweep", "text")] if several else [])]
    heads += [(names[key], "setting") for key in keys]
    heads += [(name, "score") for name in SCORES] + [("p, Holm", "number"), ("seconds", "number")]
    rows = []
    for row in trials.to_dict("records"):
        marks = [word for word in ("chosen", "base", "best") if row[word] and (word != "best" or section.choice)]
        cells = [Cell(section.names[row["entry"]], row["entry"], row["entry"])]
        cells += [Cell(", ".join(marks), " ".join(marks))]
        cells += [Cell(row["run"], row["run"])] * several
        cells += [Cell(readable(row[key]), str(row[key]), f"{names[key]}={row[key]}") for key in keys]
        cells += [_score(row, name) for name in SCORES]
        cells += [Cell(p_text(row["UF1_holm"]), str(row["UF1_holm"]))]
        cells += [Cell(number(row["seconds"], 0), str(row["seconds"]))]
        rows.append({"cells": cells, "chosen": row["chosen"]})
    return {"heads": heads, "rows": rows, "part": comparison.parts[0].title}


def _score(row: Mapping[Any, Any], name: str) -> Cell:
    spread = f" [{number(row[f'{name}_low'])}, {number(row[f'{name}_high'])}]"
    return Cell(number(row[name]) + spread, str(row[name]), f"{name} {number(row[name])}, 95 % interval{spread}")
