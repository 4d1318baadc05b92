"""The engine: it trains a chunk of runs together through compiled programs."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from merjax.engine.batches import Samples, call_of, in_order, training_stream
from merjax.engine.mapping import Mapping, default_mapping, join, over_runs, split
from merjax.engine.stage import Batch, RunArrays, Stage, State, Variables, advance, outputs, prepared, start
from merjax.system.jax_setup import compiler_options, quick_options

# In a history, beside the metrics: the outputs during training. Checkpoints hold it under this name, also those that earlier
# versions wrote.
SNAPSHOTS = "probe"


class Progress(NamedTuple):
    """Where a stage stands after a call."""

    stage: str
    step: int
    steps: int
    runs: int
    loss: tuple[float, float]  # lowest and highest of the runs that did not diverge; NaN if all did
    seconds: float
    diverged: int  # runs whose loss is not finite, in the last step that held training samples of theirs
    # the metrics of all steps so far, `[P, step]`, including those of an earlier process
    history: MappingOf[str, np.ndarray] = MappingProxyType({})
    inner: bool = False  # whether this is the training that leaves the inner subjects out


class Saved(NamedTuple):
    """A stage that is being trained: all that is needed to go on as if it had not been stopped.

    Attributes:
        state: of the runs, leaves `[P, ...]`.
        history: metrics `[P, steps]` and the snapshots, NaN for steps that are still to come.
        done: steps taken.
        stream: the stream's own state, before the batches of the next step.
    """

    state: State
    history: dict[str, np.ndarray]
    done: int
    stream: dict[str, Any]


class Checkpointer(Protocol):
    """Keeps a stage's progress; see `merjax.engine.checkpoints`."""

    def restore(self, stage: str, like: Any) -> Saved | None:
        """What was kept of a stage."""

    def after_call(self, stage: str, saved: Callable[[], Saved], finished: bool) -> None:
        """A call is over; `saved` gives what there is to keep."""


class Budget(NamedTuple):
    """How long a stage trains: steps of `batch` samples, and after how many steps each its outputs are recorded (0: never).

    If `shuffle` is False, every epoch takes the samples in their order, and its last batch may be short.
    """

    batch: int
    steps: int
    snapshot_every: int = 0
    shuffle: bool = True

    @property
    def snapshots(self) -> int:
        return self.steps // self.snapshot_every if self.snapshot_every else 0


ProgramKey = tuple[Stage, str, tuple]  # stage, name, shapes


