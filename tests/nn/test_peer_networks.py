"""The baselines' networks on u, v and strain: parameter counts, and each whole network against its layers in plain NumPy."""

import functools

import jax
import numpy as np
import pytest
from scipy.ndimage import maximum_filter
from scipy.signal import correlate

from merjax.nn.dual_inception import DualInception
from merjax.nn.layers.convolution import convolve
from merjax.nn.off_apexnet import OFFApexNet
from merjax.nn.rcn_merjax import RCNAMerjax
from merjax.system.jax_setup import compiler_options

BATCH = 4
RNG = np.random.default_rng(0)
X_CxHxWxB = RNG.uniform(size=(3, 28, 28, BATCH)).astype(np.float32)
ONES_B = np.ones(BATCH, np.float32)
CLASSES = 3


@functools.cache
def variables_of(network) -> dict:
    """Weights about as large as at the start, with biases and averages large enough to matter."""
    shapes = jax.eval_shape(lambda: network(CLASSES).init(jax.random.key(0), X_CxHxWxB, ONES_B, 0.0, None))

    def drawn(shape):
        if len(shape.shape) == 1:
            return RNG.uniform(0.1, 0.3, shape.shape).astype(np.float32)
        inputs = shape.size // shape.shape[-1]
        return (RNG.normal(size=shape.shape) * (2 / inputs) ** 0.5).astype(np.float32)

    return jax.tree.map(drawn, shapes)


@functools.cache
def compiled(network):
    """The scores of images, with a key as in training."""

    def scores(variables, x_CxHxWxB, rate, key):
        return network(CLASSES).apply(variables, x_CxHxWxB, ONES_B, rate, key, mutable=["batch_stats"])[0]

    return functools.partial(jax.jit(scores, compiler_options=compiler_options()), variables_of(network))


def relu(x):
    return np.maximum(x, 0)


def conv(x_CxHxW, p):
    kernel_HWIO = p["kernel"]
    y = [
        sum(correlate(x, kernel_HWIO[:, :, c, o], "same") for c, x in enumerate(x_CxHxW)) for o in range(len(p["bias"]))
    ]
    return np.stack(y) + p["bias"][:, None, None]


def pool(x_CxHxW):
    channels, height, width = x_CxHxW.shape
    return x_CxHxW.reshape(channels, height // 2, 2, width // 2, 2).max((2, 4))


def dense(x, p):
    return x @ p["kernel"] + p["bias"]


def off_apexnet(variables, x_CxHxW):
    p, streams = variables["params"], []
    for component, name in enumerate("uv"):
        y = x_CxHxW[component][None]
        for filters in (6, 16):
            y = pool(relu(conv(y, p[f"{name}_conv{filters}"])))
        streams.append(y.ravel())
    hidden = np.concatenate(streams)
    for layer in ("Dense_0", "Dense_1"):
        hidden = relu(dense(hidden, p["fc"][layer]))
    return dense(hidden, p["fc"]["Dense_2"])


def dual_inception(variables, x_CxHxW):
    p, streams = variables["params"], []
    for component, name in enumerate("uv"):
        y = x_CxHxW[component][None]
        for filters in (6, 16):
            q = p[f"{name}_inception{filters}"]
            reduced = [relu(conv(y, q[f"reduce{size}"])) for size in (3, 5)]
            nearby = np.stack([maximum_filter(channel, 3, mode="constant", cval=-np.inf) for channel in y])
            branches = [(y, "conv1"), (reduced[0], "conv3"), (reduced[1], "conv5"), (nearby, "after_pool")]
            y = pool(np.concatenate([relu(conv(x, q[branch])) for x, branch in branches]))
        streams.append(y.ravel())
    return dense(relu(dense(np.concatenate(streams), p["fc"]["Dense_0"])), p["fc"]["Dense_1"])


def rcn_a_merjax(variables, x_CxHxW):
    p, stats = variables["params"], variables["batch_stats"]["norm"]
    y = conv(x_CxHxW, p["conv"])
    scale = p["norm"]["scale"] / np.sqrt(stats["variance"] + 1e-5)
    y = pool(relu((y - stats["mean"][:, None, None]) * scale[:, None, None] + p["norm"]["bias"][:, None, None]))
    forward = conv(y, p["feed_forward"])
    y = relu(forward)
    for _ in range(2):
        y = relu(forward + conv(y, p["recurrent"]))
    y = pool(y)
    maps = [(y * p["kernel"][..., k]).sum(0) for k in range(CLASSES)]
    attended = y * np.mean([(m - m.min()) / (m.max() - m.min()) for m in maps], axis=0)
    return np.array([(attended * p["kernel"][..., k]).sum() for k in range(CLASSES)]) + p["bias"]


PLAIN = {OFFApexNet: off_apexnet, DualInception: dual_inception, RCNAMerjax: rcn_a_merjax}


@pytest.mark.parametrize("network", PLAIN)
def test_a_network_equals_its_layers_said_plainly(network):
    scores_BxK = compiled(network)(X_CxHxWxB, 0.5, None)
    double = jax.tree.map(lambda x: x.astype(float), variables_of(network))
    for b in range(2):
        expected_K = PLAIN[network](double, X_CxHxWxB[..., b].astype(float))
        np.testing.assert_allclose(scores_BxK[b], expected_K, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (OFFApexNet, 2_664_475),  # as published
        # two streams of blocks on 1 and 24 channels, and FC 6272 -> 1024 -> 3
        (DualInception, 2 * ((12 + 342 + 918 + 12) + (400 + 2720 + 6816 + 400)) + 6272 * 1024 + 1024 + 1024 * 3 + 3),
        (RCNAMerjax, (75 * 64 + 64) + 128 + (64 * 64 + 64) + (9 * 64 * 64 + 64) + 64 * 49 * 3 + 3),
    ],
)
def test_parameter_counts(network, count):
    module = network(CLASSES)
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), X_CxHxWxB, ONES_B, 0.0, None))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@pytest.mark.long
@pytest.mark.parametrize("network", PLAIN)
def test_training_drops_at_the_given_rate(network):
    keys = [jax.random.key(i) for i in range(2)]
    one, other = (compiled(network)(X_CxHxWxB, 0.5, key) for key in keys)
    assert (one != other).any()
    one, other = (compiled(network)(X_CxHxWxB, 0.0, key) for key in keys)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("network", "uses"), [(OFFApexNet, False), (DualInception, False), (RCNAMerjax, True)])
def test_the_two_stream_networks_see_u_and_v_alone(network, uses):
    other = X_CxHxWxB.copy()
    other[2] = 1 - other[2]
    one, changed = (compiled(network)(x, 0.0, None) for x in (X_CxHxWxB, other))
    assert (np.asarray(one) != changed).any() == uses


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=pytest.mark.long), 5])
def test_convolving_by_a_product_equals_lax(size):
    kernel_HWIO = RNG.normal(size=(size, size, 3, 7)).astype(np.float32)
    pull = RNG.normal(size=(7, 28, 28, BATCH)).astype(np.float32)
    layout = ("CHWN", "HWIO", "CHWN")

    def plain(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)

    def output_and_gradients(f):
        def both(x, kernel, pull):
            y, transpose = jax.vjp(f, x, kernel)
            return y, *transpose(pull)

        return jax.jit(both, compiler_options=compiler_options())(X_CxHxWxB, kernel_HWIO, pull)

    (y, *gradients), (expected, *theirs) = (output_and_gradients(f) for f in (convolve, plain))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    for ours, other in zip(gradients, theirs, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-3, atol=1e-3)
