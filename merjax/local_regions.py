"""The paper's method: spatial stage, features, temporal stage (Fig. 6)."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import jax
import numpy as np

from merjax.config import Config, SpatialConfig, TemporalConfig, identity
from merjax.engine import Budget, Engine, Keeper, Progress, Run, Samples, Stage
from merjax.experiment import Experiment, class_weights, fitted_moments, region_mask
from merjax.selection import looks_of, with_looks
from merjax.stages.spatial import frame_samples, spatial_stage
from merjax.stages.temporal import clip_samples, temporal_stage


class RunSpec(NamedTuple):
    """One training of the whole method: a trial's config, a seed, a fold's number."""

    config: Config
    seed: int
    fold: int


class Trained(NamedTuple):
    """What a chunk of runs gave.

    Attributes:
        looks_PxLxNxK: class probabilities of every clip, held out or not, by every run, at L moments of the last stage;
            the last moment is its end, and the only one where the config's selection asks for no other.
        look_L: the optimiser steps that the last stage had taken at these moments.
        curves: by stage and metric, `[P, steps]`.
    """

    looks_PxLxNxK: np.ndarray
    look_L: np.ndarray
    curves: dict[str, dict[str, np.ndarray]]

    @property
    def probability_PxNxK(self) -> np.ndarray:
        """Class probabilities of every clip after the whole budget."""
        return self.looks_PxLxNxK[:, -1]


def train(
    experiment: Experiment,
    specs: Sequence[RunSpec],
    engine: Engine,
    on_call: Callable[[Progress], None] = lambda progress: None,
    keeper: Keeper | None = None,
) -> Trained:
    """Train runs of one group and one seed together.

    Args:
        experiment: the data.
        specs: the runs; a multiple of the engine's device count, with one `group_key` and one seed.
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
        _budget(config.spatial, len(experiment.row_S)),
        seed=seed,
        on_call=on_call,
        keeper=keeper,
    )
    features_PxSxRxD = engine.apply(spatial, state.params, runs, frames, batch=config.spatial.batch)

    temporal, runs, clips = temporal_runs(experiment, specs, features_PxSxRxD)
    budget = with_looks(_budget(config.temporal, len(experiment.index)), config.selection)
    state, temporal_curves = engine.fit(temporal, runs, clips, budget, seed=seed, on_call=on_call, keeper=keeper)
    logits_PxNxK = engine.apply(temporal, state.params, runs, clips, batch=config.temporal.batch)
    looks_PxLxNxK, look_L = looks_of(temporal_curves.pop("probe", None), logits_PxNxK, budget)
    return Trained(looks_PxLxNxK, look_L, {"spatial": spatial_curves, "temporal": temporal_curves})


def spatial_runs(experiment: Experiment, specs: Sequence[RunSpec]) -> tuple[Run, Samples]:
    """The runs of the spatial stage, stacked, and the frames that they train on."""
    frames = frame_samples(experiment.frames, experiment.row_S, experiment.clip_S, experiment.subtracted_row_S)
    return _stack([_run(experiment, spec, _spatial_hyper(experiment, spec)) for spec in specs]), frames


def temporal_runs(
    experiment: Experiment, specs: Sequence[RunSpec], features_PxSxRxD: np.ndarray
) -> tuple[Stage, Run, Samples]:
    """The temporal stage, its runs, stacked, each on its own features, and the clips that they train on."""
    stage = temporal_stage(
        len(experiment.streams), len(experiment.classes), specs[0].config.temporal.units, int(experiment.length_N.max())
    )
    runs = [
        _run(experiment, spec, _temporal_hyper(experiment, spec) | {"features_SxRxD": features_SxRxD})
        for spec, features_SxRxD in zip(specs, features_PxSxRxD, strict=True)
    ]
    return stage, _stack(runs), clip_samples(experiment.length_N)


