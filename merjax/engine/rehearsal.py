"""How much memory a method's stages would take: their training programs are compiled, and nothing is trained."""

import functools

import jax
import numpy as np

from merjax.engine.engine import Engine
from merjax.engine.jobs import Job, StageJob, StageResult, Visit
from merjax.engine.mapping import over_runs, split
from merjax.engine.stage import Batch, advance, outputs, prepared, start


def weigh(engine: Engine, bytes_of: dict[str, int]) -> Visit:
    """The visit that weighs; the variables and outputs that it gives are zeros.

    Args:
        engine: the one that would train the runs.
        bytes_of: is filled in, by stage, with what the compiled training program takes on each device: arguments, outputs
            and temporaries.
    """

    def visit(job: Job) -> StageResult:
        assert isinstance(job, StageJob), f"{job.name} takes no memory of a device"
        stage, runs, samples, budget, _ = job
        placed = jax.eval_shape(functools.partial(split, devices=len(engine.devices)), runs)
        begin = over_runs(functools.partial(start, stage), "vmap", 1)
        state = jax.eval_shape(jax.vmap(begin), placed)
        batches = samples.batches(np.zeros((engine.steps_per_call, budget.batch), int))
        numbers = np.int32(0), np.int32(1)
        report = engine.program(stage, "advance", advance, 2, state, placed, batches, *numbers).memory_analysis()
        assert report is not None, "this backend does not report what a program takes"
        used = report.argument_size_in_bytes + report.output_size_in_bytes + report.temp_size_in_bytes
        bytes_of[stage.name] = used - report.alias_size_in_bytes  # the state is written over its predecessor
        n_runs = len(runs.key)
        variables = jax.tree.map(lambda x: np.zeros((n_runs, *x.shape[2:]), x.dtype), state.variables)
        return StageResult(variables, _blank_outputs(job, variables), {}, None)

    return visit


def _blank_outputs(job: StageJob, variables):
    """Zeros of the shape of the stage's outputs."""
    stage, runs, samples, *_ = job
    one = jax.tree.map(lambda x: x[0], (variables, runs))
    batches: Batch = samples.batches(np.zeros((1, 1), int))
    shapes = jax.eval_shape(lambda own, run, new: outputs(stage, own, run, prepared(stage, new)), *one, batches)
    n = len(runs.key), len(samples.unit_S)
    return jax.tree.map(lambda x: np.zeros((*n, *x.shape[2:]), x.dtype), shapes)
