"""The content of a sweep's folder, finished or not, as tables."""

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from merjax.scoring.entry import Entry
from merjax.scoring.scores import control_table, score_table
from merjax.scoring.spotting.trials import score_spotters
from merjax.sweeps.entries import entries_of
from merjax.sweeps.folder import (
    chosen_folder,
    chunk_files,
    damaged_files,
    is_finished,
    read_curves,
    read_plan,
    read_predictions,
    read_tried,
    write_scores,
)
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.provenance import Conditions, read_conditions
from merjax.sweeps.saved_models import add_scores
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path

_SHOWN = 5  # the most damaged files that are named


class MissingRun(NamedTuple):
    """A training run that is not finished."""

    trial: str
    seed: int
    fold: str


@dataclass(frozen=True)
class SweepResult:
    """The content of a sweep's folder, finished or not. Tables are read when they are first used, and kept.

    >>> result = merjax.open_sweep("runs/mine")
    >>> result.scores
    >>> result.predictions.groupby("trial").size()
    >>> result.report()

    Attributes:
        folder: where it lies.
        plan: what was asked for, `plan.table` as a table; for a search, what each fold chose, as one trial "chosen".
        tried: for a search, what was proposed and how it scored on inner subjects, see `merjax.sweeps.running.search.table`.
        alias: its name in a report, if several sweeps have the same name.
    """

    folder: Path
    plan: Plan
    tried: pd.DataFrame | None = None
    alias: str = ""

    @property
    def name(self) -> str:
        """The sweep's name, or its alias."""
        return self.alias or self.plan.name

    @cached_property
    def finished(self) -> list[Chunk]:
        """Chunks that were finished when this was first read; all tables cover these."""
        return [chunk for chunk in self.plan.chunks if is_finished(self.folder, chunk)]

    @cached_property
    def missing_chunks(self) -> list[Chunk]:
        """Chunks that are not finished, in a shard, in a running sweep or in one that was stopped."""
        finished = {chunk.number for chunk in self.finished}
        return [chunk for chunk in self.plan.chunks if chunk.number not in finished]

    @cached_property
    def missing(self) -> tuple[MissingRun, ...]:
        """The training runs that are not finished: trial, seed and fold of each; empty if all are finished."""
        return tuple(
            MissingRun(self.plan.trials[trial].name, chunk.seed, self.plan.groups[chunk.group].folds[fold].name)
            for chunk in self.missing_chunks
            for trial, fold in chunk.runs
        )

    @property
    def missing_sentence(self) -> str:
        """A sentence about what is not finished; "" if all is finished."""
        if not self.missing:
            return ""
        trials = pd.Series([run.trial for run in self.missing]).value_counts(sort=False)
        each = ", ".join(f"{trial}: {n}" for trial, n in trials.items())
        damaged = "".join(f" {sentence}." for sentence in damaged_files(self.folder, self.missing_chunks)[:_SHOWN])
        return (
            f"{self.name} is unfinished: {len(self.missing)} of {self.plan.runs} training runs (trial x seed x fold) are "
            f"missing ({each}). What is finished is shown; run the same sweep again to finish it.{damaged}"
        )

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per trial, seed, fold and held-out clip; see `merjax.sweeps.folder.read_predictions`.

        Raises:
            MerjaxError: no chunk is finished yet.
        """
        if not self.finished:
            raise MerjaxError(
                f"{self.folder}: none of the {len(self.plan.chunks)} chunks of this run is finished, so there is nothing to "
                "report yet; run the sweep again to go on with it"
            )
        return read_predictions(self.folder, self.finished)

    @property
    def entries(self) -> list[Entry]:
        """What is scored: an entry per trial and way of selecting the budget."""
        return entries_of(self.plan, self.predictions, self.name)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row per trial, then majority and chance: UF1, UAR, accuracy; see `merjax.scoring.scores.score_table`.

        Of spotters, a row per trial and kind: see `merjax.scoring.spotting.trials.score_spotters`.

        Raises:
            MerjaxError: no chunk is finished yet.
        """
        entries = self.entries
        if self.spots:
            return score_spotters(entries)
        return pd.concat([score_table(entries), control_table(entries)], ignore_index=True)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Training curves: a row per trial, fold, seed, stage and step, a column per metric; empty if there are none."""
        return read_curves(self.folder, self.finished)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all files of predictions, one after another."""
        return hashlib.sha256(b"".join(file.read_bytes() for file in self._files)).hexdigest()

    @cached_property
    def conditions(self) -> Conditions | None:
        """Devices, versions and time of the training; None if they were not noted."""
        return read_conditions(self.folder, [*self.finished, *self.plan.stages])

    @property
    def began(self) -> datetime:
        """When the plan was written, by the time of its file, which may have been copied since."""
        return datetime.fromtimestamp((self.folder / "plan.json").stat().st_mtime)

    @property
    def ended(self) -> datetime:
        """When the last predictions were written, by the time of their file."""
        return datetime.fromtimestamp(max(file.stat().st_mtime for file in self._files))

    @property
    def spots(self) -> bool:
        """Whether its trials are spotters."""
        return self.plan.groups[0].spots

    @property
    def _files(self) -> list[Path]:
        return [chunk_files(self.folder, chunk)[1] for chunk in self.finished]

    def report(self, out: str | Path | None = None, *, base: str | Sequence[str] = (), crops: bool = True) -> Path:
        """Write tables, figures and a page of this sweep; see `merjax.make_report`, which takes several.

        Args:
            out: folder of the report; None means `report` in the sweep's folder.
            base: trials that the others are compared with; if there are none, the first trial is.
            crops: whether the page shows crops of faces.

        Returns:
            The page, `report.html`.

        Raises:
            MerjaxError: nothing is finished yet, or a base is not a trial.
        """
        # imported by name: reports stand above sweeps, so no module here may import them; this method serves notebooks
        page: Path = importlib.import_module("merjax.report.files").make_report(self, out, base=base, crops=crops)
        return page

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row per trial: its settings, scores with intervals, and cost; see `merjax.report.trials.trials_of`."""
        table: pd.DataFrame = importlib.import_module("merjax.report.plots").trials(self)
        return table

    @property
    def plot(self) -> Any:
        """Charts that notebooks show and that can be restyled; see `merjax.report.plots.Plots`.

        >>> result.plot.axis("loss.gamma")
        """
        return importlib.import_module("merjax.report.plots").Plots(self)

    def _repr_html_(self) -> str:
        """What is missing, and the scores, for a notebook."""
        missing = f"<p>{self.missing_sentence}</p>" if self.missing else ""
        return missing + (self.scores if self.finished else self.plan.table).to_html()


def open_sweep(folder: str | Path) -> SweepResult:
    """Open a sweep's folder, finished or not.

    >>> result = merjax.open_sweep("runs/mine")
    >>> result.missing
    ()

    Args:
        folder: a folder that `merjax sweep` or `merjax.run_sweep` wrote; for a search, its folder, or that of its choices.

    Returns:
        Its tables. They cover what was finished when they were first read; open the folder again to see more.

    Raises:
        MerjaxError: the folder holds no sweep, or a damaged one.
    """
    place = chosen_folder(user_path(folder))
    return SweepResult(place, read_plan(place), read_tried(place.parent / "search"))


def open_sweeps(
    sweeps: str | Path | SweepResult | Sequence[str | Path | SweepResult],
) -> list[SweepResult]:
    """Open one or several sweeps; sweeps with the same name are named by their folders.

    Raises:
        MerjaxError: see `open_sweep`; or a folder is given twice.
    """
    listed = [sweeps] if isinstance(sweeps, str | Path | SweepResult) else sweeps
    results = [sweep if isinstance(sweep, SweepResult) else open_sweep(sweep) for sweep in listed]
    if len({result.folder.resolve() for result in results}) < len(results):
        raise MerjaxError(f"a run is given twice: {', '.join(str(result.folder) for result in results)}")
    names = [result.name for result in results]
    return [
        result if names.count(result.name) == 1 else replace(result, alias=str(result.folder)) for result in results
    ]


def finish(folder: Path, tried: pd.DataFrame | None = None) -> SweepResult:
    """The result of a folder; its scores are saved beside the predictions once all chunks are there."""
    result = SweepResult(folder, read_plan(folder), tried)
    if not result.missing:
        write_scores(folder, result.scores)
        add_scores(folder, result.plan, result.predictions)
    return result
