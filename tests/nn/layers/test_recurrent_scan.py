"""The LSTM of accelerators computes what a naive loop does, in outputs and gradients, in one scan whatever the lengths."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.backends import as_on_an_accelerator, equations

from merjax.nn.layers.backend import traced_for
from merjax.nn.layers.recurrent import lstm, lstm_reference
from merjax.nn.layers.recurrent_scan import _TURN

REGIONS, FRAMES, BATCH, INPUTS, UNITS = 2, 11, 7, 3, 4  # frames: not a multiple of those that the loop takes at a time
LENGTH_B = jnp.array([7, 0, 1, 11, 10, 7, 8])
RUNS = 3


@pytest.fixture(autouse=True)
def accelerator(monkeypatch):
    as_on_an_accelerator(monkeypatch)


def draw(seed=0):
    normal = np.random.default_rng(seed).normal
    shapes = (
        (REGIONS, INPUTS, 4 * UNITS),
        (REGIONS, UNITS, 4 * UNITS),
        (REGIONS, 4 * UNITS),
        (REGIONS, FRAMES, BATCH, INPUTS),
    )
    arguments = tuple(jnp.asarray(normal(scale=0.5, size=shape), jnp.float32) for shape in shapes)
    return arguments, jnp.asarray(normal(size=(REGIONS, BATCH, UNITS)), jnp.float32)


def vjp(f, arguments, dh, length_B=LENGTH_B, gates="sigmoid"):
    return _vjp(
        f, arguments, dh, length_B, gates
    )  # the lengths are never a constant, for which it would be compiled again


@functools.partial(jax.jit, static_argnums=(0, 4))  # so that tests of equal shapes share a program
def _vjp(f, arguments, dh, length_B, gates):
    h, transpose = jax.vjp(lambda *arguments: f(*arguments, length_B, gates), *arguments)
    return h, *transpose(dh)


def assert_close(ours, reference, tolerance=1e-6):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@pytest.mark.parametrize("gates", ["sigmoid", "hard sigmoid"])
@pytest.mark.parametrize(
    "length_B", [LENGTH_B, jnp.full(BATCH, FRAMES), jnp.zeros(BATCH, int)], ids=["unequal", "all", "none"]
)
def test_outputs_and_gradients_equal_the_reference(gates, length_B):
    """Lengths of all frames are those of sequences that are padded in front without a mask."""
    arguments, dh = draw()
    assert_close(vjp(lstm, arguments, dh, length_B, gates), vjp(lstm_reference, arguments, dh, length_B, gates))


def test_padding_changes_neither_state_nor_gradients():
    (*weights, x_RxTxBxD), dh = draw()
    real_TxBx1 = (jnp.arange(FRAMES)[:, None] < LENGTH_B)[:, :, None]
    clean = vjp(lstm, (*weights, x_RxTxBxD), dh)
    dirty = vjp(lstm, (*weights, jnp.where(real_TxBx1, x_RxTxBxD, jnp.nan)), dh)
    for a, b in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not jnp.where(real_TxBx1, 0, clean[-1]).any()


def test_a_sequence_that_is_said_to_be_longer_than_the_frames_ends_in_nan_and_alone():
    arguments, dh = draw()
    wrong_B = np.array([FRAMES + 1, -1, *LENGTH_B[2:]])
    h_RxBxH = np.asarray(vjp(lstm, arguments, dh, wrong_B)[0])
    assert np.isnan(h_RxBxH[:, 0]).all()
    assert_close(h_RxBxH[:, 1:], np.asarray(vjp(lstm, arguments, dh)[0])[:, 1:])


def runs_of_their_own():
    runs = [(*draw(seed), jnp.roll(LENGTH_B, seed)) for seed in range(RUNS)]
    return runs, jax.tree.map(lambda *leaves: jnp.stack(leaves), *runs)


def test_runs_together_equal_runs_alone_each_with_clips_of_its_own():
    runs, stacked = runs_of_their_own()
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(vjp(lstm_reference, *run) for run in runs))
    assert_close(jax.jit(jax.vmap(functools.partial(vjp, lstm)))(*stacked), expected)


def traced_step_of_weights():
    """The gradient of the weights of all runs, where the inputs are data, as the temporal stage has it."""
    _, (arguments, _, length_B) = runs_of_their_own()
    *weights, x_PxRxTxBxD = arguments

    def gradient(weights, x_RxTxBxD, length_B):
        return jax.grad(lambda weights: lstm(*weights, x_RxTxBxD, length_B).sum())(weights)

    return jax.make_jaxpr(jax.vmap(gradient))(weights, x_PxRxTxBxD, length_B).jaxpr


@pytest.mark.parametrize(("platform", "barriers"), [("gpu", _TURN), ("tpu", 0)])
def test_no_loop_depends_on_data_and_nothing_large_is_transposed_or_held_apart(platform, barriers):
    with traced_for(platform):
        found = list(equations(traced_step_of_weights()))
    names = [equation.primitive.name for equation in found]
    assert not {"while", "scatter"} & {*names}  # a scatter would look up the frame for each run
    held_apart = [equation for equation in found if equation.primitive.name == "optimization_barrier"]
    assert len(held_apart) == barriers  # in the backward pass, the gradients of a frame's gates and state
    loops = [equation.params["length"] for equation in found if equation.primitive.name == "scan"]
    assert loops == [-(-FRAMES // _TURN)] * 2  # of the forward and the backward pass
    large = RUNS * REGIONS * FRAMES * BATCH * 4 * UNITS
    moved = held_apart + [equation for equation in found if equation.primitive.name == "transpose"]
    assert all(given.aval.size < large for equation in moved for given in equation.outvars)


def test_products_are_one_per_frame_and_a_few_outside_of_the_loops():
    """Outside: inputs' part, gates made anew, weights' gradients; the inputs' own is left out where they are data."""
    jaxpr = traced_step_of_weights()
    inside = [
        sum(equation.primitive.name == "dot_general" for equation in equations(loop.params["jaxpr"].jaxpr))
        for loop in equations(jaxpr)
        if loop.primitive.name == "scan"
    ]
    assert inside == [_TURN] * 2
    assert sum(equation.primitive.name == "dot_general" for equation in equations(jaxpr)) == 3 + sum(inside)