def run_key(spec: RunSpec, fold_name: str) -> np.ndarray:
    """Key data of a run's randomness: a hash of its seed, its trial and its fold, and of nothing else."""
    text = json.dumps([spec.seed, identity(spec.config), fold_name])
    return np.frombuffer(hashlib.blake2b(text.encode(), digest_size=8).digest(), np.uint32)


def training_steps(stage: SpatialConfig | TemporalConfig, samples: int) -> int:
    """Optimiser steps of a stage: its epochs in batches of the common stream."""
    return max(1, round(stage.epochs * samples / stage.batch))


def _budget(stage: SpatialConfig | TemporalConfig, samples: int) -> Budget:
    return Budget(stage.batch, training_steps(stage, samples))


def _run(experiment: Experiment, spec: RunSpec, hyper: dict[str, Any]) -> Run:
    fold = experiment.folds[spec.fold]
    return Run(run_key(spec, fold.name), fold.train_N.astype(np.float32), hyper)


def training_labels(experiment: Experiment, spec: RunSpec) -> tuple[np.ndarray, np.ndarray]:
    """The clip and region labels that a run trains on, `[N]` and `[N, R]`; 0 for every clip that it does not train on.

    Under `control: shuffle` the training clips' labels are permuted, those of a clip and of its regions together.
    """
    fold = experiment.folds[spec.fold]
    train = np.flatnonzero(fold.train_N)
    source = train
    if spec.config.control == "shuffle":
        source = np.random.default_rng(run_key(spec, fold.name)).permutation(train)
    target_N, target_NxR = (np.zeros(t.shape, np.int32) for t in (experiment.target_N, experiment.target_NxR))
    target_N[train], target_NxR[train] = experiment.target_N[source], experiment.target_NxR[source]
    return target_N, target_NxR


def _spatial_hyper(experiment: Experiment, spec: RunSpec) -> dict[str, Any]:
    fold = experiment.folds[spec.fold]
    _, target_NxR = training_labels(experiment, spec)
    mean_RxC, scale_RxC = fitted_moments(experiment, fold, spec.config)
    widest = max(experiment.classes_R)
    alpha_RxK = [
        np.pad(class_weights(spec.config.loss.alpha, np.bincount(target_n[fold.train_N], minlength=k)), (0, widest - k))
        for target_n, k in zip(target_NxR.T, experiment.classes_R, strict=True)
    ]
    return _numbers(spec.config.spatial) | {
        "gamma": np.float32(spec.config.loss.gamma),
        "smoothing": np.float32(spec.config.loss.label_smoothing),
        "alpha_RxK": np.stack(alpha_RxK),
        "mean_RxC": mean_RxC,
        "scale_RxC": scale_RxC,
        "mask_R": region_mask(spec.config.regions, experiment.streams),
        "target_NxR": target_NxR,
    }


def _temporal_hyper(experiment: Experiment, spec: RunSpec) -> dict[str, Any]:
    fold, config = experiment.folds[spec.fold], spec.config
    target_N, _ = training_labels(experiment, spec)
    count_K = np.bincount(target_N[fold.train_N], minlength=len(experiment.classes))
    longest = experiment.length_N[fold.train_N].max()
    return _numbers(config.temporal) | {
        "gamma": np.float32(config.loss.gamma),
        "smoothing": np.float32(config.loss.label_smoothing),
        "alpha_K": class_weights(config.loss.alpha, count_K),
        "mask_R": region_mask(config.regions, experiment.streams),
        "target_N": target_N,
        "read_after": np.int32(0 if config.temporal.mask else longest),
    }


def _numbers(stage: SpatialConfig | TemporalConfig) -> dict[str, np.float32]:
    """The traced numbers of a stage's config."""
    traced = {name for name, f in stage.__dataclass_fields__.items() if f.metadata.get("traced")}
    return {name: np.float32(value) for name, value in asdict(stage).items() if name in traced}


def _stack(runs: Sequence[Run]) -> Run:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *runs)
