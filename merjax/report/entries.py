"""What is scored: one entry per (trial, way of selecting the budget), with its predictions on complete seeds."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from merjax.methods import METHODS
from merjax.plan import Plan
from merjax.trials import Trial

SELECTIONS = {"fixed": "", "inner": "inner subjects", "oracle": "oracle (leaks)"}


@dataclass(frozen=True)
class Entry:
    """One row of a score table.

    Attributes:
        label: how tables call it; tells trial, selection and control.
        trial: the trial.
        selection: how the budget was chosen: "fixed", "inner" (subjects held out of training) or "oracle" (it leaks).
        control: "shuffle" if the trial was trained on shuffled labels, else "".
        data: what the trial's group trains on (see `merjax.plan.describe`).
        seeds: the seeds that are scored: those whose folds are all finished; without any, the one that got furthest.
        planned_seeds: the seeds of the plan.
        folds: finished folds per scored seed; below `len(data["folds"])` the entry is partial.
        predictions: rows of the scored seeds, see `merjax.results.read_predictions`.
        run: name of the run it belongs to.
    """

    label: str
    trial: Trial
    selection: str
    control: str
    data: dict[str, Any]
    seeds: tuple[int, ...]
    planned_seeds: tuple[int, ...]
    folds: int
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
    def epochs(self) -> float:
        """The whole budget of the stage whose end is chosen."""
        config = self.trial.config
        return config.temporal.epochs if config.method == "local_regions" else config.peer.epochs

    @property
    def looks(self) -> int:
        """How many looks at each run its rule could choose among; 1 where there is nothing to choose."""
        if self.selection == "fixed":
            return 1
        config = self.trial.config
        *_, steps = METHODS[config.method].steps(config, self.data["frames"], self.data["clips"]).values()
        return -(-steps // -(-steps // config.selection.looks))

    def called(self, label: str) -> "Entry":
        """The same under another label."""
        return replace(self, label=label)


def entries_of(plan: Plan, predictions: pd.DataFrame, run: str = "") -> list[Entry]:
    """The entries of a sweep, in the order of its trials; trials without any prediction have none.

    Args:
        plan: the sweep's plan.
        predictions: see `merjax.results.read_predictions`; without a column `selection`, all are "fixed".
        run: a name for the run.
    """
    if "selection" not in predictions:
        predictions = predictions.assign(selection="fixed")
    groups = dict(list(predictions.groupby(["trial", "selection"], sort=False)))
    entries = []
    names = [trial.name for trial in plan.trials]
    for first in map(names.index, dict.fromkeys(names)):  # folds with settings of their own share a name
        trial, group = plan.trials[first], plan.group_of_trial[first]
        for selection in SELECTIONS:
            own = groups.get((trial.name, selection))
            if own is not None:
                entries.append(_entry(trial, selection, plan.data[group], plan.seeds, own, run))
    return entries


def _entry(
    trial: Trial, selection: str, data: dict[str, Any], planned: tuple[int, ...], own: pd.DataFrame, run: str
) -> Entry:
    control = "" if trial.config.control == "none" else trial.config.control
    folds_of_seed = own.groupby("seed")["fold"].nunique()
    most = int(folds_of_seed.max())
    furthest = [int(seed) for seed in folds_of_seed.index[folds_of_seed == most]]
    seeds = tuple(furthest if most == len(data["folds"]) else furthest[:1])
    scored = own[own["seed"].isin(seeds)].reset_index(drop=True)
    kept = "model kept" if selection == "inner" and trial.config.selection.after == "keep" else ""
    words = [SELECTIONS[selection], kept, "shuffled labels" if control else ""]
    if most < len(data["folds"]):
        words.append(f"partial: {most} of {len(data['folds'])} folds")
    elif len(seeds) < len(planned):
        words.append(f"{len(seeds)} of {len(planned)} seeds")
    label = ", ".join([trial.name, *filter(None, words)])
    return Entry(label, trial, selection, control, data, seeds, planned, most, scored, run)
