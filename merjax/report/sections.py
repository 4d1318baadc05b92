"""A comparison with all its numbers, and the tables that show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from merjax.datasets.clip import DATABASES
from merjax.metrics import SCORES
from merjax.protocols import SCHEMES
from merjax.report.entries import SELECTIONS, Entry
from merjax.report.runs import Comparison
from merjax.report.scores import (
    DRAWS,
    are_paired,
    part_title,
    pooled_confusion,
    score_classes,
    score_controls,
    score_differences,
    score_entries,
    score_subjects,
)
from merjax.report.tables import TextTable, number, with_interval

# Share of simulated experiments whose 95 % interval held the truth: 87 % with 6 subjects, 91 % with 15, 93 % with 24 and more.
FEW_SUBJECTS = 20
MOST_DETAILED = 8  # entries with figures of their own; tables and CSV files have all
SYNTHETIC = "Synthetic data: these scores say nothing about people."
LEAKS = "oracle (leaks): the budget was chosen on the held-out subjects; no estimate of accuracy on new people."
HEADS = {"UF1": "UF1 (macro F1)", "UAR": "UAR", "accuracy": "accuracy"}


@dataclass(frozen=True)
class Section:
    """A comparison and what is computed from it, each once."""

    comparison: Comparison

    @cached_property
    def scores(self) -> pd.DataFrame:
        return score_entries(self.comparison.entries, self.comparison.parts)

    @cached_property
    def controls(self) -> pd.DataFrame:
        return score_controls(self.comparison.base, self.comparison.parts)

    @property
    def scores_and_controls(self) -> pd.DataFrame:
        return pd.concat([self.scores, self.controls], ignore_index=True)

    @cached_property
    def differences(self) -> pd.DataFrame:
        return score_differences(self.comparison.base, self.compared, self.comparison.parts)

    @property
    def compared(self) -> list[Entry]:
        """The entries to compare with the base; a leaking one says nothing about how its trial differs from another."""
        others = self.comparison.entries[1:]
        leaks = self.comparison.base.selection == "oracle"
        return [entry for entry in others if leaks or entry.selection != "oracle"]

    @cached_property
    def inflation(self) -> pd.DataFrame:
        """Oracle minus fixed, of each trial that has both: as `differences`."""
        by_rule = {(e.run, e.trial.name, e.selection): e for e in self.comparison.entries}
        tables = [
            score_differences(by_rule[run, trial, "fixed"], [oracle], self.comparison.parts)
            for (run, trial, selection), oracle in by_rule.items()
            if selection == "oracle" and (run, trial, "fixed") in by_rule
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    @cached_property
    def budgets(self) -> pd.DataFrame:
        """The budgets that entries which chose one were tested after: entry, runs, median, least and most steps, and the
        steps of the whole budget (NaN where no entry of the trial was tested after it)."""
        told = [entry for entry in self.comparison.entries if "step" in entry.predictions]
        whole = {(e.run, e.trial.name): e.predictions["step"].max() for e in told if e.selection == "fixed"}
        rows = []
        for entry in told:
            if entry.selection != "fixed":
                step = entry.predictions.drop_duplicates(["seed", "fold"])["step"]
                median, least, most = step.median(), step.min(), step.max()
                rows.append(
                    {"entry": entry.label, "runs": len(step), "median": median, "least": least, "most": most}
                    | {"whole": whole.get((entry.run, entry.trial.name), np.nan)}
                )
        return pd.DataFrame(rows)

    @cached_property
    def classes(self) -> pd.DataFrame:
        return score_classes(self.comparison.entries, self.comparison.parts)

    @cached_property
    def subjects(self) -> pd.DataFrame:
        return score_subjects(self.comparison.entries)

    @cached_property
    def confusions(self) -> pd.DataFrame:
        """Long form: part, entry, truth, prediction, clips (summed over seeds)."""
        rows = []
        for part in self.comparison.parts:
            for entry in self.comparison.entries:
                counts = pooled_confusion(entry, part)
                rows += [
                    {"part": part, "entry": entry.label, "truth": t, "prediction": p, "clips": int(counts[i, j])}
                    for i, t in enumerate(entry.classes)
                    for j, p in enumerate(entry.classes)
                ]
        return pd.DataFrame(rows)

    @property
    def detailed(self) -> list[Entry]:
        """The entries with figures of their own; those that leak come last."""
        return sorted(self.comparison.entries, key=lambda entry: entry.selection == "oracle")[:MOST_DETAILED]

    @property
    def unpaired(self) -> list[str]:
        """Labels of entries that have no paired difference to the base."""
        return [e.label for e in self.compared if not are_paired(self.comparison.base, e)]


def warnings_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """What has to stand beside every table and figure that shows scores of these entries."""
    synthetic = any(entry.data["statement"] for entry in entries)
    leaks = any(entry.selection == "oracle" for entry in entries)
    return (SYNTHETIC,) * synthetic + (LEAKS,) * leaks


def score_texts(section: Section) -> list[TextTable]:
    """Scores of all entries and controls, a table per part."""
    return [_score_text(section, part) for part in section.comparison.parts]


def _score_text(section: Section, part: str) -> TextTable:
    comparison = section.comparison
    own = records(section.scores, part) + records(section.controls, part)
    rows = []
    for row in own:
        diverged = f" ({row['diverged']} runs diverged)" if row["diverged"] else ""
        cells = [with_interval(row, name) for name in SCORES]
        rows.append((row["entry"] + diverged, *cells, str(row["clips"]), str(row["subjects"])))
    seeds = max(row["seeds"] for row in own)
    subjects = own[0]["subjects"]
    notes = [
        f"Pooled over folds. In brackets: 95 % interval of {DRAWS} bootstrap samples of the {subjects} subjects"
        + (f"; score: mean ± standard deviation over {seeds} seeds." if seeds > 1 else "; one seed."),
        "majority: always the part's most frequent class; chance: random answers with the classes' frequencies.",
    ]
    if any(row["diverged"] for row in own):
        notes.append("The clips of runs that diverged are scored as wrong.")
    chance_recall = 1 / len(comparison.base.classes)
    above = [row for row in own if row["control"] == "shuffle" and row["UAR_low"] > chance_recall]
    if leaking := [row["entry"] for row in above if row["selection"] != SELECTIONS["oracle"]]:
        notes.append(
            f"ABOVE CHANCE on shuffled labels: {', '.join(leaking)}. Something leaks; trust no score of this table."
        )
    if expected := [row["entry"] for row in above if row["selection"] == SELECTIONS["oracle"]]:
        notes.append(
            f"Above chance on shuffled labels, from which nothing can be learnt: {', '.join(expected)}. That is the choice on "
            "the tested clips alone."
        )
    if subjects < FEW_SUBJECTS:
        notes.append(
            f"{subjects} subjects are few: in simulations such intervals hold the truth in about 90 % of experiments or fewer."
        )
    return TextTable(
        f"Scores on {part_title(part)} ({comparison.protocol})",
        ("trial", *HEADS.values(), "clips", "subjects"),
        tuple(rows),
        (*notes, *warnings_of(comparison.entries)),
    )


def difference_texts(section: Section) -> list[TextTable]:
    """Differences to the base, a table per part; none where nothing can be compared."""
    if section.differences.empty:
        return []
    base, others = section.comparison.base, section.differences["entry"].nunique()
    notes = [
        "Paired bootstrap over subjects, 95 %. An interval that contains 0 is no evidence of a difference; one "
        f"interval in twenty misses the truth by chance, and here are {len(SCORES) * others} per part."
    ]
    if section.unpaired:
        notes.append(f"Not compared, for want of the same clips: {', '.join(section.unpaired)}.")
    return [
        _difference_text(
            f"Difference to {base.label} on {part_title(part)}",
            records(section.differences, part),
            (*notes, *warnings_of([base, *section.compared])),
        )
        for part in section.comparison.parts
    ]


def inflation_texts(section: Section) -> list[TextTable]:
    """What choosing the budget on the held-out subjects adds to each trial's scores, a table per part."""
    return [
        _difference_text(
            f"Inflation: oracle (leaks) minus fixed, on {part_title(part)}",
            rows,
            (
                "Same trainings, same clips; only the moment at which each run is tested was chosen on the very clips that "
                "it is tested on. Paired bootstrap over subjects, 95 %.",
                *warnings_of(section.comparison.entries),
            ),
        )
        for part in section.comparison.parts
        if (rows := records(section.inflation, part))
    ]


