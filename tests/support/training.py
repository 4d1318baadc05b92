"""Runs of a method trained, in one call."""

from collections.abc import Callable, Sequence

from merjax.engine import Engine, Jobs, train, walk
from merjax.methods.runs import RunId, Trained
from merjax.training.data import TrainingData


def trained_by(
    jobs: Callable[[TrainingData, Sequence[RunId]], Jobs[Trained]],
    data: TrainingData,
    specs: Sequence[RunId],
    engine: Engine,
) -> Trained:
    """What a method's runs of one seed give, trained by an engine."""
    return walk(jobs(data, specs), train(engine, specs[0].seed))
