"""What is scored: one entry per (trial, way of selecting the budget), with its predictions on complete seeds."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from merjax.config import Config

SELECTIONS = {"fixed": "", "inner": "inner subjects", "oracle": "oracle (leaks)"}


@dataclass(frozen=True)
class Entry:
    """One row of a score table.

    Attributes:
        label: how tables call it; tells trial, selection and control.
        trial: the trial's name.
        config: the trial's settings.
        overrides: what sets the trial apart from its sweep's base.
        selection: how the budget was chosen: "fixed", "inner" (subjects held out of training) or "oracle" (it leaks).
        control: "shuffle" if the trial was trained on shuffled labels, else "".
        data: what the trial's group trains on (see `merjax.sweeps.plan.describe`).
        seeds: the seeds that are scored: those whose folds are all finished; without any, the one that got furthest.
        planned_seeds: the seeds of the plan.
        folds: finished folds per scored seed; below `len(data["folds"])` the entry is partial.
        epochs: the whole budget of the stage whose end is chosen.
        steps: optimiser steps of that stage's whole budget.
        predictions: rows of the scored seeds, see `merjax.sweeps.folder.read_predictions`.
        run: name of the run it belongs to.
    """

    label: str
    trial: str
    config: Config
    overrides: dict[str, Any]
    selection: str
    control: str
    data: dict[str, Any]
    seeds: tuple[int, ...]
    planned_seeds: tuple[int, ...]
    folds: int
    epochs: float
    steps: int
    predictions: pd.DataFrame
    run: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.data["classes"])

    @property
    def is_partial(self) -> bool:
        """Whether folds of the scored seed are missing, so that its pooled scores are of fewer subjects."""
        return self.folds < len(self.data["folds"])

    @property
    def looks(self) -> int:
        """How many looks at each run its rule could choose among; 1 where there is nothing to choose."""
        if self.selection == "fixed":
            return 1
        every = -(-self.steps // self.config.selection.looks)
        return -(-self.steps // every)

    def called(self, label: str) -> "Entry":
        """The same under another label."""
        return replace(self, label=label)


LEAKS = "oracle (leaks): the budget was chosen on the held-out subjects; no estimate of accuracy on new people."
