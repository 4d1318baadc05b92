"""STSTNet: its fast convolution against lax, the whole network against its layers written plainly, and PyTorch's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy.signal import correlate

from merjax.nn import ststnet
from merjax.nn.ststnet import (
    FILTERS,
    STSTNet,
    Windows,
    conv_relu_moments_pool,
    conv_relu_moments_pool_reference,
    prepare,
)
from merjax.system.jax_setup import compiler_options

BATCH, FILLED = 40, 37  # 2.5 blocks of 16; the last three places are empty
RNG = np.random.default_rng(0)
WEIGHT_B = (RNG.uniform(size=BATCH) > 0.2).astype(np.float32) * (np.arange(BATCH) < FILLED)
SMALLEST_O = np.arange(FILTERS) % 5 == 2
fast = functools.partial(jax.jit, compiler_options=compiler_options())


def images(batches: int = 1) -> np.ndarray:
    """Flow images like real ones: most of a picture is one gray value."""
    x_KxCxHxWxB = RNG.normal(128, 4, (batches, 3, 28, 28, BATCH))
    x_KxCxHxWxB[:, :, 8:20, 5:24] += RNG.normal(0, 60, (batches, 3, 12, 19, BATCH))
    return x_KxCxHxWxB.clip(0, 255).astype(np.uint8)


def variables_of(classes: int = 3) -> dict:
    """A network as after some training: no average has its initial value, and some scales are negative."""
    windows = Windows(prepare(images()), 0, FILLED)
    shapes = jax.eval_shape(lambda: STSTNet(classes).init(jax.random.key(0), windows, WEIGHT_B, 0.0, None))
    moved = jax.tree.map(lambda x: 0.05 * RNG.normal(size=x.shape).astype(np.float32), shapes)
    moved["params"]["norm"]["scale"] = np.where(SMALLEST_O, -0.6, 1.2).astype(np.float32)
    stats = {"mean": RNG.uniform(0, 40, FILTERS), "variance": RNG.uniform(50, 900, FILTERS)}
    moved["batch_stats"]["norm"] = {name: value.astype(np.float32) for name, value in stats.items()}
    return moved


def distance(a, b) -> float:
    return float(np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b))


@pytest.mark.parametrize(
    "backend", ["cpu", pytest.param("gpu", marks=pytest.mark.long)]
)  # which decides into how many blocks a batch is cut
def test_the_fast_convolution_equals_the_plain_one(monkeypatch, backend):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x_KxCxHxWxB = images(2)
    blocks = prepare(x_KxCxHxWxB)
    monkeypatch.undo()
    kernel_HWIO = RNG.uniform(-0.2, 0.2, (3, 3, 3, FILTERS)).astype(np.float32)
    bias_O = RNG.uniform(-0.2, 0.2, FILTERS).astype(np.float32)
    pull_OxMxB = RNG.normal(size=(FILTERS, 100, BATCH)).astype(np.float32) * (np.arange(BATCH) < FILLED)
    pull_2xO = RNG.normal(size=(2, FILTERS)).astype(np.float32) * 1e3

    def pulled(pooled_OxMxB, moments):
        pooled_OxMxB = jnp.where(jnp.arange(BATCH) < FILLED, pooled_OxMxB, 0)
        total = (pooled_OxMxB * pull_OxMxB).sum() + (jnp.stack(moments[:2]) * pull_2xO).sum()
        return total, (pooled_OxMxB, moments)

    def ours(kernel_HWIO, bias_O):
        windows = Windows(blocks, 1, FILLED)
        return pulled(*conv_relu_moments_pool(windows, kernel_HWIO, bias_O, SMALLEST_O, WEIGHT_B))

    def plain(kernel_HWIO, bias_O):
        x_CxHxWxB = jnp.asarray(x_KxCxHxWxB[1], jnp.float32)
        return pulled(*conv_relu_moments_pool_reference(x_CxHxWxB, kernel_HWIO, bias_O, SMALLEST_O, WEIGHT_B))

    (_, values), gradients = fast(jax.value_and_grad(ours, (0, 1), has_aux=True))(kernel_HWIO, bias_O)
    (_, expected), expected_gradients = fast(jax.value_and_grad(plain, (0, 1), has_aux=True))(kernel_HWIO, bias_O)
    for a, b in zip(jax.tree.leaves((values, gradients)), jax.tree.leaves((expected, expected_gradients)), strict=True):
        assert distance(a, b) < 1e-5


def test_runs_together_equal_runs_alone():
    """Mapped over runs, the windows are shared."""
    blocks = prepare(images())
    kernel_PxHWIO = RNG.uniform(-0.2, 0.2, (2, 3, 3, 3, FILTERS)).astype(np.float32)

    def total(kernel_HWIO, weight_B):
        windows = Windows(blocks, 0, FILLED)
        pooled, moments = conv_relu_moments_pool(windows, kernel_HWIO, jnp.zeros(FILTERS), SMALLEST_O, weight_B)
        return (pooled[..., :FILLED] ** 2).sum() + moments.variance_C.sum()

    weight_PxB = np.stack([WEIGHT_B, 1 - WEIGHT_B])
    together = fast(jax.vmap(jax.grad(total)))(kernel_PxHWIO, weight_PxB)
    for p in range(2):
        assert distance(together[p], fast(jax.grad(total))(kernel_PxHWIO[p], weight_PxB[p])) < 1e-5


def test_the_network_equals_its_layers_said_plainly():
    """In inference, by SciPy and NumPy in double precision."""
    x_KxCxHxWxB, variables = images(), variables_of()
    blocks = prepare(x_KxCxHxWxB)
    network = fast(lambda variables: STSTNet(3).apply(variables, Windows(blocks, 0, FILLED), WEIGHT_B, 0.0, None))
    scores = network(variables)
    params, stats = jax.tree.map(
        lambda x: np.asarray(x, float), (variables["params"], variables["batch_stats"]["norm"])
    )
    for b in (0, 17, FILLED - 1):
        x = np.pad(x_KxCxHxWxB[0, ..., b].astype(float), ((0, 0), (2, 2), (2, 2)))
        feature = []
        for o in range(FILTERS):
            y = sum(correlate(x[c], params["kernel"][:, :, c, o], "valid") for c in range(3)) + params["bias"][o]
            y = (np.maximum(y, 0) - stats["mean"][o]) / np.sqrt(stats["variance"][o] + 1e-5)
            y = y * params["norm"]["scale"][o] + params["norm"]["bias"][o]
            y = np.pad(y, 1, constant_values=-np.inf)[:30, :30].reshape(10, 3, 10, 3).max((1, 3))
            feature.append(y.reshape(5, 2, 5, 2).mean((1, 3)).ravel())
        expected = np.concatenate(feature) @ params["fc"]["kernel"] + params["fc"]["bias"]
        np.testing.assert_allclose(scores[b], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("classes", [3, 5])
def test_it_has_the_parameters_of_its_port(classes):
    """Convolutions of 3, 5 and 8 filters, their batch normalisations, FC 400 -> K.

    The port's checkpoints have 10,228 bytes: of 23 tensors, 1,683 parameters and 32 running averages in float32 and three
    counters of batches in int64, which we do not keep; the other 3,344 bytes are what PyTorch's old format writes around
    them. How the bytes split is our reading: no checkpoint is at hand, but `torch.save` of such a network has as many, if
    the storage keys have 13 digits and name "cuda:0".
    """
    variables = variables_of(classes)
    parameters, averages = (
        sum(leaf.size for leaf in jax.tree.leaves(variables[kind])) for kind in ("params", "batch_stats")
    )
    streams = sum(filters * (27 + 1) + 2 * filters for filters in (3, 5, 8))
    assert parameters == streams + 401 * classes
    assert averages == 2 * (3 + 5 + 8)
    if classes == 3:
        assert 4 * (parameters + averages) + 3 * 8 == 10_228 - 3_344


def test_weights_start_as_pytorchs_do():
    params = STSTNet(3).init(jax.random.key(1), Windows(prepare(images()), 0, FILLED), WEIGHT_B, 0.0, None)["params"]
    for leaf, fan_in in ((params["kernel"], 27), (params["bias"], 27), (params["fc"]["kernel"], 400)):
        assert 0.8 < np.abs(leaf).max() * np.sqrt(fan_in) <= 1


def step_of(images_KxCxHxWxB, variables, label_B):
    """Gradients of a training step without dropout, scores and running averages."""

    def loss(params):
        windows = Windows(prepare(images_KxCxHxWxB), 0, FILLED)
        tree = variables | {"params": params}
        scores, changed = STSTNet(3).apply(tree, windows, WEIGHT_B, 0.0, jax.random.key(0), mutable=["batch_stats"])
        log_p_B = jax.nn.log_softmax(scores)[jnp.arange(BATCH), label_B]
        return -(log_p_B @ WEIGHT_B) / WEIGHT_B.sum(), (scores, changed["batch_stats"]["norm"])

    return fast(jax.grad(loss, has_aux=True))(variables["params"])


@pytest.mark.long
def test_a_training_step_equals_its_layers_said_plainly():
    """Scores, gradients and running averages of a batch, by lax's convolution and pooling and JAX's derivatives of them."""
    x_KxCxHxWxB, variables, label_B = images(), variables_of(), RNG.integers(0, 3, BATCH)
    kept = np.flatnonzero(WEIGHT_B)
    x = x_KxCxHxWxB[0].transpose(3, 0, 1, 2)[kept].astype(np.float32)

    def loss(params):
        streams, means, variances, first = [], [], [], 0
        for filters in (3, 5, 8):
            own = slice(first, first + filters)
            kernel_OIHW = params["kernel"].transpose(3, 2, 0, 1)[own]
            y = lax.conv_general_dilated(x, kernel_OIHW, (1, 1), [(2, 2), (2, 2)], precision="highest")
            y = jnp.maximum(y + params["bias"][own, None, None], 0)
            means.append(y.mean((0, 2, 3), keepdims=True))
            variances.append(jnp.square(y - means[-1]).mean((0, 2, 3), keepdims=True))
            y = (y - means[-1]) / jnp.sqrt(variances[-1] + 1e-5)
            y = y * params["norm"]["scale"][own, None, None] + params["norm"]["bias"][own, None, None]
            places = ((0, 0), (0, 0), (1, 1), (1, 1))
            streams.append(lax.reduce_window(y, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 3, 3), places))
            first += filters
        feature = jnp.concatenate(streams, 1)
        feature = lax.reduce_window(feature, 0.0, lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4
        scores = jnp.dot(feature.reshape(len(x), 400), params["fc"]["kernel"], precision="highest")
        scores = scores + params["fc"]["bias"]
        log_p = jax.nn.log_softmax(scores)[jnp.arange(len(x)), label_B[kept]]
        return -log_p.mean(), (scores, *(jnp.concatenate(part, 1).ravel() for part in (means, variances)))

    expected, (scores, mean_C, variance_C) = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    gradient, (ours, averages) = step_of(x_KxCxHxWxB, variables, label_B)
    assert distance(ours[kept], scores) < 1e-5
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        assert distance(a, b) < 1e-4
    values, before = len(x) * 30 * 30, variables["batch_stats"]["norm"]
    assert distance(averages["mean"], 0.9 * before["mean"] + 0.1 * mean_C) < 1e-5
    assert distance(averages["variance"], 0.9 * before["variance"] + 0.1 * variance_C * values / (values - 1)) < 1e-5


def test_a_training_step_equals_pytorchs():
    """Scores, gradients and running averages of a batch, from the same weights, without dropout."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x_KxCxHxWxB, variables = images(), variables_of()
    kept = np.flatnonzero(WEIGHT_B)
    label_B = RNG.integers(0, 3, BATCH)
    gradient, (scores, averages) = step_of(x_KxCxHxWxB, variables, label_B)
    params, stats = jax.tree.map(lambda x: torch.tensor(np.asarray(x)), (variables["params"], variables["batch_stats"]))
    stats = stats["norm"]
    leaves = [leaf.requires_grad_() for leaf in jax.tree.leaves(params)]
    x = torch.tensor(x_KxCxHxWxB[0].transpose(3, 0, 1, 2)[kept].astype(np.float32))
    streams, first = [], 0
    for filters in (3, 5, 8):
        own = slice(first, first + filters)
        y = torch.relu(functional.conv2d(x, params["kernel"].permute(3, 2, 0, 1)[own], params["bias"][own], padding=2))
        norm = params["norm"]
        y = functional.batch_norm(
            y, stats["mean"][own], stats["variance"][own], norm["scale"][own], norm["bias"][own], training=True
        )
        streams.append(functional.max_pool2d(y, 3, 3, 1))
        first += filters
    theirs = functional.avg_pool2d(torch.cat(streams, 1), 2).flatten(1) @ params["fc"]["kernel"] + params["fc"]["bias"]
    functional.cross_entropy(theirs, torch.tensor(label_B[kept])).backward()
    assert distance(scores[kept], theirs.detach().numpy()) < 1e-5
    for ours, leaf in zip(jax.tree.leaves(gradient), leaves, strict=True):
        assert distance(ours, leaf.grad.numpy()) < 1e-4
    for name in ("mean", "variance"):
        assert distance(averages[name], stats[name].numpy()) < 1e-5


def test_the_windows_are_laid_out_once_for_all_runs():
    """What the engine's `prepare` is for: a run's step takes a block of them as it lies there."""
    assert prepare(images(2)).shape == (2, 3, 28, 9 * 100 * ststnet._BLOCK)
