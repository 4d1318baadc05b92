"""One optimisation as a few pure functions, and one run's share in it."""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, UInt32

Params = Any
Hyper = Any


class Batch(NamedTuple):
    """Samples that all runs see together.

    `inputs` is whatever the stage's functions take; `unit_B` tells which unit (clip) each of the B samples belongs to, by
    which a run looks up its own weights and targets.
    """

    inputs: Any
    unit_B: Int[Array, "B"]


class Run(NamedTuple):
    """What sets one run apart from the others on the devices.

    Attributes:
        key: key data of the run's own randomness, from its seed, trial and fold.
        weight_N: training weight of each unit; 0 for those held out.
        hyper: traced hyper-parameters, numbers fitted on the run's training units, targets, inputs of its own.
    """

    key: UInt32[Array | np.ndarray, "2"]
    weight_N: Float[Array | np.ndarray, "N"]
    hyper: Hyper


class State(NamedTuple):
    """A run under optimisation."""

    params: Params
    opt_state: optax.OptState
    step: Int[Array, ""]


class Stage(NamedTuple):
    """One optimisation.

    Attributes:
        name: tells the stages of a method apart, in randomness and in messages.
        init: (key, hyper) -> params.
        loss: (params, batch, weight_B, hyper, key) -> (scalar, metrics); the scalar divides by the sum of the weights, so
            that a sample of weight 0 is as good as absent.
        apply: (params, batch, hyper) -> outputs in inference mode, with a leading axis B.
        optimiser: hyper -> gradient transformation; built inside the program, since its numbers are traced.
    """

    name: str
    init: Callable[[jax.Array, Hyper], Params]
    loss: Callable[[Params, Batch, jax.Array, Hyper, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]
    apply: Callable[[Params, Batch, Hyper], Any]
    optimiser: Callable[[Hyper], optax.GradientTransformation]


def start(stage: Stage, run: Run) -> State:
    """A run's state before its first step."""
    params = stage.init(jax.random.fold_in(_stage_key(stage, run), _START), run.hyper)
    return State(params, stage.optimiser(run.hyper).init(params), jnp.zeros((), jnp.int32))


def advance(
    stage: Stage, state: State, run: Run, batches: Batch, first: jax.Array, end: jax.Array
) -> tuple[State, dict[str, jax.Array]]:
    """Take a step on each of the batches first, first + 1, ... end - 1 of K.

    Args:
        stage: what is optimised.
        state: before.
        run: the run's own inputs.
        batches: K batches, stacked on a leading axis.
        first, end: which of them to use; numbers, not shapes, so that a short call needs no program of its own.

    Returns:
        The state after, and the metrics of each step `[K]` (NaN where no step was taken, and where a batch held none of
        the run's training samples).
    """
    optimiser = stage.optimiser(run.hyper)

    def step(k: jax.Array, carry: tuple[State, dict]) -> tuple[State, dict]:
        state, history = carry
        batch = jax.tree.map(lambda x: x[k], batches)
        key = jax.random.fold_in(_stage_key(stage, run), state.step)
        weight_B = run.weight_N[batch.unit_B]
        gradient, metrics = jax.grad(stage.loss, has_aux=True)(state.params, batch, weight_B, run.hyper, key)
        updates, opt_state = optimiser.update(gradient, state.opt_state, state.params)
        # a batch of held-out samples alone is no step: momentum and weight decay must not move the run
        counts = weight_B.sum() > 0
        new = (optax.apply_updates(state.params, updates), opt_state)
        params, opt_state = jax.tree.map(lambda x, y: jnp.where(counts, x, y), new, (state.params, state.opt_state))
        history = {name: history[name].at[k].set(jnp.where(counts, m, jnp.nan)) for name, m in metrics.items()}
        return State(params, opt_state, state.step + 1), history

    one = jax.tree.map(lambda x: x[0], batches)
    names = jax.eval_shape(stage.loss, state.params, one, run.weight_N[one.unit_B], run.hyper, jax.random.key(0))[1]
    history = {name: jnp.full(batches.unit_B.shape[0], jnp.nan) for name in names}
    return jax.lax.fori_loop(first, end, step, (state, history))


def outputs(stage: Stage, params: Params, run: Run, batches: Batch) -> Any:
    """The stage's outputs on K batches, stacked on a leading axis K."""
    return jax.lax.map(lambda batch: stage.apply(params, batch, run.hyper), batches)


def _stage_key(stage: Stage, run: Run) -> jax.Array:
    return jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(run.key)), zlib.crc32(stage.name.encode()))


_START = 0x57A127  # a fold-in of its own, apart from any step number
