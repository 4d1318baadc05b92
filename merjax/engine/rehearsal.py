"""What a method's stages would take of a device, for several numbers of runs: nothing is trained."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from merjax.engine.counting.kernels import Program, count
from merjax.engine.counting.products import Unit
from merjax.engine.counting.unfused import count_traced
from merjax.engine.engine import Engine
from merjax.engine.jobs import Job, StageJob, StageResult, Visit
from merjax.engine.mapping import over_runs
from merjax.engine.stage import Batch, Stage, advance, outputs, prepared, start

Arguments = tuple[Any, ...]  # of `advance` for all devices, by their shapes


class Taken(NamedTuple):
    """What the training of one stage takes of each device.

    Attributes:
        arguments, temporaries: bytes of its training program; what it gives is written over its arguments.
        bytes: all that the program takes, outputs included.
        program: what one of its steps does; None if that was not counted.
        steps: how many steps the training takes, with the passes over all samples that give outputs.
    """

    arguments: int
    temporaries: int
    bytes: int
    program: Program | None
    steps: float


Measure = Callable[[Engine, Stage, Arguments], Taken]


def rehearse(
    engine: Engine, measure: Measure, widths: Mapping[str, Sequence[int]], taken: dict[str, dict[int, Taken]]
) -> Visit:
    """The visit that measures a job's stage; the variables and outputs that it gives are zeros.

    Args:
        engine: the one that would train the runs. Its devices need not be here.
        measure: how.
        widths: by stage, numbers of runs on each device, whatever number of runs the job has; a stage that it lacks is not
            measured.
        taken: is filled in, by stage and number of runs on a device.
    """

    def visit(job: Job) -> StageResult:
        assert isinstance(job, StageJob), f"{job.name} takes no memory of a device"
        stage, runs, samples, budget, drawn = job
        begin = over_runs(functools.partial(start, stage), "vmap", 1)
        batches = (drawn or samples).batches(np.zeros((engine.steps_per_call, budget.batch), int))
        passes = (1 + budget.snapshots) * -(-len(samples.unit_S) // budget.batch)
        taken[stage.name] = {}
        for width in widths.get(stage.name, ()):
            placed = jax.tree.map(functools.partial(_placed, (len(engine.devices), width)), runs)
            state = jax.eval_shape(jax.vmap(begin), placed)
            found = measure(engine, stage, (state, placed, batches, np.int32(0), np.int32(1)))
            taken[stage.name][width] = found._replace(steps=budget.steps + passes / _PASSES_OF_A_STEP)
        own = jax.eval_shape(begin, runs).variables
        variables = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), own)
        return StageResult(variables, _blank_outputs(job, variables), {}, None)

    return visit


_PASSES_OF_A_STEP = 3  # a training step costs about as much as three passes that only give outputs


def weighed(engine: Engine, stage: Stage, arguments: Arguments) -> Taken:
    """The memory of the stage's training program, which is compiled."""
    return _of_compiled(engine.program(stage, "advance", advance, 2, *arguments))


def counted(engine: Engine, stage: Stage, arguments: Arguments) -> Taken:
    """The memory of the stage's training program, which is compiled, and what it does in a step."""
    compiled = engine.program(stage, "advance", advance, 2, *arguments)
    text = compiled.as_text()
    assert text is not None, "this backend does not show its programs"
    return _of_compiled(compiled)._replace(program=count(text))


def counted_roughly(engine: Engine, stage: Stage, arguments: Arguments) -> Taken:
    """Both by formulas, from the shapes in the program before it is compiled."""
    own = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), arguments[:2])
    with engine.tracing():
        traced = jax.make_jaxpr(engine.of_one_device(stage, advance, 2))(*own, *arguments[2:])
    rough = count_traced(traced, _UNIT[engine.precision])
    size = sum(x.size * np.dtype(x.dtype).itemsize for x in jax.tree.leaves((own, arguments[2:])))
    return Taken(size, rough.temporaries, size + rough.temporaries, rough.program, 0.0)


_UNIT: dict[str, Unit] = {"highest": "float32", "high": "rounded", "bfloat16": "bfloat16"}  # of products, by precision


def _of_compiled(compiled: jax.stages.Compiled) -> Taken:
    report = compiled.memory_analysis()
    assert report is not None, "this backend does not report what a program takes"
    used = report.argument_size_in_bytes + report.output_size_in_bytes + report.temp_size_in_bytes
    used -= report.alias_size_in_bytes  # the state is written over its predecessor
    return Taken(report.argument_size_in_bytes, report.temp_size_in_bytes, used, None, 0.0)


def _placed(leading: tuple[int, ...], x: Any) -> jax.ShapeDtypeStruct:
    """The shape of what all runs of all devices have in the place of x, which has a leading axis of runs."""
    return jax.ShapeDtypeStruct((*leading, *np.shape(x)[1:]), x.dtype)


def _blank_outputs(job: StageJob, variables: Any) -> Any:
    """Zeros of the shape of the stage's outputs."""
    stage, runs, samples, *_ = job
    one = jax.tree.map(lambda x: x[0], (variables, runs))
    batches: Batch = samples.batches(np.zeros((1, 1), int))
    shapes = jax.eval_shape(lambda own, run, new: outputs(stage, own, run, prepared(stage, new)), *one, batches)
    n = len(runs.key), len(samples.unit_S)
    return jax.tree.map(lambda x: np.zeros((*n, *x.shape[2:]), x.dtype), shapes)
