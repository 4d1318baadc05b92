"""The convolution-and-pool block computes what lax.conv and reduce_window do, and so does its hand-written gradient."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from merjax.faces.regions import FACE, REGIONS
from merjax.nn.layers import convolution
from merjax.nn.layers.convolution import conv_relu_pool, conv_relu_pool_reference, max_pool, max_pool_reference
from merjax.system.jax_setup import compiler_options

# channels, height, width, kernel size, filters: Eq. 2's shapes on sizes of every remainder, gray and three-channel input
LAYERS = [
    (1, 12, 9, 5, 4),
    (1, 10, 15, 5, 4),
    (1, 14, 8, 3, 2),
    (3, 11, 8, 5, 4),
    (4, 10, 14, 3, 8),
    (8, 7, 5, 1, 16),
    (8, 9, 9, 3, 16),
    (8, 7, 10, 7, 16),
]


def draw(channels, height, width, size, filters, batch=3, seed=0):
    normal = np.random.default_rng(seed).normal
    shapes = ((channels, height, width, batch), (size, size, channels, filters), (filters,))
    x_CxHxWxB, kernel_HWIO, bias_O = (jnp.asarray(normal(size=shape), jnp.float32) for shape in shapes)
    dy_OxHxWxB = jnp.asarray(normal(size=(filters, height // 2, width // 2, batch)), jnp.float32)
    return (x_CxHxWxB, kernel_HWIO, bias_O), dy_OxHxWxB


def output_and_gradients(f, arguments, dy):
    return compiled(functools.partial(vjp, f))(arguments, dy)


def vjp(f, arguments, dy):
    y, transpose = jax.vjp(f, *arguments)
    return y, *transpose(dy)


def compiled(f):
    return jax.jit(f, compiler_options=compiler_options())


def assert_close(ours, reference, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@pytest.mark.parametrize(
    "columns", [pytest.param(1, marks=pytest.mark.long), 40, pytest.param(10**6, marks=pytest.mark.long)]
)  # strips of one row, of some rows, of all
# by default the first layers, one of three channels, of four and of a kernel of one
@pytest.mark.parametrize(
    "layer",
    [pytest.param(layer, marks=[] if n in (0, 3, 4, 5) else pytest.mark.long) for n, layer in enumerate(LAYERS)],
)
def test_outputs_and_gradients_equal_the_reference(layer, columns, monkeypatch):
    monkeypatch.setattr(convolution, "_COLUMNS", columns)
    arguments, dy = draw(*layer)
    ours = output_and_gradients(conv_relu_pool, arguments, dy)
    assert_close(ours, output_and_gradients(conv_relu_pool_reference, arguments, dy))


# the layers with one odd side and with two, in strips of some rows and of all
@pytest.mark.parametrize(
    ("layer", "columns"),
    [
        pytest.param(layer, columns, marks=[] if (n, columns) in ((0, 40), (6, 40)) else pytest.mark.long)
        for n, layer in enumerate(LAYERS)
        for columns in (1, 40, 10**6)
    ],
)
def test_pooling_of_odd_ends_equals_the_reference(layer, columns, monkeypatch):
    monkeypatch.setattr(convolution, "_COLUMNS", columns)
    arguments, _ = draw(*layer)
    _, height, width, _, filters = layer
    dy = jnp.asarray(np.random.default_rng(1).normal(size=(filters, -(-height // 2), -(-width // 2), 3)), jnp.float32)
    ours, plain = (functools.partial(f, pooling="ceil") for f in (conv_relu_pool, conv_relu_pool_reference))
    assert_close(output_and_gradients(ours, arguments, dy), output_and_gradients(plain, arguments, dy))


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), pytest.param((2, 6, 5, 3), marks=pytest.mark.long)])
def test_max_pool_of_odd_ends_equals_reduce_window(shape):
    x_CxHxWxB = -1 - jax.random.randint(jax.random.key(0), shape, 0, 3).astype(jnp.float32)  # less than any zero
    dy = jax.random.normal(jax.random.key(1), (shape[0], -(-shape[1] // 2), -(-shape[2] // 2), shape[3]))
    ours, plain = (functools.partial(f, pooling="ceil") for f in (max_pool, max_pool_reference))
    pairs = (output_and_gradients(f, (x_CxHxWxB,), dy) for f in (ours, plain))
    for a, b in zip(*pairs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_output_equals_a_plain_loop():
    (x, kernel, bias), _ = draw(2, 5, 7, 3, 3)
    padded = np.pad(np.float64(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = np.zeros((3, 5, 7, 3))
    for row in range(5):
        for column in range(7):
            y[:, row, column] = np.einsum("chwb,hwco->ob", padded[:, row : row + 3, column : column + 3], kernel)
    y = np.maximum(y + np.asarray(bias)[:, None, None, None], 0)
    pooled = y[:, :4, :6].reshape(3, 2, 2, 3, 2, 3).max((2, 4))
    assert_close(conv_relu_pool(x, kernel, bias), pooled)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_ties_of_a_flat_image_go_to_the_first_position(value):
    (x, kernel, bias), dy = draw(1, 10, 9, 5, 4)
    # All positions of a cell have the same sum, bit by bit, if a single tap meets a flat image.
    one_tap = jnp.zeros_like(kernel).at[2, 2].set(kernel[2, 2])
    arguments = (jnp.full_like(x, value), one_tap, jnp.abs(bias))
    ours = output_and_gradients(conv_relu_pool, arguments, dy)
    assert_close(ours, output_and_gradients(conv_relu_pool_reference, arguments, dy))


@pytest.mark.parametrize("shape", [(2, 6, 8, 3), pytest.param((3, 7, 5, 2), marks=pytest.mark.long)])
def test_max_pool_equals_reduce_window_ties_included(shape):
    x_CxHxWxB = jax.random.randint(jax.random.key(0), shape, 0, 3).astype(jnp.float32)
    dy = jax.random.normal(jax.random.key(1), (shape[0], shape[1] // 2, shape[2] // 2, shape[3]))
    ours = output_and_gradients(max_pool, (x_CxHxWxB,), dy)
    for a, b in zip(ours, output_and_gradients(max_pool_reference, (x_CxHxWxB,), dy), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_cell_that_relu_switches_off_has_no_gradient():
    (x, kernel, _), dy = draw(1, 8, 8, 3, 4)
    _, dx, dkernel, dbias = output_and_gradients(conv_relu_pool, (x, kernel, jnp.full(4, -1e3)), dy)
    assert not dx.any()
    assert not dkernel.any()
    assert not dbias.any()


def test_window_transpose_is_the_adjoint():
    grid = jax.random.normal(jax.random.key(0), (3, 6, 7, 2))
    windows = jax.random.normal(jax.random.key(1), (3, 3, 3, 4, 5, 2))
    forward = jax.jit(lambda grid: convolution._gather_windows(jnp.full((9, 3, 4, 5, 2), jnp.nan), grid, 0))
    gathered, spread = (np.asarray(x) for x in (forward(grid), jax.jit(convolution._windows_transpose)(windows)))
    assert_close(np.vdot(gathered, windows), np.vdot(grid, spread))


RUNS = 3


def runs(shared_input):
    draws = [draw(1, 9, 8, 5, 4, seed=seed) for seed in range(RUNS)]
    arguments, dy = jax.tree.map(lambda *leaves: jnp.stack(leaves), *draws)
    if shared_input:
        arguments = (jnp.broadcast_to(arguments[0][:1], arguments[0].shape), *arguments[1:])
    expected = [
        output_and_gradients(conv_relu_pool_reference, *jax.tree.map(lambda leaf, run=run: leaf[run], (arguments, dy)))
        for run in range(RUNS)
    ]
    return arguments, dy, jax.tree.map(lambda *leaves: jnp.stack(leaves), *expected)


MAPPINGS = {
    "vmap": lambda one: compiled(jax.vmap(one)),
    "map": lambda one: compiled(lambda *runs: lax.map(lambda run: one(*run), runs)),
    "scan": lambda one: compiled(lambda *runs: lax.scan(lambda carry, run: (carry, one(*run)), 0, runs)[1]),
    "pmap": jax.pmap,
}


@pytest.mark.parametrize(
    "mapping", ["vmap", *(pytest.param(m, marks=pytest.mark.long) for m in MAPPINGS if m != "vmap")]
)
def test_runs_together_equal_runs_alone(mapping):
    if mapping == "pmap" and jax.local_device_count() < RUNS:
        pytest.skip("pmap needs a device per run")
    arguments, dy, expected = runs(shared_input=False)
    assert_close(MAPPINGS[mapping](functools.partial(vjp, conv_relu_pool))(arguments, dy), expected)


def test_runs_with_a_shared_image_equal_runs_alone():
    (x, kernel, bias), dy, (y, _, dkernel, dbias) = runs(shared_input=True)
    one = functools.partial(vjp, conv_relu_pool)
    ours = compiled(jax.vmap(lambda kernel, bias, dy: one((x[0], kernel, bias), dy)))(kernel, bias, dy)
    assert_close((ours[0], *ours[2:]), (y, dkernel, dbias))


@pytest.mark.parametrize(
    "region",
    [FACE, *(pytest.param(region, marks=pytest.mark.long) for region in REGIONS[1:])],
    ids=lambda r: r.name,
)
def test_the_regions_real_sizes(region):
    arguments, dy = draw(1, region.height, region.width, 5, 4, batch=2)
    ours = output_and_gradients(conv_relu_pool, arguments, dy)
    assert_close(ours, output_and_gradients(conv_relu_pool_reference, arguments, dy))


@pytest.mark.skipif(not compiler_options(), reason="no options are known for this backend or version of jax")
@pytest.mark.parametrize("transform", [jax.jit, jax.pmap])
def test_barriers_survive_compilation_with_the_compiler_options(transform):
    arguments = jax.tree.map(lambda leaf: leaf[None], draw(1, 8, 8, 3, 4))
    one = functools.partial(vjp, conv_relu_pool)
    lowered = transform(jax.vmap(one) if transform is jax.jit else one).lower(*arguments)
    assert "opt-barrier" in lowered.compile(compiler_options=compiler_options()).as_text()
