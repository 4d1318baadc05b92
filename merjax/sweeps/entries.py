"""What is scored in a sweep: its plan and predictions as entries."""

import pandas as pd

from merjax.methods.registry import method_of
from merjax.scoring.entry import CONTROLS, PERMUTED, SELECTIONS, Entry, GroupData
from merjax.sweeps.plan import Plan
from merjax.sweeps.sweep_file import Trial


def entries_of(plan: Plan, predictions: pd.DataFrame, run: str = "") -> list[Entry]:
    """The entries of a sweep, in the order of its trials; trials without any prediction have no entry.

    Args:
        plan: the sweep's plan.
        predictions: see `merjax.sweeps.folder.read_predictions`; without a column `selection`, all are "fixed".
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
                entries.append(_entry(trial, selection, plan.groups[group], trial.seeds or plan.seeds, own, run))
    return entries


def _entry(
    trial: Trial, selection: str, data: GroupData, planned: tuple[int, ...], own: pd.DataFrame, run: str
) -> Entry:
    control = "" if trial.config.control == "none" else trial.config.control
    folds_of_seed = own.groupby("seed")["fold"].nunique()
    most = int(folds_of_seed.max())
    furthest = [int(seed) for seed in folds_of_seed.index[folds_of_seed == most]]
    seeds = tuple(furthest if most == len(data.folds) else furthest[:1])
    scored = own[own["seed"].isin(seeds)].reset_index(drop=True)
    kept = "model kept" if selection == "inner" and trial.config.selection.after == "keep" else ""
    shuffled = PERMUTED if control and data.task.spots else CONTROLS[trial.config.control]
    words = [SELECTIONS[selection], kept, shuffled]
    if most < len(data.folds):
        words.append(f"partial: {most} of {len(data.folds)} folds")
    elif len(seeds) < len(planned):
        words.append(f"{len(seeds)} of {len(planned)} seeds")
    label = ", ".join([trial.name, *filter(None, words)])
    config = trial.config
    method = method_of(config.method)
    *_, steps = method.steps(config, data.frames, data.clips).values()
    return Entry(
        label=label,
        trial=trial.name,
        config=config,
        overrides=trial.overrides,
        selection=selection,
        control=control,
        data=data,
        seeds=seeds,
        planned_seeds=planned,
        folds=most,
        epochs=method.epochs(config),
        steps=steps,
        predictions=scored,
        run=run,
        published=trial.published,
        note=trial.note,
    )
