"""One chunk: its runs trained together, their predictions and curves."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from merjax.config import Config
from merjax.engine import Checkpointer, Engine, Progress
from merjax.methods.registry import METHODS
from merjax.methods.runs import RunId, Trained, training_labels
from merjax.models.engines import RememberingEngine
from merjax.sweeps.plan import Chunk, Plan, open_experiment
from merjax.training.data import TrainingData
from merjax.training.selection import InnerCheckpointer, chosen_look, trains_inner, trains_outer


class Group(NamedTuple):
    """What the chunks of a group share.

    Attributes:
        config: of its first trial, which speaks for all but for traced settings.
        experiment: what is trained on and tested.
        inside: the same with inner subjects held out of training; None where no rule of selection asks them.
        engine: with the group's compiled programs.
    """

    config: Config
    experiment: TrainingData
    inside: TrainingData | None
    engine: Engine


def train_chunk(
    plan: Plan,
    chunk: Chunk,
    group: Group,
    on_call: Callable[[Progress], None],
    keeper: Checkpointer | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train a chunk's runs.

    Returns:
        Their predictions for the clips that each held out, by every rule of selection, and their training curves.
    """
    specs = [RunId(plan.trials[trial].config, chunk.seed, fold) for trial, fold in chunk.runs]
    devices = len(group.engine.devices)
    width = -(-max(chunk.width, len(specs)) // devices) * devices
    padded = specs + [specs[0]] * (width - len(specs))  # programs have one width; the padding's results are thrown away
    inner = outer = None
    train = METHODS[group.config.method].train
    if group.inside:
        inner = train(group.inside, padded, group.engine, _told_as_inner(on_call), keeper and InnerCheckpointer(keeper))
    if trains_outer(group.config.selection):
        outer = train(group.experiment, padded, group.engine, on_call, keeper)
    trained = outer or inner
    assert trained is not None
    names = [(plan.trials[trial].name, group.experiment.folds[fold].name) for trial, fold in chunk.runs]
    predictions = [
        table.assign(selection=rule, step=int(trained.look_L[look]), trial=name, seed=chunk.seed)
        for p, (spec, (name, _)) in enumerate(zip(specs, names, strict=True))
        for rule, look, table in _selected(group, spec, p, outer, inner)
    ]
    return pd.concat(predictions, ignore_index=True), _curves(names, chunk.seed, trained)


def _selected(
    group: Group, spec: RunId, p: int, outer: Trained | None, inner: Trained | None
) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """By rule of selection, the look that it chose of run p, and the predictions for the clips that the run held out."""
    selection, experiment, fold = group.config.selection, group.experiment, spec.fold
    for rule in selection.rules:
        # inner subjects are training subjects: where a control shuffles the labels of these, it shuffles theirs
        target_N = training_labels(experiment, spec)[0] if rule == "inner" else experiment.target_N
        look, probability_NxK = chosen_look(
            rule,
            selection.after,
            outer and outer.looks_PxLxNxK[p],
            inner and inner.looks_PxLxNxK[p],
            target_N,
            experiment.folds[fold].test_N,
            group.inside.folds[fold].test_N if group.inside else None,
        )
        yield rule, look, _held_out(experiment, fold, probability_NxK)


def open_group(plan: Plan, group: int) -> tuple[TrainingData, Config]:
    """What a group trains on, and the config of its first trial, which speaks for all but for traced settings."""
    config = plan.trials[plan.group_of_trial.index(group)].config
    return open_experiment(config, plan.inner), config


def _open(plan: Plan, number: int) -> Group:
    experiment, config = open_group(plan, number)
    selection = config.selection
    inside = experiment.held_out_inside(selection.inner) if trains_inner(selection) else None
    mapping = None if config.engine.mapping == "auto" else config.engine.mapping
    engine = RememberingEngine if config.engine.save_models else Engine
    return Group(config, experiment, inside, engine(mapping, config.engine.steps_per_call))


def _told_as_inner(on_call: Callable[[Progress], None]) -> Callable[[Progress], None]:
    return lambda progress: on_call(progress._replace(inner=True))


def _held_out(experiment: TrainingData, fold: int, probability_NxK: np.ndarray) -> pd.DataFrame:
    test_N = experiment.folds[fold].test_N
    probability_NxK = probability_NxK[test_N]
    sound_N = np.isfinite(probability_NxK).all(1)
    table = experiment.index.loc[test_N, ["database", "subject", "clip"]].reset_index(drop=True)
    table["fold"] = experiment.folds[fold].name
    table["label"] = experiment.target_N[test_N].astype(np.int64)
    table["prediction"] = np.where(sound_N, np.nan_to_num(probability_NxK).argmax(1), -1)
    for k, name in enumerate(experiment.classes):
        table[f"p_{name}"] = probability_NxK[:, k]
    return table


def _curves(names: list[tuple[str, str]], seed: int, trained: Trained) -> pd.DataFrame:
    """Training curves in long form: trial, fold, seed, stage, step and a column per metric."""
    pieces = []
    for stage, metrics in trained.curves.items():
        for p, (trial, fold) in enumerate(names):
            values = {name: series[p] for name, series in metrics.items()}
            steps = np.arange(len(next(iter(values.values()))))
            pieces.append(
                pd.DataFrame({"trial": trial, "fold": fold, "seed": seed, "stage": stage, "step": steps} | values)
            )
    return pd.concat(pieces, ignore_index=True)
