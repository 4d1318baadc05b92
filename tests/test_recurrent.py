"""The LSTM computes what a naive loop does, in outputs and gradients, and padding does not exist for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from merjax.compiler import compiler_options
from merjax.nn.recurrent import lstm, lstm_reference

FRAMES, BATCH, INPUTS, UNITS = 7, 5, 3, 4
LENGTH_B = jnp.array([7, 0, 1, 4, 6])


def draw(seed=0):
    normal = np.random.default_rng(seed).normal
    shapes = ((INPUTS, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,), (FRAMES, BATCH, INPUTS))
    arguments = tuple(jnp.asarray(normal(size=shape), jnp.float32) for shape in shapes)
    return arguments, jnp.asarray(normal(size=(BATCH, UNITS)), jnp.float32)


def vjp(f, arguments, dh, length_B=LENGTH_B):
    h, transpose = jax.vjp(lambda *arguments: f(*arguments, length_B), *arguments)
    return h, *transpose(dh)


def assert_close(ours, reference, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def plain_lstm(kernel_x, kernel_h, bias, x_TxD):
    """One sequence in float64, gates in the order i, f, g, o."""
    h = c = np.zeros(UNITS)
    for x in np.float64(x_TxD):
        i, f, g, o = np.split(x @ kernel_x + h @ kernel_h + bias, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
    return h


def test_equals_a_plain_loop_over_each_sequence():
    (*weights, x_TxBxD), _ = draw()
    weights = [np.float64(weight) for weight in weights]
    expected = [plain_lstm(*weights, x_TxBxD[:length, b]) for b, length in enumerate(LENGTH_B)]
    assert_close(lstm(*weights, x_TxBxD, LENGTH_B), np.stack(expected))


def test_outputs_and_gradients_equal_the_reference():
    arguments, dh = draw()
    assert_close(vjp(lstm, arguments, dh), vjp(lstm_reference, arguments, dh))


@pytest.mark.parametrize("garbage", [0.0, 1e30, np.nan])
def test_padding_changes_neither_state_nor_gradients(garbage):
    (*weights, x_TxBxD), dh = draw()
    real_TxBx1 = (jnp.arange(FRAMES)[:, None] < LENGTH_B)[:, :, None]
    clean = vjp(lstm, (*weights, x_TxBxD), dh)
    dirty = vjp(lstm, (*weights, jnp.where(real_TxBx1, x_TxBxD, garbage)), dh)
    for a, b in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not jnp.where(real_TxBx1, 0, clean[-1]).any()


def test_a_sequence_does_not_see_its_neighbours():
    (*weights, x_TxBxD), dh = draw()
    only_third = dh * (jnp.arange(BATCH) == 3)[:, None]
    dx_TxBxD = vjp(lstm, (*weights, x_TxBxD), only_third)[-1]
    assert dx_TxBxD[:4, 3].all()
    assert not jnp.delete(dx_TxBxD, 3, axis=1).any()


def test_an_empty_sequence_ends_in_zeros():
    arguments, dh = draw()
    h_BxH, *_, dx_TxBxD = vjp(lstm, arguments, dh)
    assert not h_BxH[1].any()
    assert not dx_TxBxD[:, 1].any()


MAPPINGS = {
    "vmap": jax.vmap,
    "map": lambda one: lambda *runs: lax.map(lambda run: one(*run), runs),
    "scan": lambda one: lambda *runs: lax.scan(lambda carry, run: (carry, one(*run)), 0, runs)[1],
}


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_runs_together_equal_runs_alone(mapping):
    draws = [draw(seed) for seed in range(3)]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(vjp(lstm_reference, *one) for one in draws))
    runs = jax.tree.map(lambda *leaves: jnp.stack(leaves), *draws)
    together = jax.jit(MAPPINGS[mapping](lambda *one: vjp(lstm, *one)), compiler_options=compiler_options())
    assert_close(together(*runs), expected)
