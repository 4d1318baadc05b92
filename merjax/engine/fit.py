"""The engine: a chunk of runs advances together through compiled programs."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from merjax.compiler import compiler_options
from merjax.engine.devices import Mapping, default_mapping, join, over_runs, split
from merjax.engine.stage import Run, Stage, State, advance, outputs, start
from merjax.engine.stream import Samples, in_order, training_stream


class Progress(NamedTuple):
    """Where a stage stands after a call."""

    stage: str
    step: int
    steps: int
    runs: int
    loss: tuple[float, float]  # lowest and highest of the runs
    seconds: float


class Engine:
    """Compiled programs of one group of trials, on the local devices.

    Runs are given and returned with a leading axis P, which must be a multiple of the device count.

    Args:
        mapping: how the runs of one device share it; by backend when None.
        steps_per_call: optimiser steps per jitted call.
        devices: the devices to use; all local ones when None.
    """

    def __init__(
        self, mapping: Mapping | None = None, steps_per_call: int = 8, devices: Sequence[jax.Device] | None = None
    ) -> None:
        self.devices = list(devices or jax.local_devices())
        self.mapping = mapping or default_mapping(self.devices[0].platform)
        self.steps_per_call = steps_per_call
        self.programs: dict[tuple, jax.stages.Compiled] = {}

    def fit(
        self,
        stage: Stage,
        runs: Run,
        samples: Samples,
        *,
        batch: int,
        steps: int,
        seed: int,
        on_call: Callable[[Progress], None] = lambda progress: None,
    ) -> tuple[State, dict[str, np.ndarray]]:
        """Train all runs for `steps` steps on one common stream.

        Returns:
            The runs' states, and the metrics of every step, `[P, steps]` each.
        """
        runs = self._place(runs)
        state = self._program(stage, "start", start, 1, runs)(runs)
        stream = training_stream(samples, batch, self.steps_per_call, seed, self._threads)
        history: list[dict[str, np.ndarray]] = []
        began, done = time.perf_counter(), 0
        while done < steps:
            n_steps = np.int32(min(self.steps_per_call, steps - done))
            batches = next(stream)
            program = self._program(stage, "advance", advance, 2, state, runs, batches, n_steps)
            state, metrics = program(state, runs, batches, n_steps)
            metrics = {name: np.asarray(join(value))[:, :n_steps] for name, value in metrics.items()}
            history.append(metrics)
            done += int(n_steps)
            low, high = (float(f(metrics["loss"][:, -1])) for f in (np.min, np.max))
            seconds = time.perf_counter() - began
            on_call(Progress(stage.name, done, steps, len(metrics["loss"]), (low, high), seconds))
        return join(state), {name: np.concatenate([call[name] for call in history], 1) for name in history[0]}

    def apply(self, stage: Stage, params: Any, runs: Run, samples: Samples, *, batch: int) -> Any:
        """The stage's outputs for every sample, in inference mode: leaves `[P, S, ...]` on the host."""
        runs, params = self._place(runs), self._place(params)
        batch = min(batch, len(samples.unit_S))
        per_call = max(1, min(self.steps_per_call, -(-len(samples.unit_S) // batch)))
        pieces = []
        for place, batches in in_order(samples, batch, per_call):
            program = self._program(stage, "apply", outputs, 2, params, runs, batches)
            result = join(program(params, runs, batches))  # [P, K, B, ...]
            n = place.stop - place.start
            pieces.append(jax.tree.map(lambda x, n=n: np.asarray(x).reshape(len(x), -1, *x.shape[3:])[:, :n], result))
        return jax.tree.map(lambda *parts: np.concatenate(parts, 1), *pieces)

    @property
    def _threads(self) -> int:
        # on a CPU the cores are busy computing; beside a GPU a thread prepares the next call's batches
        return 0 if self.devices[0].platform == "cpu" else 2

    def _place(self, tree: Any) -> Any:
        return jax.pmap(lambda x: x, devices=self.devices)(split(tree, len(self.devices)))

    def _program(self, stage: Stage, name: str, f: Callable, per_run: int, *args: Any) -> jax.stages.Compiled:
        shapes = tuple((x.shape, str(x.dtype)) for x in jax.tree.leaves(args))
        if (stage.name, name, shapes) not in self.programs:
            mapped = over_runs(lambda *own: f(stage, *own), self.mapping, per_run)
            in_axes = (0,) * per_run + (None,) * (len(args) - per_run)
            # only a state is given up to its successor; parameters and runs are used again
            donate = (0,) if name == "advance" else ()
            pmapped = jax.pmap(mapped, in_axes=in_axes, devices=self.devices, donate_argnums=donate)
            options = compiler_options() | (_QUICK if name == "start" and self.devices[0].platform == "cpu" else {})
            self.programs[stage.name, name, shapes] = pmapped.lower(*args).compile(compiler_options=options)
        return self.programs[stage.name, name, shapes]


# LLVM spends 14 s on optimising the random initialisation, which runs once, for milliseconds
_QUICK = {"xla_backend_optimization_level": 0}
