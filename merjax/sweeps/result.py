"""What a sweep's folder holds, finished or not, as tables."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pandas as pd

from merjax.scoring.scores import control_table, score_table
from merjax.sweeps.entries import entries_of
from merjax.sweeps.folder import is_finished, read_curves, read_plan, read_predictions, write_scores
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.provenance import Conditions, read_conditions
from merjax.sweeps.saved_models import add_scores
from merjax.system.errors import MerjaxError


@dataclass(frozen=True)
class SweepResult:
    """What a sweep's folder holds. Tables are read when they are first asked for.

    Attributes:
        folder: where it lies.
        plan: what was asked for; of a search, what each fold chose, all of it the trial "chosen".
        tried: of a search, what was proposed and how it scored on inner subjects, see `merjax.sweeps.running.search.table`.
    """

    folder: Path
    plan: Plan
    tried: pd.DataFrame | None = None

    @property
    def missing(self) -> list[Chunk]:
        """Chunks that are not finished; only a shard of a sweep leaves any."""
        return [chunk for chunk in self.plan.chunks if not is_finished(self.folder, chunk)]

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per trial, seed, fold and held-out clip; see `merjax.sweeps.folder.read_predictions`."""
        return read_predictions(self.folder, self.plan)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row per trial, then majority and chance: UF1, UAR, accuracy; see `merjax.scoring.scores.score_table`."""
        entries = entries_of(self.plan, self.predictions)
        tables = [score_table(entries), control_table(entries)]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row per trial, fold, seed, stage and step, a column per metric."""
        return read_curves(self.folder, self.plan)


def finish(folder: Path, tried: pd.DataFrame | None = None) -> SweepResult:
    """The result of a folder; its scores are saved beside the predictions when all chunks are there."""
    result = SweepResult(folder, read_plan(folder), tried)
    if not result.missing:
        write_scores(folder, result.scores)
        add_scores(folder, result.plan, result.predictions)
    return result


@dataclass(frozen=True)
class Run:
    """A sweep's folder.

    Attributes:
        folder: where it lies.
        name: the sweep's name, or the folder where several runs have one name.
        plan: its plan.
        version: the merjax that planned it.
        predictions: see `merjax.sweeps.folder.read_predictions`.
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
