"""Methods of one stage: a peer's network on each clip's flow image."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from merjax.config import Config
from merjax.engine import Engine, Keeper, Progress, Run, Samples, Stage
from merjax.errors import MerjaxError
from merjax.experiment import Experiment, class_weights
from merjax.nn.ststnet import SIDE
from merjax.runs import (
    RunSpec,
    Trained,
    budget_of,
    make_run,
    stacked,
    steps_per_epoch,
    traced_numbers,
    training_labels,
    training_steps,
)
from merjax.selection import extra_looks, looks_of, with_looks
from merjax.stages.peers import NETWORKS, flow_samples, peer_stage


def train(
    experiment: Experiment,
    specs: Sequence[RunSpec],
    engine: Engine,
    on_call: Callable[[Progress], None] = lambda progress: None,
    keeper: Keeper | None = None,
) -> Trained:
    """Train runs of one group and one seed together.

    Where the config keeps the clips in order, batches are cut from all clips, and a run passes over those that it holds out.
    Code that cuts each fold's own training clips into batches of 256 has the same samples in the same order, with its
    first batch reaching further by as many clips as the fold holds out of it.

    Args:
        experiment: the data.
        specs: the runs; a multiple of the engine's device count, with one `group_key` and one seed.
        engine: the engine of this group.
        on_call: hears of every jitted call.
        keeper: keeps the stage's progress.
    """
    config, seed = specs[0].config, specs[0].seed
    stage, runs, clips = peer_runs(experiment, specs)
    budget = with_looks(budget_of(config.peer, len(experiment.index)), config.selection)
    state, curves = engine.fit(stage, runs, clips, budget, seed=seed, on_call=on_call, keeper=keeper)
    logits_PxNxK = engine.apply(stage, state.variables, runs, clips, batch=config.peer.batch)
    looks_PxLxNxK, look_L = looks_of(curves.pop("probe", None), logits_PxNxK, budget)
    return Trained(looks_PxLxNxK, look_L, {stage.name: curves})


def peer_runs(experiment: Experiment, specs: Sequence[RunSpec]) -> tuple[Stage, Run, Samples]:
    """A peer's stage, its runs, stacked, and the clips that they train on."""
    config = specs[0].config
    stage = peer_stage(config.method, len(experiment.classes), config.peer.optimiser)
    runs = [make_run(experiment, spec, _hyper(experiment, spec)) for spec in specs]
    return stage, stacked(runs), flow_samples(experiment.flow_NxHxWx3)


def refuse(experiment: Experiment) -> None:
    """Refuse a store that holds no flow images, or none of the peers' size.

    Raises:
        MerjaxError: saying how to make one that does.
    """
    height, width = experiment.flow_NxHxWx3.shape[1:3]
    if (height, width) != (SIDE, SIDE):
        raise MerjaxError(
            f"{experiment.store.path} holds flow images of {width}x{height} pixels; the networks of the peers take "
            f"{SIDE}x{SIDE}: prepare them again in that size"
        )


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """Optimiser steps of the one stage."""
    return {config.method: training_steps(config.peer, clips)}


def stage_work(experiment: Experiment, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run, in units of 1e9."""
    passes = 3 * config.peer.epochs + extra_looks(config.selection)
    return {config.method: passes * len(experiment.index) * NETWORKS[config.method].work / 1e6}


def _hyper(experiment: Experiment, spec: RunSpec) -> dict[str, Any]:
    fold, config = experiment.folds[spec.fold], spec.config
    target_N, _ = training_labels(experiment, spec)
    count_K = np.bincount(target_N[fold.train_N], minlength=len(experiment.classes))
    numbers = traced_numbers(config.peer)
    del numbers["halve_every"]  # stages count in steps
    halve_steps = config.peer.halve_every * steps_per_epoch(config.peer, len(experiment.index))
    return numbers | {
        "halve_steps": np.int32(round(halve_steps)),
        "gamma": np.float32(config.loss.gamma),
        "smoothing": np.float32(config.loss.label_smoothing),
        "alpha_K": class_weights(config.loss.alpha, count_K),
        "target_N": target_N,
    }
