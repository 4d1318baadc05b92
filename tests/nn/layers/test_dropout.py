"""Dropout by hand keeps what linen's keeps, with a traced rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from merjax.nn.layers.dropout import dropout


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 1.0])
def test_expectation_stays_and_the_gradient_is_the_mask(rate):
    x = jnp.ones((100, 999))
    y, transpose = jax.vjp(lambda x: dropout(x, rate, jax.random.key(0)), x)
    np.testing.assert_allclose((y == 0).mean(), rate, atol=0.01)
    np.testing.assert_allclose(y.mean(), rate < 1, atol=0.01)
    np.testing.assert_array_equal(transpose(x)[0], y)


def test_rate_zero_is_the_identity():
    x = jax.random.normal(jax.random.key(0), (31, 7))
    np.testing.assert_array_equal(jax.jit(dropout)(x, 0.0, jax.random.key(1)), x)


def test_runs_have_their_own_rates_and_keys():
    x, keys, rates = jnp.ones((30, 41)), jax.random.split(jax.random.key(0), 3), jnp.array([0.0, 0.3, 0.5])
    together = jax.jit(jax.vmap(dropout, (None, 0, 0)))(x, rates, keys)
    for n in range(3):
        np.testing.assert_array_equal(together[n], jax.jit(dropout)(x, rates[n], keys[n]))


def test_elements_are_independent():
    kept = dropout(jnp.ones(2**16), 0.5, jax.random.key(0)) > 0
    np.testing.assert_allclose((kept[::2] == kept[1::2]).mean(), 0.5, atol=0.02)
