"""One process's part of a sweep: it takes chunks that nobody has, trains them, and saves their predictions."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from merjax.engine import Engine, Progress
from merjax.experiment import Experiment, load_experiment
from merjax.local_regions import RunSpec, Trained, train
from merjax.plan import Chunk, Plan
from merjax.results import claimed, is_finished, read_plan, write_chunk


def work(folder: Path, say: Callable[[Chunk, Progress], None] = lambda chunk, progress: None) -> None:
    """Train every chunk of a sweep's folder that is neither finished nor taken by another process.

    Args:
        folder: the sweep's folder.
        say: hears of every call of every chunk.
    """
    plan = read_plan(folder)
    engines: dict[int, tuple[Experiment, Engine]] = {}
    for chunk in plan.chunks:
        if is_finished(folder, chunk):
            continue
        with claimed(folder, chunk) as mine:
            if not mine:
                continue
            if chunk.group not in engines:
                engines = {chunk.group: _open_group(plan, chunk.group)}
            experiment, engine = engines[chunk.group]
            predictions, curves = train_chunk(plan, chunk, experiment, engine, functools.partial(say, chunk))
            write_chunk(folder, chunk, predictions, curves)


def train_chunk(
    plan: Plan, chunk: Chunk, experiment: Experiment, engine: Engine, on_call: Callable[[Progress], None]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train a chunk's runs; returns their predictions for the clips that each held out, and their training curves."""
    specs = [RunSpec(plan.trials[trial].config, chunk.seed, fold) for trial, fold in chunk.runs]
    width = -(-max(chunk.width, len(specs)) // len(engine.devices)) * len(engine.devices)
    padding = [specs[0]] * (width - len(specs))  # programs have one width; what the padding computes is thrown away
    trained = train(experiment, specs + padding, engine, on_call)
    names = [(plan.trials[trial].name, experiment.folds[fold].name) for trial, fold in chunk.runs]
    predictions = [
        _held_out(experiment, fold, probability_NxK).assign(trial=name, seed=chunk.seed)
        for (_, fold), (name, _), probability_NxK in zip(chunk.runs, names, trained.probability_PxNxK, strict=False)
    ]
    return pd.concat(predictions, ignore_index=True), _curves(names, chunk.seed, trained)


def _open_group(plan: Plan, group: int) -> tuple[Experiment, Engine]:
    config = plan.trials[plan.group_of_trial.index(group)].config
    mapping = None if config.engine.mapping == "auto" else config.engine.mapping
    return load_experiment(config.data), Engine(mapping, config.engine.steps_per_call)


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