def budget_texts(section: Section) -> list[TextTable]:
    """The budgets that were chosen; none where all are fixed."""
    if section.budgets.empty:
        return []
    columns = ("median", "least", "most")
    return [
        TextTable(
            "Chosen budgets",
            ("trial", "runs", *columns, "whole budget"),
            tuple(
                (row["entry"], str(row["runs"]), *(number(row[c], 0) for c in (*columns, "whole")))
                for row in section.budgets.to_dict("records")
            ),
            (
                "Optimiser steps of the last stage; each run (seed and fold) has a choice of its own.",
                *warnings_of(section.comparison.entries),
            ),
        )
    ]


def _difference_text(title: str, rows: Sequence[dict], notes: tuple[str, ...]) -> TextTable:
    cells = ((row["entry"], *(with_interval(row, name, sign=True) for name in SCORES)) for row in rows)
    return TextTable(title, ("trial", *HEADS.values()), tuple(cells), notes)


def class_texts(section: Section) -> list[TextTable]:
    """F1 and recall of each class, a table per part."""
    classes = section.comparison.base.classes
    tables = []
    for part in section.comparison.parts:
        own = records(section.classes, part)
        clips = {row["class"]: row["clips"] for row in own}
        labels = dict.fromkeys(row["entry"] for row in own)
        cell = {(row["entry"], row["class"]): (row["F1"], row["recall"]) for row in own}
        tables.append(
            TextTable(
                f"F1 / recall per class on {part_title(part)}",
                ("trial", *(f"{name} ({clips[name]} clips)" for name in classes)),
                tuple((e, *(" / ".join(map(number, cell[e, name])) for name in classes)) for e in labels),
                ("Mean over seeds of the pooled values.", *warnings_of(section.comparison.entries)),
            )
        )
    return tables


