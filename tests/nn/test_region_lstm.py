"""The temporal model is Eqs. 6 and 7."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from merjax.nn.layers.recurrent import lstm_reference
from merjax.nn.region_lstm import TemporalClassifier
from merjax.system.jax_setup import compiler_options

BATCH, FRAMES, REGIONS, INPUTS, UNITS, CLASSES = 4, 6, 3, 5, 8, 3
LENGTH_B = jnp.array([6, 1, 3, 5])
MODEL = TemporalClassifier(UNITS, CLASSES)
ALL_R = jnp.ones(REGIONS)


def fast(f):
    return jax.jit(f, compiler_options=compiler_options())


@pytest.fixture(scope="module")
def features_BxTxRxD():
    return jnp.asarray(np.random.default_rng(0).normal(size=(BATCH, FRAMES, REGIONS, INPUTS)), jnp.float32)


@pytest.fixture(scope="module")
def params(features_BxTxRxD):
    init = fast(lambda key: MODEL.init(key, features_BxTxRxD, LENGTH_B, ALL_R, (0.0, 0.0), None)["params"])
    return init(jax.random.key(0))


def scores(params, features, mask_R=ALL_R, rates=(0.0, 0.0), key=None):
    return MODEL.apply({"params": params}, features, LENGTH_B, mask_R, rates, key)


def plain_scores(params, features, mask_R=ALL_R):
    def leaky(x):
        return jnp.where(x > 0, x, 0.01 * x)

    weights = params["kernel_x"], params["kernel_h"], params["bias"]
    stf_RxBxH = leaky(lstm_reference(*weights, features.transpose(2, 1, 0, 3), LENGTH_B)) * mask_R[:, None, None]
    hidden = leaky(jnp.concatenate([*stf_RxBxH], 1) @ params["fc256"]["kernel"] + params["fc256"]["bias"])
    return hidden @ params["out"]["kernel"] + params["out"]["bias"]


def assert_close(ours, reference, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b) + 1e-12


def test_equals_equations_6_and_7_with_gradients(params, features_BxTxRxD):
    def loss(scores):
        return lambda params: jnp.sum(jnp.sin(scores(params, features_BxTxRxD)))

    ours, plain = (fast(jax.value_and_grad(loss(f)))(params) for f in (scores, plain_scores))
    assert_close(ours, plain)


def test_initial_parameters(params):
    kernel_h = np.asarray(params["kernel_h"]).reshape(REGIONS, UNITS, 4, UNITS).transpose(0, 2, 1, 3)
    identity = np.broadcast_to(np.eye(UNITS), kernel_h.shape)
    np.testing.assert_allclose(kernel_h @ kernel_h.swapaxes(-1, -2), identity, atol=1e-5)
    bias = np.asarray(params["bias"]).reshape(REGIONS, 4, UNITS)
    assert (bias[:, 1] == 1).all()
    assert (bias[:, [0, 2, 3]] == 0).all()
    limit = np.sqrt(6 / (INPUTS + 4 * UNITS))
    assert 0.9 * limit < np.abs(params["kernel_x"]).max() <= limit


def test_a_region_switched_off_leaves_scores_and_gradients(params, features_BxTxRxD):
    mask_R = ALL_R.at[1].set(0)
    changed = features_BxTxRxD.at[:, :, 1].add(1.0)
    gradient = fast(jax.grad(lambda params, features: scores(params, features, mask_R).sum()))
    scored = fast(scores)
    np.testing.assert_array_equal(scored(params, features_BxTxRxD, mask_R), scored(params, changed, mask_R))
    off = gradient(params, features_BxTxRxD)
    assert not off["kernel_h"][1].any()
    assert off["kernel_h"][0].any()
    assert not jnp.array_equal(scored(params, features_BxTxRxD, mask_R), scored(params, features_BxTxRxD, ALL_R))


def test_padding_does_not_reach_the_scores(params, features_BxTxRxD):
    padded_BxT = jnp.arange(FRAMES) >= LENGTH_B[:, None]
    dirty = jnp.where(padded_BxT[:, :, None, None], jnp.nan, features_BxTxRxD)
    scored = fast(scores)
    np.testing.assert_array_equal(scored(params, features_BxTxRxD), scored(params, dirty))


@pytest.mark.long
def test_dropout_takes_traced_rates(params, features_BxTxRxD):
    @fast
    def dropped(rates, key):
        return scores(params, features_BxTxRxD, rates=rates, key=key)

    keys = [jax.random.key(seed) for seed in (0, 0, 1)]
    first, again, other = (dropped((0.2, 0.5), key) for key in keys)
    np.testing.assert_array_equal(first, again)
    assert not jnp.array_equal(first, other)
    assert_close(dropped((0.0, 0.0), keys[0]), scores(params, features_BxTxRxD), 1e-6)


@pytest.mark.long
def test_runs_in_vmap_and_map_equal_runs_alone(params, features_BxTxRxD):
    runs = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.5 * leaf, -leaf]), params)
    gradient = jax.grad(lambda params: scores(params, features_BxTxRxD).sum())
    alone = fast(gradient)
    expected = [alone(jax.tree.map(lambda leaf, n=n: leaf[n], runs)) for n in range(3)]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *expected)
    assert_close(fast(jax.vmap(gradient))(runs), expected)
    assert_close(fast(lambda runs: lax.map(gradient, runs))(runs), expected)
