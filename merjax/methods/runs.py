"""Runs as every method trains them: what distinguishes them, what they train on, what they give."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from merjax.config import Config, PeerConfig
from merjax.engine import Budget, Engine, RunArrays
from merjax.methods.numbers import StageConfig
from merjax.methods.stage_identity import StageReads, drawn, stage_key
from merjax.nn.layers.backend import traced_for
from merjax.training.data import TrainingData
from merjax.training.spotting_data import SpottingData

# What a method looks at: its streams' regions of the frames in use, as they are or as the motion up to each frame; or one
# picture of each clip, of its optical flow in most networks.
Pictures = Literal["frames", "motion", "clip flow"]


class RunId(NamedTuple):
    """One training of the whole method: a trial's config, a seed and the number of a fold."""

    config: Config
    seed: int
    fold: int


class Trained(NamedTuple):
    """What a chunk of runs gave.

    Attributes:
        snapshots_PxLxNxK: class probabilities of every clip, held out or not, by every run, at L moments of the last stage;
            where a clip may have several classes, each by itself.
            The last moment is its end; it is the only one unless the config's selection asks for more.
        step_L: the optimiser steps that the last stage had taken at these moments.
        curves: by stage and metric, `[P, steps]`.
    """

    snapshots_PxLxNxK: np.ndarray
    step_L: np.ndarray
    curves: dict[str, dict[str, np.ndarray]]

    @property
    def probability_PxNxK(self) -> np.ndarray:
        """Class probabilities of every clip after the whole budget."""
        return self.snapshots_PxLxNxK[:, -1]


def training_steps(stage: StageConfig, samples: int) -> int:
    """Optimiser steps of a stage: its epochs in batches of the common stream; in fixed order, every epoch ends with a short
    batch."""
    return max(1, round(stage.epochs * steps_per_epoch(stage, samples)))


def steps_per_epoch(stage: StageConfig, samples: int) -> float:
    """The number of steps in which every sample is used once."""
    return samples / stage.batch if shuffles(stage) else -(-samples // stage.batch)


def shuffles(stage: StageConfig) -> bool:
    """Whether every epoch has an order of its own; only flow networks may keep the store's order."""
    return stage.shuffle if isinstance(stage, PeerConfig) else True


def budget_of(stage: StageConfig, samples: int) -> Budget:
    """How long a stage trains."""
    return Budget(stage.batch, training_steps(stage, samples), shuffle=shuffles(stage))


def engine_of(config: Config, devices: Sequence[jax.Device] | None = None) -> Engine:
    """An engine as a config has it, which has not compiled anything yet; on all local devices, if none are given."""
    own = config.engine
    mapping = None if own.mapping == "auto" else own.mapping
    return Engine(mapping, own.steps_per_call, devices, own.precision, traced_for)


def make_run(data: TrainingData | SpottingData, spec: RunId, reads: StageReads, numbers: Any) -> RunArrays:
    """A run with its stage's numbers, as the engine takes it."""
    key = stage_key(reads, spec.config, spec.seed, data.training_subjects[spec.fold])
    return RunArrays(key, data.folds[spec.fold].train_N.astype(np.float32), numbers)


def training_labels(data: TrainingData, spec: RunId) -> tuple[np.ndarray, np.ndarray]:
    """The clip and region labels that a run trains on, `[N]` and `[N, R]`; 0 for every clip that it does not train on.

    Under `control: shuffle` the training clips' labels are permuted, those of a clip and of its regions together, and alike
    in all stages and trials. Under `control: shuffle everything` they are those of `label_source`.
    """
    fold = data.folds[spec.fold]
    train = np.flatnonzero(fold.train_N)
    source = label_source(data, spec)[train]
    if spec.config.control == "shuffle":
        key = drawn(spec.seed, "shuffled labels", data.training_subjects[spec.fold])
        source = np.random.default_rng(key).permutation(train)
    target_N, target_NxR = (np.zeros(t.shape, np.int32) for t in (data.target_N, data.target_NxR))
    target_N[train], target_NxR[train] = data.target_N[source], data.target_NxR[source]
    return target_N, target_NxR


def label_source(data: TrainingData, spec: RunId) -> np.ndarray:
    """The clip whose labels each clip has, `[N]`: its own.

    Under `control: shuffle everything`, one permutation per seed of the clips of each database, the same for all folds, stages
    and trials, and for what is held out: nothing can be learnt about a clip that was not trained on, so a score above chance
    shows that its features remember it.
    """
    source_N = np.arange(len(data.index))
    if spec.config.control == "shuffle everything":
        for database, own in data.index.groupby("database").indices.items():
            key = drawn(spec.seed, "all labels shuffled", str(database))
            source_N[own] = np.random.default_rng(key).permutation(own)
    return source_N


def stacked(runs: Sequence[RunArrays]) -> RunArrays:
    """Runs on a leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *runs)
