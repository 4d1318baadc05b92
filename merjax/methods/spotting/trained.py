"""What the trained spotters have in common: what they read, the numbers of their stages, their windows and their budgets."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import optax

from merjax.config import Config, SpotterConfig
from merjax.engine import Budget, StageResult
from merjax.methods.numbers import InModel, Real
from merjax.methods.optimisers import adamw
from merjax.methods.runs import RunId
from merjax.methods.stage_identity import StageReads
from merjax.stores.motion_store import MotionStore
from merjax.system.errors import MerjaxError
from merjax.training.shuffled_motion import ShuffledMotion
from merjax.training.spotting_data import SpottingData

READS = StageReads(
    "spotter",
    version=2,
    settings=(
        *("method", "control", "spotter.window", "spotter.epochs", "spotter.batch", "spotter.optimiser"),
        *("spotter.learning_rate", "spotter.dropout", "spotter.kept", "spotter.varied"),
    ),
)


class SpotterNumbers(NamedTuple):
    """What the stage of a spotter takes as data: the numbers of its optimiser (all but the rate: Adam's), and the rate of its
    dropout."""

    learning_rate: InModel[Real]
    beta1: InModel[Real]
    beta2: InModel[Real]
    weight_decay: InModel[Real]
    dropout: InModel[Real]


def spotter_numbers(config: SpotterConfig) -> SpotterNumbers:
    """The numbers of a config; of Adam the usual ones, and no weight decays."""
    numbers = (config.learning_rate, 0.9, 0.999, 0.0, config.dropout)
    return SpotterNumbers(*map(np.float32, numbers))


def optimiser_of(name: str) -> Callable[[SpotterNumbers], Any]:
    """The optimiser that a config names; gradient descent has no momentum."""
    return {"adam": adamw, "sgd": lambda numbers: optax.sgd(numbers.learning_rate)}[name]


def budget_of(config: SpotterConfig, samples: int) -> Budget:
    """How long a stage trains that draws from so many samples."""
    return Budget(config.batch, max(1, round(config.epochs * samples / config.batch)))


def moments_of(result: StageResult, budget: Budget) -> tuple[np.ndarray, np.ndarray]:
    """A stage's outputs at all moments, `[P, L, S, ...]`, and the steps that had been taken; the last moment is the end."""
    every, last = budget.snapshot_every, budget.steps
    moments = [*range(every, last, every)] if every and result.snapshots is not None else []
    outputs = np.asarray(result.outputs)[:, None]
    if moments:
        assert result.snapshots is not None
        outputs = np.concatenate([result.snapshots[:, : len(moments)], outputs], 1)
    return outputs, np.array([*moments, last])


def motion_of(data: SpottingData, spec: RunId) -> MotionStore:
    """The store whose motion a run sees: under `control: shuffle`, permuted in time."""
    return ShuffledMotion.of(data.store, spec.seed) if spec.config.control == "shuffle" else data.store


def settings_of(config: Config, own: float, others: tuple[float, ...]) -> tuple[float, ...]:
    """How sure an interval must be: as the config says, or the method's own constant; then all others."""
    first = config.spotter.share or own
    return (first, *(share for share in others if share != first))


def half_lengths(data: SpottingData, config: Config, fold: int) -> dict[str, float]:
    """Half the mean length in seconds of each kind's expressions, of a fold's training subjects or, as in the paper, of all
    subjects; 0 for a kind of which there are none, which is then not sought."""
    known: Mapping[str, np.ndarray] = data.lengths_F[fold]
    if config.spotter.window == "all subjects":
        known = data.lengths
    return {kind: float(lengths.mean()) / 2 if len(lengths) else 0.0 for kind, lengths in known.items()}


def refuse(data: SpottingData, config: Config) -> None:
    """Refuse what no spotter can do.

    Raises:
        MerjaxError: labels of clips are to be shuffled, or models to be kept.
    """
    if config.control == "shuffle everything":
        raise MerjaxError(
            f"control: shuffle everything shuffles the labels of clips, but {config.method} has none; write control: shuffle, "
            "which permutes each video's motion in time"
        )
    if config.engine.save_models:
        raise MerjaxError(f"engine.save_models keeps what recognises clips, and {config.method} spots; leave it out")
