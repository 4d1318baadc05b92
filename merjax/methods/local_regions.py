"""The paper's method: spatial stage, features, temporal stage (Fig. 6)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from merjax.config import Config
from merjax.engine import Checkpointer, Engine, Progress, RunArrays, Samples, Stage
from merjax.methods.runs import (
    RunId,
    Trained,
    budget_of,
    make_run,
    stacked,
    traced_numbers,
    training_labels,
    training_steps,
)
from merjax.methods.spatial_stage import frame_samples, spatial_stage
from merjax.methods.temporal_stage import clip_samples, temporal_stage
from merjax.training.data import TrainingData
from merjax.training.fitted import class_weights, fitted_moments, region_mask
from merjax.training.selection import extra_looks, looks_of, with_looks


def train(
    experiment: TrainingData,
    specs: Sequence[RunId],
    engine: Engine,
    on_call: Callable[[Progress], None] = lambda progress: None,
    keeper: Checkpointer | None = None,
) -> Trained:
    """Train runs of one group and one seed together.

    Args:
        experiment: the data.
        specs: the runs; a multiple of the engine's device count, with one `program_group` and one seed.
        engine: the engine of this group.
        on_call: hears of every jitted call.
        keeper: keeps the stages' progress.
    """
    config, seed = specs[0].config, specs[0].seed
    spatial = spatial_stage(experiment.classes_R, experiment.channels, config.spatial.network)
    runs, frames = spatial_runs(experiment, specs)
    state, spatial_curves = engine.fit(
        spatial,
        runs,
        frames,
        budget_of(config.spatial, len(experiment.row_S)),
        seed=seed,
        on_call=on_call,
        keeper=keeper,
    )
    features_PxSxRxD = engine.apply(spatial, state.variables, runs, frames, batch=config.spatial.batch)

    temporal, runs, clips = temporal_runs(experiment, specs, features_PxSxRxD)
    budget = with_looks(budget_of(config.temporal, len(experiment.index)), config.selection)
    state, temporal_curves = engine.fit(temporal, runs, clips, budget, seed=seed, on_call=on_call, keeper=keeper)
    logits_PxNxK = engine.apply(temporal, state.variables, runs, clips, batch=config.temporal.batch)
    looks_PxLxNxK, look_L = looks_of(temporal_curves.pop("probe", None), logits_PxNxK, budget)
    return Trained(looks_PxLxNxK, look_L, {"spatial": spatial_curves, "temporal": temporal_curves})


def spatial_runs(experiment: TrainingData, specs: Sequence[RunId]) -> tuple[RunArrays, Samples]:
    """The runs of the spatial stage, stacked, and the frames that they train on."""
    return stacked([make_run(experiment, spec, _spatial_hyper(experiment, spec)) for spec in specs]), frames_of(
        experiment
    )


def frames_of(experiment: TrainingData) -> Samples:
    """The frames in use, one clip after another."""
    return frame_samples(experiment.frames, experiment.row_S, experiment.clip_S, experiment.subtracted_row_S)


def temporal_runs(
    experiment: TrainingData, specs: Sequence[RunId], features_PxSxRxD: np.ndarray
) -> tuple[Stage, RunArrays, Samples]:
    """The temporal stage, its runs, stacked, each on its own features, and the clips that they train on."""
    stage = temporal_stage(
        len(experiment.streams), len(experiment.classes), specs[0].config.temporal.units, int(experiment.length_N.max())
    )
    runs = [
        make_run(experiment, spec, _temporal_hyper(experiment, spec) | {"features_SxRxD": features_SxRxD})
        for spec, features_SxRxD in zip(specs, features_PxSxRxD, strict=True)
    ]
    return stage, stacked(runs), clip_samples(experiment.length_N)


def _spatial_hyper(experiment: TrainingData, spec: RunId) -> dict[str, Any]:
    fold = experiment.folds[spec.fold]
    _, target_NxR = training_labels(experiment, spec)
    mean_RxC, scale_RxC = fitted_moments(experiment, fold, spec.config)
    widest = max(experiment.classes_R)
    alpha_RxK = [
        np.pad(class_weights(spec.config.loss.alpha, np.bincount(target_n[fold.train_N], minlength=k)), (0, widest - k))
        for target_n, k in zip(target_NxR.T, experiment.classes_R, strict=True)
    ]
    return traced_numbers(spec.config.spatial) | {
        "gamma": np.float32(spec.config.loss.gamma),
        "smoothing": np.float32(spec.config.loss.label_smoothing),
        "alpha_RxK": np.stack(alpha_RxK),
        "mean_RxC": mean_RxC,
        "scale_RxC": scale_RxC,
        "mask_R": region_mask(spec.config.regions, experiment.streams),
        "target_NxR": target_NxR,
    }


def _temporal_hyper(experiment: TrainingData, spec: RunId) -> dict[str, Any]:
    fold, config = experiment.folds[spec.fold], spec.config
    target_N, _ = training_labels(experiment, spec)
    count_K = np.bincount(target_N[fold.train_N], minlength=len(experiment.classes))
    longest = experiment.length_N[fold.train_N].max()
    return traced_numbers(config.temporal) | {
        "gamma": np.float32(config.loss.gamma),
        "smoothing": np.float32(config.loss.label_smoothing),
        "alpha_K": class_weights(config.loss.alpha, count_K),
        "mask_R": region_mask(config.regions, experiment.streams),
        "target_N": target_N,
        "read_after": np.int32(0 if config.temporal.mask else longest),
    }


def refuse(experiment: TrainingData) -> None:
    """Refuse a store without frames.

    Raises:
        MerjaxError: saying how to make one that has some.
    """
    _ = experiment.channels


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """Optimiser steps of the two stages."""
    return {"spatial": training_steps(config.spatial, frames), "temporal": training_steps(config.temporal, clips)}


def stage_work(experiment: TrainingData, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run's stages, in units of 1e9."""
    pixels = sum(region.height * region.width for region in experiment.streams)
    frames, units = len(experiment.row_S), config.temporal.units
    passes = 3 * config.spatial.epochs + 1  # a training step costs about three forward passes; features take one more
    lstm = (20 + units) * 4 * units * len(experiment.streams) * int(experiment.length_N.max())
    passes_of_clips = 3 * config.temporal.epochs + extra_looks(config.selection)
    return {
        "spatial": passes * frames * pixels * 844 / 1e9,
        # an LSTM's small products run at a fraction of the convolutions' speed
        "temporal": 4 * passes_of_clips * len(experiment.index) * lstm / 1e9,
    }
