"""Runs of a method trained, in one call; and an engine that tells what it compiles."""

from collections.abc import Callable, Sequence

from merjax.engine import Engine, Jobs, train, walk
from merjax.methods.runs import RunId, Trained
from merjax.training.data import TrainingData


class CountingEngine(Engine):
    """Attributes: compiled, a pair (stage, program) for every program that was compiled."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.compiled: list[tuple[str, str]] = []

    def program(self, stage, name, *rest):
        before = len(self.programs)
        program = super().program(stage, name, *rest)
        self.compiled += [(stage.name, name)] * (len(self.programs) - before)
        return program


def trained_by(
    jobs: Callable[[TrainingData, Sequence[RunId]], Jobs[Trained]],
    data: TrainingData,
    specs: Sequence[RunId],
    engine: Engine,
) -> Trained:
    """What a method's runs of one seed give, trained by an engine."""
    return walk(jobs(data, specs), train(engine, specs[0].seed))
