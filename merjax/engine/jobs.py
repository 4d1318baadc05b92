"""A method's stages as data, and the one walk over them.

A method is a generator: it yields a `StageJob` for each stage, is sent the `StageResult` that a visit made of it, and returns
what all of its stages gave together. What a method computes without the devices is a `HostJob`. A visit decides what is done
at each job: train it (`train` below), measure what it would take (`merjax.engine.rehearsal`), record what it learnt or
recall what it learnt before (`merjax.models.learned`).

>>> trained = walk(local_regions.jobs(data, specs), train(engine, seed=0))
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from merjax.engine.batches import Samples
from merjax.engine.engine import SNAPSHOTS, Budget, Checkpointer, Engine, Progress
from merjax.engine.stage import RunArrays, Stage, Variables


class StageJob(NamedTuple):
    """One stage of a method, ready to be trained.

    Attributes:
        stage: what is optimised.
        runs: the runs, stacked on a leading axis P.
        samples: what they draw their batches from, and what the outputs are of.
        budget: how long they train; its batch is the one of the outputs, too.
        drawn: what they draw their batches from in place of all samples; None if from all.
    """

    stage: Stage
    runs: RunArrays
    samples: Samples
    budget: Budget
    drawn: Samples | None = None


class HostJob(NamedTuple):
    """One computation of a method that does not use the devices, so that it has no program to measure.

    Attributes:
        name: as of a stage.
        compute: on_call -> the result; `on_call` is called each time a part of the work is done.
    """

    name: str
    compute: Callable[[Callable[[Progress], None]], "StageResult"]


class StageResult(NamedTuple):
    """What a visit made of a job.

    Attributes:
        variables: what the runs learnt, leaves `[P, ...]`; empty for a `HostJob`.
        outputs: the stage's outputs for every sample with these variables, leaves `[P, S, ...]`.
        curves: by metric, of every step, `[P, steps]`; none where nothing was trained.
        snapshots: the outputs during training, `[P, snapshots, S, ...]`; None if the budget asks for none or nothing was
            trained.
    """

    variables: Variables
    outputs: Any
    curves: dict[str, np.ndarray]
    snapshots: np.ndarray | None


T = TypeVar("T")
Job = StageJob | HostJob
Jobs = Generator[Job, StageResult, T]
Visit = Callable[[Job], StageResult]


def walk(jobs: Jobs[T], visit: Visit) -> T:
    """Visit a method's stages one after another, and return what the method makes of the results."""
    try:
        job = next(jobs)
    except StopIteration as end:
        return end.value
    while True:
        result = visit(job)
        try:
            job = jobs.send(result)
        except StopIteration as end:
            return end.value


def train(
    engine: Engine,
    seed: int,
    on_call: Callable[[Progress], None] = lambda progress: None,
    checkpointer: Checkpointer | None = None,
) -> Visit:
    """The visit that trains.

    Args:
        engine: of the group that the runs belong to; their number is a multiple of its device count.
        seed: of the common stream's order.
        on_call: is called after every jitted call, and by every `HostJob`.
        checkpointer: keeps the stages' progress, and gives back what was kept.
    """

    def visit(job: Job) -> StageResult:
        if isinstance(job, HostJob):
            return job.compute(on_call)
        stage, runs, samples, budget, drawn = job
        state, history = engine.fit(
            stage, runs, drawn or samples, budget, seed=seed, on_call=on_call, checkpointer=checkpointer, tested=samples
        )
        outputs = engine.apply(stage, state.variables, runs, samples, batch=budget.batch)
        snapshots = history.pop(SNAPSHOTS, None)
        return StageResult(state.variables, outputs, history, snapshots)

    return visit