class Engine:
    """Compiled programs of one group of trials, on the local devices.

    Runs are given and returned with a leading axis P, which must be a multiple of the device count.

    Args:
        mapping: how the runs of one device share it; None chooses by backend.
        steps_per_call: optimiser steps per jitted call.
        devices: the devices to use; None means all local ones.
        precision: of products, as `jax.default_matmul_precision` has it.
        traced_for: platform -> the context in which stages take the form for it.
    """

    def __init__(
        self,
        mapping: Mapping | None = None,
        steps_per_call: int = 8,
        devices: Sequence[jax.Device] | None = None,
        precision: str = "highest",
        traced_for: Callable[[str], contextlib.AbstractContextManager] = contextlib.nullcontext,
    ) -> None:
        self.devices = list(devices or jax.local_devices())
        self.mapping = mapping or default_mapping(self.platform)
        self.steps_per_call, self.precision, self.traced_for = steps_per_call, precision, traced_for
        self.programs: dict[ProgramKey, jax.stages.Compiled] = {}
        self._outputs: dict[tuple, tuple[int, ...]] = {}
        self._identity = jax.pmap(lambda x: x, devices=self.devices)

    def fit(
        self,
        stage: Stage,
        runs: RunArrays,
        samples: Samples,
        budget: Budget,
        *,
        seed: int,
        on_call: Callable[[Progress], None] = lambda progress: None,
        checkpointer: Checkpointer | None = None,
        tested: Samples | None = None,
    ) -> tuple[State, dict[str, np.ndarray]]:
        """Train all runs on one common stream.

        Args:
            stage, runs, samples: what is trained.
            budget: how long.
            seed: of the stream's order.
            tested: the samples of the outputs during training; None for those that are trained on.
            on_call: is called after every jitted call.
            checkpointer: keeps progress, and gives back what was kept.

        Returns:
            The runs' states, leaves `[P, ...]`, and the history: the metrics of every step, `[P, steps]`, and, if the budget
            asks for them, under `SNAPSHOTS` the stage's outputs for every sample during training, `[P, snapshots, S, ...]`.
        """
        n_runs, tested = len(runs.key), tested or samples
        placed = self._place(runs)
        state = self.program(stage, "start", start, 1, placed)(placed)
        stream = training_stream(samples, budget.batch, self.steps_per_call, seed, self._threads, budget.shuffle)
        history, done = self._blank_history(stage, state, placed, tested, budget, n_runs), 0
        kept = (
            checkpointer.restore(stage.name, {"state": jax.eval_shape(join, state), "history": history})
            if checkpointer
            else None
        )
        if kept:
            state, done = self._place(kept.state), kept.done
            history = {name: kept.history[name] for name in history}  # in the order of a run that was never stopped
            stream.set_state(kept.stream)
        began, first, batches, position = time.perf_counter(), done, None, stream.get_state()
        loss_P = np.full(n_runs, _NO_LOSS, np.float32)
        while done < budget.steps:
            offset = done % self.steps_per_call
            if batches is None or offset == 0:
                position, batches = stream.get_state(), next(stream)
            n = min(self.steps_per_call - offset, budget.steps - done)
            if budget.snapshot_every:
                n = min(n, budget.snapshot_every - done % budget.snapshot_every)
            numbers = np.int32(offset), np.int32(offset + n)
            state, metrics = self.program(stage, "advance", advance, 2, state, placed, batches, *numbers)(
                state, placed, batches, *numbers
            )
            for name, values in metrics.items():
                history[name][:, done : done + n] = np.asarray(join(values))[:, offset : offset + n]
            done += n
            if budget.snapshot_every and done % budget.snapshot_every == 0:
                snapshot = self.apply(stage, join(state.variables), runs, tested, batch=budget.batch)
                history[SNAPSHOTS][:, done // budget.snapshot_every - 1] = snapshot
            loss_P = _last_loss(loss_P, history["loss"][:, done - n : done], runs, batches.unit_B[offset : offset + n])
            seconds = (time.perf_counter() - began) * done / max(done - first, 1)
            on_call(_progress(stage, done, budget, loss_P, seconds, history))
            if checkpointer:
                here = stream.get_state() if done % self.steps_per_call == 0 else position
                now = functools.partial(self._saved, state, history, done, here)
                checkpointer.after_call(stage.name, now, done == budget.steps)
        return jax.tree.map(np.asarray, join(state)), history

    def apply(self, stage: Stage, variables: Variables, runs: RunArrays, samples: Samples, *, batch: int) -> Any:
        """The stage's outputs for every sample, in inference mode: leaves `[P, S, ...]` on the host."""
        runs, variables = self._place(runs), self._place(variables)
        pieces = []
        for place, batches in in_order(samples, *call_of(samples, batch, self.steps_per_call)):
            program = self.program(stage, "apply", outputs, 2, variables, runs, batches)
            result = join(program(variables, runs, batches))  # [P, K, B, ...]
            n = place.stop - place.start
            pieces.append(jax.tree.map(lambda x, n=n: np.asarray(x).reshape(len(x), -1, *x.shape[3:])[:, :n], result))
        return jax.tree.map(lambda *parts: np.concatenate(parts, 1), *pieces)

    def _blank_history(
        self, stage: Stage, state: State, runs: RunArrays, samples: Samples, budget: Budget, n_runs: int
    ) -> dict[str, np.ndarray]:
        history = {name: np.full((n_runs, budget.steps), np.nan, np.float32) for name in stage.metrics}
        if budget.snapshots:
            output = self._output_shape(stage, state, runs, samples, budget.batch)
            history[SNAPSHOTS] = np.full((n_runs, budget.snapshots, len(samples.unit_S), *output), np.nan, np.float32)
        return history

    def _output_shape(
        self, stage: Stage, state: State, runs: RunArrays, samples: Samples, batch: int
    ) -> tuple[int, ...]:
        """The shape of one run's output for one sample. Tracing takes seconds, so it is done once for all chunks of a group."""
        one_run = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), (state.variables, runs))
        batches = samples.batches(np.zeros((1, batch), int))
        key = (stage, *((x.shape, str(x.dtype)) for x in jax.tree.leaves((one_run, batches))))
        if key not in self._outputs:
            compute = _on_prepared(stage, functools.partial(outputs, stage), 2)
            self._outputs[key] = jax.eval_shape(compute, *one_run, batches).shape[2:]
        return self._outputs[key]

    @staticmethod
    def _saved(state: State, history: dict[str, np.ndarray], done: int, stream: dict[str, Any]) -> Saved:
        return Saved(jax.tree.map(np.asarray, join(state)), history, done, stream)

    @property
    def platform(self) -> str:
        """What programs are compiled for: "cpu", "gpu" or "tpu"."""
        return self.devices[0].platform

    @property
    def _threads(self) -> int:
        # on a CPU the cores are busy computing; beside a GPU a thread prepares the next call's batches
        return 0 if self.platform == "cpu" else 2

    def _place(self, tree: Any) -> Any:
        return self._identity(split(tree, len(self.devices)))

    def program(self, stage: Stage, name: str, f: Callable, per_run: int, *args: Any) -> jax.stages.Compiled:
        """`f` of the stage, compiled for arguments of these shapes; the first `per_run` of them have a leading axis of runs."""
        key = self.key(stage, name, args)
        if key not in self.programs:
            self.compile(key, self.lowered(stage, name, f, per_run, *args))
        return self.programs[key]

    @staticmethod
    def key(stage: Stage, name: str, args: tuple) -> ProgramKey:
        """What a program for arguments of these shapes is known by."""
        return stage, name, tuple((x.shape, str(x.dtype)) for x in jax.tree.leaves(args))

    def lowered(self, stage: Stage, name: str, f: Callable, per_run: int, *args: Any) -> jax.stages.Lowered:
        """The program before it is compiled."""
        mapped = self.of_one_device(stage, f, per_run)
        in_axes = (0,) * per_run + (None,) * (len(args) - per_run)
        # only a state's memory is reused for its successor; parameters and runs are needed again
        donate = (0,) if name == "advance" else ()
        with self.tracing():
            return jax.pmap(mapped, in_axes=in_axes, devices=self.devices, donate_argnums=donate).lower(*args)

    def compile(self, key: ProgramKey, lowered: jax.stages.Lowered) -> None:
        """Compile a program, so that `program` finds it."""
        stage, name, _ = key
        quickly = name == "start" if self.platform == "cpu" else stage.compiles_long
        options = compiler_options(self.platform) | (quick_options(self.platform) if quickly else {})
        with self.tracing():
            self.programs[key] = lowered.compile(compiler_options=options)

    @contextlib.contextmanager
    def tracing(self) -> Iterator[None]:
        """What programs are traced and compiled in."""
        with self.traced_for(self.platform), jax.default_matmul_precision(self.precision):
            yield

    def of_one_device(self, stage: Stage, f: Callable, per_run: int) -> Callable:
        """`f` of the stage for the runs of one device, as the devices' programs have it."""
        mapped = over_runs(functools.partial(f, stage), self.mapping, per_run, stage.runs_per_pass)
        return _on_prepared(stage, mapped, per_run)


