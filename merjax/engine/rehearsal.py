"""An engine that compiles what it is given and trains nothing, to learn what memory the training would take."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from merjax.engine.batches import Samples
from merjax.engine.engine import Budget, Checkpointer, Engine, Progress
from merjax.engine.mapping import over_runs, split
from merjax.engine.stage import Batch, RunArrays, Stage, State, Variables, advance, outputs, prepared, start


class Rehearsal(Engine):
    """Takes the place of an `Engine`; its results are zeros.

    Attributes:
        bytes: by stage, what the compiled training program takes on each device: arguments, outputs and temporaries.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bytes: dict[str, int] = {}

    def fit(
        self,
        stage: Stage,
        runs: RunArrays,
        samples: Samples,
        budget: Budget,
        *,
        seed: int,
        on_call: Callable[[Progress], None] = lambda progress: None,
        keeper: Checkpointer | None = None,
    ) -> tuple[State, dict[str, np.ndarray]]:
        """Compile a stage's training program for these runs."""
        placed = jax.eval_shape(functools.partial(split, devices=len(self.devices)), runs)
        begin = over_runs(functools.partial(start, stage), "vmap", 1)
        state = jax.eval_shape(jax.vmap(begin), placed)
        batches = samples.batches(np.zeros((self.steps_per_call, budget.batch), int))
        numbers = np.int32(0), np.int32(1)
        report = self._program(stage, "advance", advance, 2, state, placed, batches, *numbers).memory_analysis()
        assert report is not None, "this backend does not report what a program takes"
        used = report.argument_size_in_bytes + report.output_size_in_bytes + report.temp_size_in_bytes
        self.bytes[stage.name] = used - report.alias_size_in_bytes  # the state is written over its predecessor
        return jax.tree.map(lambda x: np.zeros((len(runs.key), *x.shape[2:]), x.dtype), state), {}

    def apply(self, stage: Stage, variables: Variables, runs: RunArrays, samples: Samples, *, batch: int) -> Any:
        """Zeros of the shape of the stage's outputs."""
        one = jax.tree.map(lambda x: x[0], (variables, runs))
        batches: Batch = samples.batches(np.zeros((1, 1), int))
        shapes = jax.eval_shape(lambda own, run, new: outputs(stage, own, run, prepared(stage, new)), *one, batches)
        n = len(runs.key), len(samples.unit_S)
        return jax.tree.map(lambda x: np.zeros((*n, *x.shape[2:]), x.dtype), shapes)
