"""One optimisation as a few pure functions, and what is one run's own in it."""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, UInt32

Params = Any
Numbers = Any


class Batch(NamedTuple):
    """Samples that all runs see together.

    `inputs` is whatever the stage's functions take. `unit_B` tells which unit (clip) each of the B samples belongs to; a run
    looks up its own weights and targets by it. -1 stands for no unit: a place that a short batch leaves empty, of weight 0
    in every run.
    """

    inputs: Any
    unit_B: Int[Array | np.ndarray, "B"]


class RunArrays(NamedTuple):
    """What sets one run apart from the others on the devices.

    Attributes:
        key: key data of the run's own randomness, from its seed, trial and fold.
        weight_N: training weight of each unit; 0 for those held out.
        numbers: traced hyper-parameters, numbers fitted on the run's training units, targets, inputs of its own.
    """

    key: UInt32[Array | np.ndarray, "2"]
    weight_N: Float[Array | np.ndarray, "N"]
    numbers: Numbers


class Variables(NamedTuple):
    """What a run learns.

    Attributes:
        params: what the optimiser moves.
        statistics: what training gathers and inference uses, such as the running averages of batch normalisation; most
            stages have none.
    """

    params: Params
    statistics: Any = ()


class State(NamedTuple):
    """A run that is being trained."""

    variables: Variables
    opt_state: optax.OptState
    step: Int[Array, ""]


class Outcome(NamedTuple):
    """What a stage's loss gives: the scalar, metrics to record, and the statistics after the batch."""

    loss: jax.Array
    metrics: dict[str, jax.Array]
    statistics: Any = ()


class Stage(NamedTuple):
    """One optimisation.

    Attributes:
        name: distinguishes the stages of a method, in randomness and in messages.
        init: (key, numbers) -> variables.
        loss: (variables, batch, weight_B, numbers, key) -> outcome; the loss divides by the sum of the weights, so that a
            sample of weight 0 counts as absent, in the statistics too.
        apply: (variables, batch, numbers) -> outputs in inference mode, with a leading axis B.
        optimiser: numbers -> gradient transformation; built inside the program, since its numbers are traced.
        prepare: inputs of K batches -> what the runs take their batches from; done once for all runs of a call.
        take: (what `prepare` gave, k) -> the inputs of batch k.
        runs_per_pass: how many runs share a pass over their common inputs where runs go one after another.
        metrics: names of the metrics that the loss gives. They are declared, since finding them out would trace the loss once
            more.
        compiles_long: whether compilers for TPUs need minutes for it at their usual effort.
    """

    name: str
    init: Callable[[jax.Array, Numbers], Variables]
    loss: Callable[[Variables, Batch, jax.Array, Numbers, jax.Array], Outcome]
    apply: Callable[[Variables, Batch, Numbers], Any]
    optimiser: Callable[[Numbers], optax.GradientTransformation]
    prepare: Callable[[Any], Any] = lambda inputs: inputs
    take: Callable[[Any, jax.Array], Any] = lambda inputs, k: jax.tree.map(lambda x: x[k], inputs)
    runs_per_pass: int = 1
    metrics: tuple[str, ...] = ("loss", "accuracy")
    compiles_long: bool = False


def start(stage: Stage, run: RunArrays) -> State:
    """A run's state before its first step."""
    variables = stage.init(jax.random.fold_in(_stage_key(stage, run), _START), run.numbers)
    return State(variables, stage.optimiser(run.numbers).init(variables.params), jnp.zeros((), jnp.int32))


def prepared(stage: Stage, batches: Batch) -> Batch:
    """K batches in the form that `advance` and `outputs` take."""
    return Batch(stage.prepare(batches.inputs), batches.unit_B)


def advance(
    stage: Stage, state: State, run: RunArrays, batches: Batch, first: jax.Array, end: jax.Array
) -> tuple[State, dict[str, jax.Array]]:
    """Take a step on each of the batches first, first + 1, ... end - 1 of K.

    Args:
        stage: what is optimised.
        state: before.
        run: the run's own inputs.
        batches: K batches, stacked on a leading axis, `prepared`.
        first, end: which of them to use; numbers, not shapes, so that a short call needs no program of its own.

    Returns:
        The state after, and the metrics of each step `[K]` (NaN where no step was taken, and where a batch held none of
        the run's training samples).
    """
    optimiser = stage.optimiser(run.numbers)

    def outcome(params: Params, variables: Variables, k: jax.Array, key: jax.Array) -> tuple[jax.Array, tuple]:
        batch = _take(stage, batches, k)
        weight_B = _weights(run, batch)
        variables = variables._replace(params=params)
        loss, metrics, statistics = stage.loss(variables, batch, weight_B, run.numbers, key)
        # a batch of held-out samples alone takes no step: momentum, weight decay and averages must not change the run
        return loss, (metrics, statistics, weight_B.sum() > 0)

    def step(k: jax.Array, carry: tuple[State, dict]) -> tuple[State, dict]:
        (variables, opt_state, number), history = carry
        key = jax.random.fold_in(_stage_key(stage, run), number)
        gradient, aux = jax.grad(outcome, has_aux=True)(variables.params, variables, k, key)
        metrics, statistics, counts = aux
        updates, new_opt_state = optimiser.update(gradient, opt_state, variables.params)
        new = Variables(optax.apply_updates(variables.params, updates), statistics), new_opt_state
        variables, opt_state = jax.tree.map(lambda x, y: jnp.where(counts, x, y), new, (variables, opt_state))
        history = {name: history[name].at[k].set(jnp.where(counts, m, jnp.nan)) for name, m in metrics.items()}
        return State(variables, opt_state, number + 1), history

    history = {name: jnp.full(batches.unit_B.shape[0], jnp.nan) for name in stage.metrics}
    return jax.lax.fori_loop(first, end, step, (state, history))


def outputs(stage: Stage, variables: Variables, run: RunArrays, batches: Batch) -> Any:
    """The stage's outputs on K `prepared` batches, stacked on a leading axis K."""
    k_K = jnp.arange(batches.unit_B.shape[0])
    return jax.lax.map(lambda k: stage.apply(variables, _take(stage, batches, k), run.numbers), k_K)


def _take(stage: Stage, batches: Batch, k: jax.Array) -> Batch:
    return Batch(stage.take(batches.inputs, k), batches.unit_B[k])


def _weights(run: RunArrays, batch: Batch) -> jax.Array:
    return jnp.where(batch.unit_B >= 0, run.weight_N[batch.unit_B], 0)


def _stage_key(stage: Stage, run: RunArrays) -> jax.Array:
    return jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(run.key)), zlib.crc32(stage.name.encode()))


_START = 0x57A127  # a fold-in of its own, different from every step number