def _progress(
    stage: Stage, done: int, budget: Budget, loss_P: np.ndarray, seconds: float, history: dict[str, np.ndarray]
) -> Progress:
    finite_P = np.isfinite(loss_P)
    sound = loss_P[finite_P & (loss_P != _NO_LOSS)]
    ends = (float(sound.min()), float(sound.max())) if len(sound) else (float("nan"), float("nan"))
    so_far = {name: values[:, :done] for name, values in history.items() if name != SNAPSHOTS}
    return Progress(stage.name, done, budget.steps, len(loss_P), ends, seconds, int((~finite_P).sum()), so_far)


def _last_loss(before_P: np.ndarray, loss_PxK: np.ndarray, runs: RunArrays, unit_KxB: np.ndarray) -> np.ndarray:
    """Each run's newest loss. A batch of held-out samples alone has no loss, so a NaN there does not mean divergence."""
    last_P = before_P
    for loss_P, unit_B in zip(loss_PxK.T, np.asarray(unit_KxB), strict=True):
        trained_P = (np.asarray(runs.weight_N)[:, unit_B[unit_B >= 0]] > 0).any(1)
        last_P = np.where(trained_P, loss_P, last_P)
    return last_P


def _on_prepared(stage: Stage, f: Callable, per_run: int) -> Callable:
    """`f` takes prepared batches after its first `per_run` arguments; this is `f` for batches that are not yet prepared."""

    def on_batches(*args: Any) -> Any:
        own, shared = args[:per_run], args[per_run:]
        return f(*own, *(prepared(stage, x) if isinstance(x, Batch) else x for x in shared))

    return on_batches


_NO_LOSS = -1.0  # of a run that has had no sample yet
