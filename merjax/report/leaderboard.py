"""The leaderboard: what is known of each method, in one row of a report."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from merjax.methods.registry import method_of
from merjax.report.beside import published_row
from merjax.report.section import Section, records, warnings_of
from merjax.report.tables import TextTable
from merjax.scoring.entry import SHUFFLED_ALL, Entry
from merjax.scoring.scores import score_differences
from merjax.scoring.written import number, p_text, with_interval
from merjax.sweeps.result import SweepResult
from merjax.sweeps.spent import spent_on_trials
from merjax.system.console import duration

SHOWN = ("UF1", "UAR")
_ENDS = ("", "_sd", "_low", "_high")
_SURE = 0.05
_NOTES = (
    "Scores with 95 % intervals over subjects; ± is the standard deviation over seeds. Differences are paired: both methods "
    "are scored on the same resampled subjects. p is that of the difference in UF1, corrected for all comparisons (Holm); "
    f"below {_SURE} it is evidence that one is better. Ensembles are corrected among themselves.",
    "published: UF1 / UAR as printed, without intervals, and the moment of training that was tested. oracle adds: what "
    "choosing that moment on each held-out subject adds to UF1, which leaks. shuffled: UF1 of the method trained on shuffled "
    "labels, which must lie at chance.",
    "time: of training, on the machine that is named below, with what it had to do besides.",
)


def leaderboard_of(section: Section, runs: Sequence[SweepResult]) -> pd.DataFrame:
    """A row per trial after its whole budget, then the ensembles; empty if all trials are of one method.

    Returns:
        Columns entry, note, parameters, seeds, epochs, seconds; for each part and each of UF1 and UAR, as `FULL UF1`, the
        score with `_sd`, `_low` and `_high`; for UF1 on the first part, `difference` to the base and its `_low`, `_high` and
        `_holm`, `inner` (the score of a budget that was chosen on inner subjects), `oracle` (what it adds) and `shuffled`,
        each with its interval; and `published UF1`, `published UAR` and `chosen`, how that was chosen.
    """
    entries = section.comparison.entries
    if len({entry.config.method for entry in entries}) < 2:
        return pd.DataFrame()
    spent = {(run.name, trial): own for run in runs for trial, own in spent_on_trials(run).items()}
    of_run = {run.name: run for run in runs}
    rows = []
    for entry in (e for e in entries if e.selection == "fixed" and not e.control and not e.leaks):
        own = spent.get((entry.run, entry.trial))
        row: dict[str, Any] = {"entry": entry.label, "note": entry.note}
        row |= {"parameters": method_of(entry.config.method).parameters(entry.config, len(entry.classes))}
        row |= {"seeds": len(entry.seeds), "epochs": entry.epochs, "seconds": own.seconds if own else float("nan")}
        row |= _scores(section, section.scores, entry) | _difference(section, section.differences, entry)
        rows.append(row | _beside(section, entry) | _published(section, of_run[entry.run], entry))
    base, paired = section.comparison.base, section.together
    compared = () if base.leaks or base.control else paired
    differences = score_differences(base, compared, section.comparison.parts)
    rows += [
        {"entry": e.label, "note": "", **_scores(section, section.ensembles, e), **_difference(section, differences, e)}
        for e in paired
        if not e.control and e.selection == "fixed"
    ]
    return pd.DataFrame(rows)


def _row_of(table: pd.DataFrame, part: str, entry: Entry | None) -> Mapping[Any, Any]:
    """The first row of an entry on a part; empty if there is none."""
    if entry is None or table.empty:
        return {}
    found = table[(table["part"] == part) & (table["entry"] == entry.label)]
    return found.iloc[0].to_dict() if len(found) else {}


def _named(name: str, row: Mapping[Any, Any], score: str, ends: Sequence[str] = _ENDS) -> dict[str, float]:
    return {f"{name}{end}": row.get(f"{score}{end}", float("nan")) for end in ends}


def _scores(section: Section, table: pd.DataFrame, entry: Entry) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in section.comparison.parts:
        row = _row_of(table, part.name, entry)
        for score in SHOWN:
            found |= _named(f"{part.name} {score}", row, score)
    return found


def _difference(section: Section, table: pd.DataFrame, entry: Entry) -> dict[str, float]:
    first, base = section.comparison.parts[0].name, section.comparison.base.label
    own = table[table["base"] == base] if len(table) else table
    return _named("difference", _row_of(own, first, entry), "UF1", ("", "_low", "_high", "_holm"))


def _beside(section: Section, entry: Entry) -> dict[str, float]:
    """The trial with a budget chosen on inner subjects, what the oracle adds, and its method on shuffled labels."""
    first = section.comparison.parts[0].name
    others = [e for e in section.comparison.entries if e.run == entry.run]
    rules = {e.selection: e for e in others if e.trial == entry.trial}
    shuffled = [e for e in others if e.control and e.control != SHUFFLED_ALL and e.selection == "fixed"]
    control = next((e for e in shuffled if e.config.method == entry.config.method), None)
    ends = ("", "_low", "_high")
    return {
        **_named("inner", _row_of(section.scores, first, rules.get("inner")), "UF1", ends),
        **_named("oracle", _row_of(section.inflation, first, rules.get("oracle")), "UF1", ends),
        **_named("shuffled", _row_of(section.scores, first, control), "UF1", ends),
    }


def _published(section: Section, run: SweepResult, entry: Entry) -> dict[str, Any]:
    row = published_row(section.comparison, run, entry)
    scores = {f"published {name}": row.scores.get(name, float("nan")) if row else float("nan") for name in SHOWN}
    return {**scores, "chosen": row.chosen if row else ""}


def leaderboard_texts(section: Section, runs: Sequence[SweepResult]) -> list[TextTable]:
    """The leaderboard as one table, the highest UF1 first; none if all trials are of one method."""
    table = leaderboard_of(section, runs)
    if table.empty:
        return []
    first, base = section.comparison.parts[0], section.comparison.base.label
    ranked = table.sort_values(f"{first.name} UF1", ascending=False, kind="stable").to_dict("records")
    has_inner = bool(table["inner"].notna().any())
    heads = [
        *("method", "UF1", "UAR", f"UF1 minus {base}'s", "p, Holm", f"better than {base}?", "published", "its moment"),
        *("oracle adds", *(["inner budget"] if has_inner else []), "shuffled", "parameters", "seeds", "epochs", "time"),
        *(f"{score}, {part.title}" for part in section.comparison.parts[1:] for score in SHOWN),
        "how it differs from the published training",
    ]
    rows = tuple(tuple(_cells(section, row, base, has_inner)) for row in ranked)
    controls = "; ".join(f"{r['entry']} {number(r['UF1'])}" for r in records(section.controls, first))
    notes = (f"Without a picture, UF1: {controls}.", *_NOTES, *warnings_of(section.comparison.entries))
    title = f"Leaderboard on {first.title} ({section.comparison.protocol}), the highest UF1 first"
    return [TextTable(title, tuple(heads), rows, notes)]


def _cells(section: Section, row: dict[Any, Any], base: str, has_inner: bool) -> Iterator[str]:
    first, *parts = section.comparison.parts
    yield row["entry"]
    yield from (with_interval(row, f"{first.name} {score}") for score in SHOWN)
    yield _known(row, "difference", sign=True)
    p = row["difference_holm"]
    yield p_text(p) if p == p else ""
    yield "" if row["entry"] == base else _verdict(row["difference"], p)
    published = [row["published UF1"], row["published UAR"]]
    yield " / ".join(map(number, published)) if published[0] == published[0] else ""
    yield row["chosen"] if isinstance(row["chosen"], str) else ""
    yield _known(row, "oracle", sign=True)
    if has_inner:
        yield _known(row, "inner")
    yield _known(row, "shuffled")
    for name in ("parameters", "seeds", "epochs"):
        yield f"{row[name]:,.0f}" if row[name] == row[name] else ""
    yield duration(row["seconds"]) if row["seconds"] == row["seconds"] else ""
    yield from (with_interval(row, f"{part.name} {score}") for part in parts for score in SHOWN)
    yield row["note"]


def _known(row: dict[Any, Any], name: str, sign: bool = False) -> str:
    return with_interval(row, name, sign=sign) if row[name] == row[name] else ""


def _verdict(difference: float, p: float) -> str:
    if p != p:
        return "not compared"
    if p >= _SURE:
        return "no evidence"
    return "better" if difference > 0 else "worse"