def subject_text(section: Section, entry: Entry) -> TextTable:
    """Clips and accuracy of each subject."""
    own = section.subjects[section.subjects["entry"] == entry.label]
    return TextTable(
        f"Per subject: {entry.label}",
        ("subject", "clips", "right", "accuracy"),
        tuple(
            (f"{row['database']}/{row['subject']}", str(row["clips"]), f"{row['right']:g}", number(row["accuracy"]))
            for row in own.to_dict("records")
        ),
        ("right: mean number over seeds.", *warnings_of([entry])),
    )


def data_text(entry: Entry) -> TextTable:
    """Clips and subjects used, of those that were published, by database."""
    scheme, data = SCHEMES[entry.data["protocol"]], entry.data
    one_seed = entry.predictions[entry.predictions["seed"] == entry.seeds[0]].drop_duplicates(
        ["database", "subject", "clip"]
    )
    rows = []
    for database in [name for name in DATABASES if (one_seed["database"] == name).any()]:
        own = one_seed[one_seed["database"] == database]
        counts = np.bincount(own["label"], minlength=len(scheme.classes))
        expected = scheme.expected.get(database, ())
        cells = [(len(own), sum(expected)), (own["subject"].nunique(), scheme.expected_subjects.get(database, 0))]
        cells += zip(counts, expected or [0] * len(counts), strict=True)
        published = "–" if data["statement"] else None
        rows.append((DATABASES[database].title, *(f"{n} / {published or m}" for n, m in cells)))
    notes = ["Synthetic: no published count applies."] if data["statement"] else []
    if entry.is_partial:
        notes.append("Unfinished: only the clips of finished folds are counted.")
    return TextTable(
        f"Clips tested / expected ({scheme.name})",
        ("database", "clips", "subjects", *scheme.classes),
        tuple(rows),
        tuple(notes),
    )


def records(table: pd.DataFrame, part: str) -> list[dict]:
    return table[table["part"] == part].to_dict("records") if len(table) else []
