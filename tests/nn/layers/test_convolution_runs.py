"""The convolutions of accelerators compute what lax.conv and reduce_window do, in both forms, with their gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.backends import as_on_an_accelerator, equations

from merjax.nn.layers.convolution import conv_relu_pool, conv_relu_pool_reference, max_pool, max_pool_reference
from merjax.nn.layers.convolution_runs import Computing, Pixels

PRODUCTS, GROUPED = Computing("products"), Computing("grouped")
# channels, height, width, kernel size, filters: of even and odd sizes
LAYERS = [(4, 10, 13, 3, 8), (8, 7, 6, 1, 16), (8, 9, 8, 7, 16)]
RUNS = 3


@pytest.fixture(autouse=True)
def accelerator(monkeypatch):
    as_on_an_accelerator(monkeypatch)


def draw(channels, height, width, size, filters, pooling="floor", seed=0, batch=3):
    normal = np.random.default_rng(seed).normal
    cells = [-(-length // 2) if pooling == "ceil" else length // 2 for length in (height, width)]
    shapes = (channels, height, width, batch), (size, size, channels, filters), (filters,), (filters, *cells, batch)
    *arguments, dy_OxHxWxB = (jnp.asarray(normal(size=shape), jnp.float32) for shape in shapes)
    return tuple(arguments), dy_OxHxWxB


def vjp(f, arguments, dy):
    y, transpose = jax.vjp(f, *arguments)
    return y, *transpose(dy)


def compiled(f, *arguments):
    return jax.jit(f, compiler_options={"xla_backend_optimization_level": 0})(*arguments)


def assert_close(ours, reference, tolerance=1e-6):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@pytest.mark.parametrize("pooling", ["floor", "ceil"])
@pytest.mark.parametrize("computing", [PRODUCTS, GROUPED], ids=lambda c: c.convolution)
@pytest.mark.parametrize("layer", LAYERS)
def test_outputs_and_gradients_equal_the_reference(layer, computing, pooling):
    arguments, dy = draw(*layer, pooling)
    forms = (
        functools.partial(f, pooling=pooling)
        for f in (functools.partial(conv_relu_pool, computing=computing), conv_relu_pool_reference)
    )
    ours, plain = (compiled(functools.partial(vjp, f), arguments, dy) for f in forms)
    assert_close(ours, plain)


@pytest.mark.parametrize("computing", [PRODUCTS, GROUPED], ids=lambda c: c.convolution)
def test_runs_together_equal_runs_alone(computing):
    draws = [draw(*LAYERS[0], seed=seed) for seed in range(RUNS)]
    expected = [compiled(functools.partial(vjp, conv_relu_pool_reference), *own) for own in draws]
    expected, stacked = (jax.tree.map(lambda *leaves: jnp.stack(leaves), *all_) for all_ in (expected, draws))
    one = functools.partial(vjp, functools.partial(conv_relu_pool, computing=computing))
    assert_close(compiled(jax.vmap(one), *stacked), expected)


def stored_image(channels, height, width, batch=3):
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (channels, height, width, batch)).astype(np.uint8)


@pytest.mark.parametrize(("channels", "size", "pooling"), [(1, 5, "floor"), (3, 5, "ceil"), (1, 3, "floor")])
def test_an_image_as_it_is_stored_equals_the_normalised_one_for_every_run(channels, size, pooling):
    """The mean counts inside the image only, since the zeros around a normalised image stand for it."""
    layer = channels, 11, 8, size, 4
    stored = stored_image(channels, 11, 8)
    draws = [draw(*layer, pooling, seed=seed) for seed in range(RUNS)]
    rng = np.random.default_rng(6)
    moments = [jnp.asarray(rng.uniform(40, 140, channels), jnp.float32) for _ in range(2 * RUNS)]
    means, scales = jnp.stack(moments[:RUNS]), jnp.stack(moments[RUNS:])

    def of_pixels(mean_C, scale_C, kernel, bias, dy):
        image = Pixels(jnp.asarray(stored), mean_C, scale_C)
        return vjp(lambda kernel, bias: conv_relu_pool(image, kernel, bias, pooling), (kernel, bias), dy)

    def plain(mean_C, scale_C, kernel, bias, dy):
        x = (jnp.float32(stored) - mean_C[:, None, None, None]) / scale_C[:, None, None, None]
        return vjp(lambda kernel, bias: conv_relu_pool_reference(x, kernel, bias, pooling), (kernel, bias), dy)

    own = [(*arguments[1:], dy) for arguments, dy in draws]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *own)
    ours, expected = (compiled(jax.vmap(f), means, scales, *stacked) for f in (of_pixels, plain))
    assert_close(ours, expected)


@pytest.mark.parametrize("pooling", ["floor", "ceil"])
def test_max_pool_equals_reduce_window_ties_included(pooling):
    x_CxHxWxB = -1 - jax.random.randint(jax.random.key(0), (2, 5, 7, 3), 0, 3).astype(jnp.float32)  # less than any zero
    dy = draw(2, 5, 7, 1, 2, pooling)[1]
    forms = (functools.partial(f, pooling=pooling) for f in (max_pool, max_pool_reference))
    for a, b in zip(*(compiled(functools.partial(vjp, f), (x_CxHxWxB,), dy) for f in forms), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("computing", [PRODUCTS, GROUPED], ids=lambda c: c.convolution)
def test_ties_of_a_flat_image_go_to_the_first_position(computing):
    (x, kernel, bias), dy = draw(1, 10, 9, 5, 4)
    one_tap = jnp.zeros_like(kernel).at[2, 2].set(kernel[2, 2])  # all positions of a cell have the same sum, bit by bit
    arguments = jnp.full_like(x, 0.5), one_tap, jnp.abs(bias)
    forms = functools.partial(conv_relu_pool, computing=computing), conv_relu_pool_reference
    ours, plain = (compiled(functools.partial(vjp, f), arguments, dy) for f in forms)
    assert_close(ours, plain)


@pytest.mark.parametrize("convolution", ["products", "grouped"])
def test_bfloat16_keeps_activations_in_half_the_bytes_and_gradients_of_weights_in_float32(convolution):
    arguments, dy = draw(*LAYERS[0])
    computing = Computing(convolution, "bfloat16")
    y, dx, dkernel, dbias = compiled(
        functools.partial(vjp, functools.partial(conv_relu_pool, computing=computing)),
        arguments,
        dy.astype(jnp.bfloat16),
    )
    assert [x.dtype.name for x in (y, dx, dkernel, dbias)] == ["bfloat16", "float32", "float32", "float32"]
    plain = compiled(functools.partial(vjp, conv_relu_pool_reference), arguments, dy)
    assert_close((y, dkernel), (plain[0], plain[2]), 0.2)
    with pytest.raises(AssertionError):
        assert_close(y, plain[0], 1e-4)


def test_no_barrier_and_no_loop_keeps_xla_from_fusing():
    arguments, dy = draw(*LAYERS[0])
    for computing in (PRODUCTS, GROUPED):
        f = functools.partial(conv_relu_pool, computing=computing)
        names = {e.primitive.name for e in equations(jax.make_jaxpr(functools.partial(vjp, f))(arguments, dy).jaxpr)}
        assert not names & {"optimization_barrier", "while", "scan"}


def test_runs_share_the_windows_of_stored_pixels():
    """No array of the program holds the pixels' windows once for each run."""
    stored, runs, batch = stored_image(1, 12, 10, batch=5), 7, 5
    (_, kernel, bias), dy = draw(1, 12, 10, 5, 4, batch=batch)
    stacked = [jnp.stack([x] * runs) for x in (kernel, bias, dy)]
    moments = jnp.full((runs, 1), 100.0)

    def one(mean_C, scale_C, kernel, bias, dy):
        return vjp(lambda k, b: conv_relu_pool(Pixels(jnp.asarray(stored), mean_C, scale_C), k, b), (kernel, bias), dy)

    program = jax.make_jaxpr(jax.vmap(one))(moments, moments, *stacked).jaxpr
    products = [e for e in equations(program) if e.primitive.name == "dot_general"]
    windows = 36 * 6 * 5 * batch
    assert any(windows in {v.aval.size for v in e.invars} for e in products)
    assert not any(runs * windows in {v.aval.size for v in e.invars} for e in products)
