"""One chunk: its runs trained together, their predictions and curves."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from merjax.config import Config
from merjax.engine import Checkpointer, Engine, Progress, train, walk
from merjax.methods.registry import method_of
from merjax.methods.runs import RunId, Trained, training_labels
from merjax.models.learned import Learned, remember
from merjax.sweeps.plan import Chunk, Plan, open_data
from merjax.training.data import TrainingData
from merjax.training.selection import InnerCheckpointer, chosen_snapshot, trains_inner, trains_outer


class Group(NamedTuple):
    """What the chunks of a group share.

    Attributes:
        config: of its first trial; all its trials share it except for traced settings.
        data: what is trained on and tested.
        inside: the same data with inner subjects held out of training; None if no rule of selection needs it.
        engine: with the group's compiled programs.
    """

    config: Config
    data: TrainingData
    inside: TrainingData | None
    engine: Engine


class TrainedChunk(NamedTuple):
    """The results of a chunk's runs.

    Attributes:
        predictions: of the clips that each run held out, by every rule of selection.
        curves: of their training.
        learned: by stage, what the runs learnt, if the config asks for models; else empty.
    """

    predictions: pd.DataFrame
    curves: pd.DataFrame
    learned: dict[str, Learned]


def train_chunk(
    plan: Plan,
    chunk: Chunk,
    group: Group,
    on_call: Callable[[Progress], None],
    checkpointer: Checkpointer | None = None,
) -> TrainedChunk:
    """Train a chunk's runs."""
    specs = [RunId(plan.trials[trial].config, chunk.seed, fold) for trial, fold in chunk.runs]
    devices = len(group.engine.devices)
    width = -(-max(chunk.width, len(specs)) // devices) * devices
    padded = specs + [specs[0]] * (width - len(specs))  # programs have one width; the padding's results are dropped
    jobs = method_of(group.config.method).jobs
    inner = outer = None
    learned: dict[str, Learned] = {}
    if group.inside:
        visit = train(
            group.engine, chunk.seed, _told_as_inner(on_call), checkpointer and InnerCheckpointer(checkpointer)
        )
        inner = walk(jobs(group.inside, padded), visit)
    if trains_outer(group.config.selection):
        visit = train(group.engine, chunk.seed, on_call, checkpointer)
        if group.config.engine.save_models:
            visit = remember(visit, learned)
        outer = walk(jobs(group.data, padded), visit)
    trained = outer or inner
    assert trained is not None
    names = [(plan.trials[trial].name, group.data.folds[fold].name) for trial, fold in chunk.runs]
    predictions = [
        table.assign(selection=rule, step=int(trained.step_L[snapshot]), trial=name, seed=chunk.seed)
        for p, (spec, (name, _)) in enumerate(zip(specs, names, strict=True))
        for rule, snapshot, table in _selected(group, spec, p, outer, inner)
    ]
    return TrainedChunk(pd.concat(predictions, ignore_index=True), _curves(names, chunk.seed, trained), learned)


def _selected(
    group: Group, spec: RunId, p: int, outer: Trained | None, inner: Trained | None
) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """By rule of selection, the snapshot that it chose of run p, and the predictions for the clips that the run held out."""
    selection, data, fold = group.config.selection, group.data, spec.fold
    for rule in selection.rules:
        # inner subjects are training subjects: if a control shuffles labels, it shuffles theirs too
        target_N = training_labels(data, spec)[0] if rule == "inner" else data.target_N
        snapshot, probability_NxK = chosen_snapshot(
            rule,
            selection.after,
            outer and outer.snapshots_PxLxNxK[p],
            inner and inner.snapshots_PxLxNxK[p],
            target_N,
            data.folds[fold].test_N,
            group.inside.folds[fold].test_N if group.inside else None,
        )
        yield rule, snapshot, _held_out(data, fold, probability_NxK)


def open_group(plan: Plan, number: int) -> Group:
    """A group of a plan, with its data opened and an engine on the local devices that has not compiled anything yet."""
    config = plan.trials[plan.group_of_trial.index(number)].config
    data, selection = open_data(config, plan.inner), config.selection
    inside = data.held_out_inside(selection.inner) if trains_inner(selection) else None
    mapping = None if config.engine.mapping == "auto" else config.engine.mapping
    return Group(config, data, inside, Engine(mapping, config.engine.steps_per_call))


def _told_as_inner(on_call: Callable[[Progress], None]) -> Callable[[Progress], None]:
    return lambda progress: on_call(progress._replace(inner=True))


def _held_out(data: TrainingData, fold: int, probability_NxK: np.ndarray) -> pd.DataFrame:
    test_N = data.folds[fold].test_N
    probability_NxK = probability_NxK[test_N]
    sound_N = np.isfinite(probability_NxK).all(1)
    table = data.index.loc[test_N, ["database", "subject", "clip"]].reset_index(drop=True)
    table["fold"] = data.folds[fold].name
    table["label"] = data.target_N[test_N].astype(np.int64)
    table["prediction"] = np.where(sound_N, np.nan_to_num(probability_NxK).argmax(1), -1)
    for k, name in enumerate(data.classes):
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
