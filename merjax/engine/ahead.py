"""Compiles the programs of a method before they are needed, so that processes that train the same can share this work.

Compiling takes as long as a small sweep trains, and each process of a sweep needs the same programs. So each compiles what no
other has claimed, and then takes the others' programs from the folder in which JAX keeps them.
"""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np

from merjax.engine.batches import call_of
from merjax.engine.engine import Engine, ProgramKey
from merjax.engine.jobs import Job, StageJob, StageResult
from merjax.engine.stage import Stage, advance, outputs, start

# (name of a program, whether to wait for it) -> whether this process has it meanwhile
Claim = Callable[[str, bool], AbstractContextManager[bool]]


class Ahead:
    """The visit that compiles a job's programs; the variables and outputs that it gives are zeros.

    Args:
        engine: the one that will train the runs; it keeps the programs.
        claim: takes a program if no other process has it; if this is to wait, once no other has it.
    """

    def __init__(self, engine: Engine, claim: Claim) -> None:
        self.engine, self.claim = engine, claim
        self._left: dict[ProgramKey, jax.stages.Lowered] = {}  # which others compile

    def __call__(self, job: Job) -> StageResult:
        assert isinstance(job, StageJob), f"{job.name} has no programs"
        stage, runs, samples, budget, drawn = job
        engine, devices = self.engine, len(self.engine.devices)
        placed = jax.tree.map(lambda x: _shape((devices, len(x) // devices, *np.shape(x)[1:]), x.dtype), runs)
        state = self._compile(stage, "start", start, 1, placed)
        batches = (drawn or samples).batches(np.zeros((engine.steps_per_call, budget.batch), int))
        self._compile(stage, "advance", advance, 2, state, placed, batches, np.int32(0), np.int32(1))
        batch, count = call_of(samples, budget.batch, engine.steps_per_call)
        few = samples.batches(np.zeros((count, batch), int))
        found = self._compile(stage, "apply", outputs, 2, state.variables, placed, few)
        n = len(runs.key), len(samples.unit_S)
        return StageResult(
            jax.tree.map(lambda x: np.zeros((n[0], *x.shape[2:]), x.dtype), state.variables),
            jax.tree.map(lambda x: np.zeros((*n, *x.shape[4:]), x.dtype), found),  # [devices, P, K, B, ...]
            {},
            None,
        )

    def finish(self) -> None:
        """Take the programs that others have compiled meanwhile."""
        for key, lowered in self._left.items():
            with self.claim(_name(key), True):
                self.engine.compile(key, lowered)
        self._left.clear()

    def _compile(self, stage: Stage, name: str, f: Callable, per_run: int, *args: Any) -> Any:
        """Compile a program, unless another process does; the shapes of its results."""
        key = self.engine.key(stage, name, args)
        program = self.engine.programs.get(key) or self._left.get(key)
        if program is None:
            program = self.engine.lowered(stage, name, f, per_run, *args)
            with self.claim(_name(key), False) as mine:
                if mine:
                    self.engine.compile(key, program)
                else:
                    self._left[key] = program
        return jax.tree.map(lambda x: _shape(x.shape, x.dtype), program.out_info)


def _shape(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def _name(key: ProgramKey) -> str:
    """A program's name, which is the same in all processes of a sweep."""
    stage, name, shapes = key
    return f"{stage.name}-{name}-{hashlib.blake2b(str(shapes).encode(), digest_size=6).hexdigest()}"
