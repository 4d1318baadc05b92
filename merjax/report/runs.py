"""Finished and unfinished runs as they lie on disk, and which of them can be compared."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from merjax.conditions import Conditions, read_conditions
from merjax.errors import MerjaxError
from merjax.plan import Plan
from merjax.report.entries import Entry, entries_of
from merjax.report.scores import part_names
from merjax.results import is_finished, read_plan, read_predictions


@dataclass(frozen=True)
class Run:
    """A sweep's folder.

    Attributes:
        folder: where it lies.
        name: the sweep's name, or the folder where several runs have one name.
        plan: its plan.
        version: the merjax that planned it.
        predictions: see `merjax.results.read_predictions`.
        curves: training curves: trial, fold, seed, stage, step and a column per metric; empty where there are none.
        missing: trial, seed and fold of each training run that is not finished.
        digest: SHA-256 of all prediction files, one after another.
        conditions: devices, versions and time of the training; None where they were not noted.
        began, ended: times of the plan file and of the last predictions; the files may have been copied since.
    """

    folder: Path
    name: str
    plan: Plan
    version: str
    predictions: pd.DataFrame
    curves: pd.DataFrame
    missing: tuple[tuple[str, int, str], ...]
    digest: str
    conditions: Conditions | None
    began: datetime
    ended: datetime

    @property
    def missing_sentence(self) -> str:
        """What is not finished, in a sentence; "" when all is."""
        if not self.missing:
            return ""
        trials = pd.Series([trial for trial, _, _ in self.missing]).value_counts(sort=False)
        each = ", ".join(f"{trial}: {n}" for trial, n in trials.items())
        return (
            f"{self.name} is unfinished: {len(self.missing)} of {self.plan.runs} training runs (trial x seed x fold) are "
            f"missing ({each}). What is finished is shown; run the same sweep again to finish it."
        )


@dataclass(frozen=True)
class Comparison:
    """Entries that were tested on the same clips in the same folds, and the parts they are scored on.

    Attributes:
        protocol, split_hash: what they have in common.
        entries: what is compared.
        parts: see `merjax.report.scores.part_names`.
        bases: what the others are compared with.
    """

    protocol: str
    split_hash: str
    entries: tuple[Entry, ...]
    parts: tuple[str, ...]
    bases: tuple[Entry, ...]

    @property
    def base(self) -> Entry:
        return self.bases[0]

    @property
    def statement(self) -> str:
        """What synthetic data says about itself; "" for real recordings."""
        return " ".join(dict.fromkeys(entry.data["statement"] for entry in self.entries if entry.data["statement"]))


def read_run(folder: Path) -> Run:
    """Read a run's folder, finished or not.

    Raises:
        MerjaxError: no run, a damaged one, or one of which no chunk is finished yet.
    """
    plan = read_plan(folder)
    finished = [chunk for chunk in plan.chunks if is_finished(folder, chunk)]
    if not finished:
        raise MerjaxError(
            f"{folder}: none of the {len(plan.chunks)} chunks of this run is finished, there is nothing to report yet; "
            "run the sweep again to go on with it"
        )
    files = sorted(folder.glob("predictions-*.parquet"))
    missing = tuple(
        (plan.trials[trial].name, chunk.seed, plan.data[chunk.group]["folds"][fold])
        for chunk in plan.chunks
        if chunk not in finished
        for trial, fold in chunk.runs
    )
    return Run(
        folder,
        plan.name,
        plan,
        str(json.loads((folder / "plan.json").read_text()).get("version", "not recorded")),
        read_predictions(folder, plan),
        _read_curves(folder),
        missing,
        hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest(),
        read_conditions(folder, finished),
        datetime.fromtimestamp((folder / "plan.json").stat().st_mtime),
        datetime.fromtimestamp(max(file.stat().st_mtime for file in files)),
    )


def compare(runs: Sequence[Run], bases: Sequence[str] = ()) -> list[Comparison]:
    """Sort the entries of runs into comparisons: same protocol and same split hash, in the order of appearance.

    Args:
        runs: what to compare.
        bases: trials, or rows by their labels, that the others are compared with; the first row of all without.

    Raises:
        MerjaxError: a base that is no row of any comparison.
    """
    found: dict[tuple[str, str], list[Entry]] = {}
    for run in runs:
        for entry in entries_of(run.plan, run.predictions, run.name):
            found.setdefault((entry.data["protocol"], entry.data["split_hash"]), []).append(entry)
    comparisons = []
    for (protocol, split_hash), entries in found.items():
        if len({entry.run for entry in entries}) > 1:
            entries = [entry.called(f"{entry.run}: {entry.label}") for entry in entries]
        largest = max(entries, key=lambda entry: entry.predictions["fold"].nunique())
        parts = part_names(largest.data, largest.predictions)
        named = tuple(base for name in dict.fromkeys(bases) if (base := _named(name, entries)))
        comparisons.append(Comparison(protocol, split_hash, tuple(entries), parts, named or (entries[0],)))
    every = [entry for comparison in comparisons for entry in comparison.entries]
    for name in bases:
        if _named(name, every) is None:
            raise MerjaxError(
                f'there is no trial "{name}" to compare with; there are {", ".join(entry.label for entry in every)}'
            )
    return comparisons


def _named(name: str, entries: Sequence[Entry]) -> Entry | None:
    """The entry of a label, or the first of a trial."""
    of_label = [entry for entry in entries if entry.label == name]
    return next(iter([*of_label, *(entry for entry in entries if entry.trial.name == name)]), None)


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read several runs; those of one name are told apart by their folders.

    Raises:
        MerjaxError: see `read_run`; or a folder given twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise MerjaxError(f"a run is given twice: {', '.join(map(str, folders))}")
    runs = [read_run(folder) for folder in folders]
    names = [run.name for run in runs]
    return [Run(**{**vars(run), "name": run.name if names.count(run.name) == 1 else str(run.folder)}) for run in runs]


def _read_curves(folder: Path) -> pd.DataFrame:
    files = sorted(folder.glob("curves-*.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True) if files else pd.DataFrame()
