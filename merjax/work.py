"""One process's part of a sweep: it takes chunks that nobody has, trains them, and saves their predictions."""

import functools
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from merjax.checkpoints import Checkpoints
from merjax.config import Config
from merjax.engine import Engine, Keeper, Progress
from merjax.experiment import Experiment
from merjax.interruption import Interrupted
from merjax.local_regions import RunSpec, Trained, train
from merjax.logs import Log, log_chunk
from merjax.plan import Chunk, Plan, open_experiment
from merjax.results import claimed, is_finished, read_plan, write_chunk
from merjax.shards import WHOLE, Shard


def work(
    folder: Path,
    say: Callable[[Chunk, Progress], None] = lambda chunk, progress: None,
    stopping: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = lambda sentence: None,
    shard: Shard = WHOLE,
    log: Log | None = None,
) -> None:
    """Train the chunks of a sweep's folder until all are finished, here or by the other processes that share it.

    Args:
        folder: the sweep's folder.
        say: hears of every call of every chunk.
        stopping: asked after every call whether to end.
        warn: hears of checkpoints that cannot be used.
        shard: the share of the chunks to care for.
        log: where the curves of finished runs go besides.

    Raises:
        Interrupted: `stopping` said so; the chunk under way is saved.
    """
    plan = read_plan(folder)
    engines: dict[int, tuple[Experiment, Engine]] = {}
    while waiting := [chunk for chunk in shard.of(plan) if not is_finished(folder, chunk)]:
        taken = 0
        for chunk in waiting:
            if stopping():
                raise Interrupted
            with claimed(folder, chunk) as mine:
                if not mine:
                    continue
                taken += 1
                if chunk.group not in engines:
                    experiment, config = open_group(plan, chunk.group)
                    engines = {chunk.group: (experiment, _engine(config))}
                _carry_out(folder, plan, chunk, *engines[chunk.group], functools.partial(say, chunk), stopping, warn)
                if log:
                    log_chunk(folder, chunk, log)
        if not taken:
            time.sleep(1)  # others are at work on the rest; should they be killed, it is taken over here


def _carry_out(
    folder: Path,
    plan: Plan,
    chunk: Chunk,
    experiment: Experiment,
    engine: Engine,
    on_call: Callable[[Progress], None],
    stopping: Callable[[], bool],
    warn: Callable[[str], None],
) -> None:
    minutes = plan.trials[chunk.runs[0][0]].config.engine.checkpoint_minutes
    place = folder / "checkpoints" / f"chunk-{chunk.number:04d}"
    kept = Checkpoints(place, _signature(plan, chunk, engine), 60 * minutes, stopping, warn)
    try:
        predictions, curves = train_chunk(plan, chunk, experiment, engine, on_call, kept)
        write_chunk(folder, chunk, predictions, curves)
        kept.discard()
    finally:
        kept.close()


def train_chunk(
    plan: Plan,
    chunk: Chunk,
    experiment: Experiment,
    engine: Engine,
    on_call: Callable[[Progress], None],
    keeper: Keeper | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train a chunk's runs; returns their predictions for the clips that each held out, and their training curves."""
    specs = [RunSpec(plan.trials[trial].config, chunk.seed, fold) for trial, fold in chunk.runs]
    width = -(-max(chunk.width, len(specs)) // len(engine.devices)) * len(engine.devices)
    padding = [specs[0]] * (width - len(specs))  # programs have one width; what the padding computes is thrown away
    trained = train(experiment, specs + padding, engine, on_call, keeper)
    names = [(plan.trials[trial].name, experiment.folds[fold].name) for trial, fold in chunk.runs]
    predictions = [
        _held_out(experiment, fold, probability_NxK).assign(trial=name, seed=chunk.seed)
        for (_, fold), (name, _), probability_NxK in zip(chunk.runs, names, trained.probability_PxNxK, strict=False)
    ]
    return pd.concat(predictions, ignore_index=True), _curves(names, chunk.seed, trained)


def open_group(plan: Plan, group: int) -> tuple[Experiment, Config]:
    """What a group trains on, and the config of its first trial, which speaks for all but for traced settings."""
    config = plan.trials[plan.group_of_trial.index(group)].config
    return open_experiment(config, plan.inner), config


def _engine(config: Config) -> Engine:
    return Engine(None if config.engine.mapping == "auto" else config.engine.mapping, config.engine.steps_per_call)


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
