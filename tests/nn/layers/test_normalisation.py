"""Batch normalisation by weights: the same as on the subset, and as PyTorch's conventions say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merjax.nn.layers.normalisation import BatchNorm, weighted_moments

C, H, W, B = 3, 2, 4, 10
NORM = BatchNorm(C)


def images(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(rng.normal(0, 3, (C, 1, 1, 1)), rng.uniform(0.1, 3, (C, 1, 1, 1)), (C, H, W, B)).astype(
        np.float32
    )


def start() -> dict:
    rng = np.random.default_rng(1)
    params = {"scale": np.array([1.5, -0.7, 0.2], np.float32), "bias": rng.normal(size=C).astype(np.float32)}
    stats = {"mean": rng.normal(size=C).astype(np.float32), "variance": rng.uniform(1, 2, C).astype(np.float32)}
    return {"params": params, "batch_stats": stats}


@jax.jit
def trained(variables, x_CxHxWxB, weight_B):
    return NORM.apply(variables, x_CxHxWxB, weighted_moments(x_CxHxWxB, weight_B), mutable=["batch_stats"])


@jax.jit
def gradient(variables, x_CxHxWxB, weight_B, pull_CxHxWxB):
    def pulled(params, x_CxHxWxB):
        return (trained(variables | {"params": params}, x_CxHxWxB, weight_B)[0] * pull_CxHxWxB * weight_B).sum()

    return jax.grad(pulled, (0, 1))(variables["params"], x_CxHxWxB)


def plain(variables, x_CxHxWxM):
    """By NumPy in double precision, with PyTorch's conventions: outputs and running averages."""
    x = x_CxHxWxM.astype(float)
    each = (slice(None), None, None, None)
    mean, variance = x.mean((1, 2, 3)), x.var((1, 2, 3))
    y = (x - mean[each]) / np.sqrt(variance + 1e-5)[each]
    y = y * variables["params"]["scale"][each] + variables["params"]["bias"][each]
    unbiased = variance * x[0].size / (x[0].size - 1)
    old = variables["batch_stats"]
    return y, {"mean": 0.9 * old["mean"] + 0.1 * mean, "variance": 0.9 * old["variance"] + 0.1 * unbiased}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sets(st.integers(0, B - 1), min_size=1))
def test_masked_equals_the_subset_in_values_gradients_and_running_averages(seed, kept):
    kept, x_CxHxWxB = sorted(kept), images(seed)
    weight_B = np.isin(np.arange(B), kept).astype(np.float32)
    y, changed = trained(start(), x_CxHxWxB, weight_B)
    expected, averages = plain(start(), x_CxHxWxB[..., kept])
    np.testing.assert_allclose(y[..., kept], expected, rtol=1e-4, atol=1e-4)
    for name, value in averages.items():
        np.testing.assert_allclose(changed["batch_stats"][name], value, rtol=1e-5, atol=1e-5)
    pull = np.random.default_rng(seed).normal(size=x_CxHxWxB.shape).astype(np.float32)
    of_params, of_x = gradient(start(), x_CxHxWxB, weight_B, pull)
    alone_params, alone_x = gradient(start(), x_CxHxWxB[..., kept], np.ones(len(kept), np.float32), pull[..., kept])
    np.testing.assert_allclose(of_x[..., kept], alone_x, rtol=1e-3, atol=1e-3)
    for name in of_params:
        np.testing.assert_allclose(of_params[name], alone_params[name], rtol=1e-3, atol=1e-3)


def test_what_a_sample_of_weight_zero_shows_changes_no_bit():
    x_CxHxWxB, weight_B = images(0), np.ones(B, np.float32)
    weight_B[[2, 5]] = 0
    other = x_CxHxWxB.copy()
    other[..., [2, 5]] += 1e4
    (y, changed), (z, also) = (trained(start(), x, weight_B) for x in (x_CxHxWxB, other))
    np.testing.assert_array_equal(y[..., weight_B > 0], z[..., weight_B > 0])
    for a, b in zip(jax.tree.leaves(changed), jax.tree.leaves(also), strict=True):
        np.testing.assert_array_equal(a, b)


def test_inference_uses_the_running_averages_and_leaves_them():
    variables, x_CxHxWxB = start(), images(0)
    y, changed = NORM.apply(variables, x_CxHxWxB, None, mutable=["batch_stats"])
    each = (slice(None), None, None, None)
    mean, variance = (variables["batch_stats"][name][each] for name in ("mean", "variance"))
    scale, bias = (variables["params"][name][each] for name in ("scale", "bias"))
    np.testing.assert_allclose(y, (x_CxHxWxB - mean) / np.sqrt(variance + 1e-5) * scale + bias, rtol=1e-5, atol=1e-5)
    for a, b in zip(jax.tree.leaves(changed["batch_stats"]), jax.tree.leaves(variables["batch_stats"]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_equals_pytorch():
    torch = pytest.importorskip("torch")
    x_CxHxWxB, variables = images(3), start()
    theirs = torch.nn.BatchNorm2d(C)
    with torch.no_grad():
        for own, name in ((theirs.weight, "scale"), (theirs.bias, "bias")):
            own.copy_(torch.tensor(variables["params"][name]))
        for own, name in ((theirs.running_mean, "mean"), (theirs.running_var, "variance")):
            own.copy_(torch.tensor(variables["batch_stats"][name]))
    expected = theirs(torch.tensor(x_CxHxWxB[..., 2:].transpose(3, 0, 1, 2).copy())).detach().numpy()
    y, changed = trained(variables, x_CxHxWxB, (np.arange(B) >= 2).astype(np.float32))
    np.testing.assert_allclose(y[..., 2:], expected.transpose(1, 2, 3, 0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(changed["batch_stats"]["mean"], theirs.running_mean, rtol=1e-5)
    np.testing.assert_allclose(changed["batch_stats"]["variance"], theirs.running_var, rtol=1e-5)


def test_a_batch_without_weight_is_finite():
    y, changed = trained(start(), images(0), jnp.zeros(B))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((y, changed)))
