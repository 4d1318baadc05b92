"""One process's part of a sweep: it takes chunks that nobody has, trains them, and saves their predictions."""

import functools
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd

from merjax.checkpoints import Checkpoints
from merjax.conditions import note_sitting
from merjax.config import Config
from merjax.engine import Engine, Keeper, Progress
from merjax.errors import MerjaxError, full_disk_told
from merjax.experiment import Experiment
from merjax.inner import hold_out_inside
from merjax.interruption import Interrupted
from merjax.logs import Log, log_chunk, logged
from merjax.memory import SMALLER
from merjax.methods import METHODS
from merjax.models import RememberingEngine, save_models
from merjax.plan import Chunk, Plan, open_experiment
from merjax.results import checkpoint_folder, claimed, is_finished, read_plan, write_chunk
from merjax.runs import RunSpec, Trained, training_labels
from merjax.selection import INNER, InnerKeeper, chosen_look, trains_inner, trains_outer
from merjax.shards import WHOLE, Shard


class Group(NamedTuple):
    """What the chunks of a group share.

    Attributes:
        config: of its first trial, which speaks for all but for traced settings.
        experiment: what is trained on and tested.
        inside: the same with inner subjects held out of training; None where no rule of selection asks them.
        engine: with the group's compiled programs.
    """

    config: Config
    experiment: Experiment
    inside: Experiment | None
    engine: Engine


def work(
    folder: Path,
    say: Callable[[Chunk, Progress], None] = lambda chunk, progress: None,
    stopping: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = lambda sentence: None,
    shard: Shard = WHOLE,
    log: Log | None = None,
    wait: Callable[[int], None] = lambda chunks: None,
) -> None:
    """Train the chunks of a sweep's folder until all are finished, here or by the other processes that share it.

    Args:
        folder: the sweep's folder.
        say: hears of every call of every chunk.
        stopping: asked after every call whether to end.
        warn: hears of checkpoints that cannot be used.
        shard: the share of the chunks to care for.
        log: where the curves of finished runs go besides.
        wait: hears, whenever there is nothing to do but to wait for other processes, how many chunks these have.

    Raises:
        Interrupted: `stopping` said so; the chunk under way is saved.
        MerjaxError: no space is left on the disk, or in the device's memory.
    """
    plan = read_plan(folder)
    groups: dict[int, Group] = {}
    while waiting := [chunk for chunk in shard.of(plan) if not is_finished(folder, chunk)]:
        taken = 0
        for chunk in waiting:
            if stopping():
                raise Interrupted
            with claimed(folder, chunk) as mine:
                if not mine:
                    continue
                taken += 1
                if chunk.group not in groups:
                    groups = {chunk.group: _open(plan, chunk.group)}
                hear = logged(folder, plan, chunk, log, functools.partial(say, chunk))
                with full_disk_told(folder), _full_device_told():
                    _carry_out(folder, plan, chunk, groups[chunk.group], hear, stopping, warn)
                    if log:
                        log_chunk(folder, chunk, log)
        if not taken:
            wait(len(waiting))
            time.sleep(1)  # others are at work on the rest; should they be killed, it is taken over here


def _carry_out(
    folder: Path,
    plan: Plan,
    chunk: Chunk,
    group: Group,
    on_call: Callable[[Progress], None],
    stopping: Callable[[], bool],
    warn: Callable[[str], None],
) -> None:
    minutes = plan.trials[chunk.runs[0][0]].config.engine.checkpoint_minutes
    place = checkpoint_folder(folder, chunk)
    kept = Checkpoints(place, _signature(plan, chunk, group.engine), 60 * minutes, stopping, warn)
    try:
        began = time.monotonic()
        try:
            predictions, curves = train_chunk(plan, chunk, group, on_call, kept)
        finally:
            note_sitting(folder, chunk, time.monotonic() - began)
        if isinstance(group.engine, RememberingEngine):
            save_models(folder, plan, chunk, group.experiment, group.engine.learned)
        write_chunk(folder, chunk, predictions, curves)
        kept.discard()
    finally:
        kept.close()


@contextmanager
def _full_device_told() -> Iterator[None]:
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise MerjaxError(f"the device's memory does not hold a chunk's runs; {SMALLER}") from error
        raise


def train_chunk(
    plan: Plan,
    chunk: Chunk,
    group: Group,
    on_call: Callable[[Progress], None],
    keeper: Keeper | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train a chunk's runs.

    Returns:
        Their predictions for the clips that each held out, by every rule of selection, and their training curves.
    """
    specs = [RunSpec(plan.trials[trial].config, chunk.seed, fold) for trial, fold in chunk.runs]
    devices = len(group.engine.devices)
    width = -(-max(chunk.width, len(specs)) // devices) * devices
    padded = specs + [specs[0]] * (width - len(specs))  # programs have one width; the padding's results are thrown away
    inner = outer = None
    train = METHODS[group.config.method].train
    if group.inside:
        inner = train(group.inside, padded, group.engine, _told_as_inner(on_call), keeper and InnerKeeper(keeper))
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
    group: Group, spec: RunSpec, p: int, outer: Trained | None, inner: Trained | None
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


def open_group(plan: Plan, group: int) -> tuple[Experiment, Config]:
    """What a group trains on, and the config of its first trial, which speaks for all but for traced settings."""
    config = plan.trials[plan.group_of_trial.index(group)].config
    return open_experiment(config, plan.inner), config


def _open(plan: Plan, number: int) -> Group:
    experiment, config = open_group(plan, number)
    selection = config.selection
    inside = hold_out_inside(experiment, selection.inner) if trains_inner(selection) else None
    mapping = None if config.engine.mapping == "auto" else config.engine.mapping
    engine = RememberingEngine if config.engine.save_models else Engine
    return Group(config, experiment, inside, engine(mapping, config.engine.steps_per_call))


def _told_as_inner(on_call: Callable[[Progress], None]) -> Callable[[Progress], None]:
    return lambda progress: on_call(progress._replace(stage=INNER + progress.stage))


def _signature(plan: Plan, chunk: Chunk, engine: Engine) -> str:
    """What a checkpoint depends on, beside the plan's trials, which the folder vouches for."""
    data = plan.data[chunk.group]
    parts = (plan.version, data["store_hash"], data["split_hash"], chunk.seed, chunk.runs, chunk.width)
    return hashlib.blake2b(
        repr((*parts, engine.steps_per_call, len(engine.devices))).encode(), digest_size=8
    ).hexdigest()


def _held_out(experiment: Experiment, fold: int, probability_NxK: np.ndarray) -> pd.DataFrame:
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
