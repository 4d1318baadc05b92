"""The LSTM computes what a naive loop does, in outputs and gradients, and padding has no effect on it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import jaxprs_in_params
from support.plain_networks import hard_lstm

from merjax.nn.layers.recurrent import _phases, lstm, lstm_reference
from merjax.system.jax_setup import compiler_options

REGIONS, FRAMES, BATCH, INPUTS, UNITS = 2, 19, 7, 3, 4  # frames: two whole blocks of the backward pass and a part
LENGTH_B = jnp.array([7, 0, 1, 19, 16, 7, 8])


HARD, HARD_REFERENCE = (functools.partial(f, gates="hard sigmoid") for f in (lstm, lstm_reference))


def draw(seed=0, batch=BATCH, scale=1.0):
    normal = np.random.default_rng(seed).normal
    kernels = ((REGIONS, INPUTS, 4 * UNITS), (REGIONS, UNITS, 4 * UNITS), (REGIONS, 4 * UNITS))
    arguments = tuple(
        jnp.asarray(normal(scale=scale, size=shape), jnp.float32)
        for shape in (*kernels, (REGIONS, FRAMES, batch, INPUTS))
    )
    return arguments, jnp.asarray(normal(size=(REGIONS, batch, UNITS)), jnp.float32)


def vjp(f, arguments, dh, length_B=LENGTH_B):
    return _vjp(
        f, arguments, dh, length_B
    )  # none left to its default, which would be a constant of a program of its own


@functools.partial(jax.jit, static_argnums=0)  # so that tests of equal shapes share a program
def _vjp(f, arguments, dh, length_B):
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
    (*weights, x_RxTxBxD), dh = draw()
    expected = [
        [
            plain_lstm(*(np.float64(w[r]) for w in weights), x_RxTxBxD[r, :length, b])
            for b, length in enumerate(LENGTH_B)
        ]
        for r in range(REGIONS)
    ]
    assert_close(vjp(lstm, (*weights, x_RxTxBxD), dh)[0], np.array(expected))


LENGTHS = {
    "unequal": LENGTH_B,
    "longest first": jnp.sort(LENGTH_B)[::-1],
    "all as long as can be": jnp.array([FRAMES] * BATCH),
    "all short": jnp.array([2] * BATCH),
    "all empty": jnp.array([0] * BATCH),
    "one": jnp.array([5]),
    "two": jnp.array([3, 19]),
    "many": jnp.arange(20),
}


@pytest.mark.parametrize(
    "lengths", [pytest.param(name, marks=pytest.mark.long) if name in ("one", "many") else name for name in LENGTHS]
)
def test_outputs_and_gradients_equal_the_reference(lengths):
    length_B = LENGTHS[lengths]
    arguments, dh = draw(batch=len(length_B), scale=0.5)  # with larger ones, rounding grows from frame to frame
    assert_close(vjp(lstm, arguments, dh, length_B), vjp(lstm_reference, arguments, dh, length_B))


def test_hard_sigmoid_gates_equal_a_plain_loop_and_the_reference_with_gradients():
    """The sums are large enough for gates to stand at 0, at 1 and between."""
    arguments, dh = draw()
    (*weights, x_RxTxBxD) = arguments
    expected = [
        [
            hard_lstm(np.float64(x_RxTxBxD[r, :length, b]), *(np.float64(w[r]) for w in weights))
            for b, length in enumerate(LENGTH_B)
        ]
        for r in range(REGIONS)
    ]
    ours = vjp(HARD, arguments, dh)
    assert_close(ours[0], np.array(expected))
    assert_close(ours, vjp(HARD_REFERENCE, arguments, dh))


def test_weights_gradients_are_the_same_where_the_inputs_are_data():
    (*weights, x_RxTxBxD), dh = draw()

    @jax.jit
    def gradients(weights, x_RxTxBxD, dh, length_B):
        return jax.vjp(lambda *weights: lstm(*weights, x_RxTxBxD, length_B), *weights)[1](dh)

    of_all = vjp(lstm, (*weights, x_RxTxBxD), dh)[1:-1]
    for alone, with_dx in zip(gradients(weights, x_RxTxBxD, dh, LENGTH_B), of_all, strict=True):
        np.testing.assert_array_equal(alone, with_dx)


@pytest.mark.parametrize("garbage", [0.0, 1e30, np.nan])
def test_padding_changes_neither_state_nor_gradients(garbage):
    (*weights, x_RxTxBxD), dh = draw()
    real_TxBx1 = (jnp.arange(FRAMES)[:, None] < LENGTH_B)[:, :, None]
    clean = vjp(lstm, (*weights, x_RxTxBxD), dh)
    dirty = vjp(lstm, (*weights, jnp.where(real_TxBx1, x_RxTxBxD, garbage)), dh)
    for a, b in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not jnp.where(real_TxBx1, 0, clean[-1]).any()


def test_a_sequence_does_not_see_its_neighbours():
    (*weights, x_RxTxBxD), dh = draw()
    only_third = dh * (jnp.arange(BATCH) == 3)[:, None]
    dx_RxTxBxD = vjp(lstm, (*weights, x_RxTxBxD), only_third)[-1]
    assert dx_RxTxBxD[:, : LENGTH_B[3], 3].all()
    assert not jnp.delete(dx_RxTxBxD, 3, axis=2).any()


def test_an_empty_sequence_ends_in_zeros():
    arguments, dh = draw()
    h_RxBxH, *_, dx_RxTxBxD = vjp(lstm, arguments, dh)
    assert not h_RxBxH[:, 1].any()
    assert not dx_RxTxBxD[:, :, 1].any()


def compiled(f):
    return jax.jit(f, compiler_options=compiler_options())


# sorted, each run's are the longest in some place
CROSSING_RxB = jnp.array([[7, 0, 1, 19, 16, 7, 8], [9, 9, 9, 9, 9, 9, 9], [17, 2, 17, 2, 17, 2, 0]])

MAPPINGS = {
    "vmap": lambda one: compiled(jax.vmap(one)),
    "map": lambda one: compiled(lambda *runs: lax.map(lambda run: one(*run), runs)),
    "scan": lambda one: compiled(lambda *runs: lax.scan(lambda carry, run: (carry, one(*run)), 0, runs)[1]),
    "pmap": jax.pmap,
}


@pytest.mark.parametrize(
    "mapping", ["vmap", *(pytest.param(m, marks=pytest.mark.long) for m in MAPPINGS if m != "vmap")]
)
def test_runs_together_equal_runs_alone_each_with_clips_of_its_own(mapping):
    if mapping == "pmap" and jax.local_device_count() < len(CROSSING_RxB):
        pytest.skip("pmap needs a device per run")
    runs = [(*draw(seed), length_B) for seed, length_B in enumerate(CROSSING_RxB)]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(vjp(lstm_reference, *run) for run in runs))
    together = MAPPINGS[mapping](lambda arguments, dh, length_B: vjp(lstm, arguments, dh, length_B))
    assert_close(together(*jax.tree.map(lambda *leaves: jnp.stack(leaves), *runs)), expected)


@pytest.mark.long
def test_runs_may_be_mapped_twice():
    runs = [[(*draw(2 * i + j), jnp.roll(CROSSING_RxB[i], j) // (2 - j)) for j in range(2)] for i in range(3)]
    plain, ours = (lambda *run, f=f: vjp(f, *run) for f in (lstm_reference, lstm))
    expected = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *(plain(*run) for run in row)) for row in runs]
    stacked = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *row) for row in runs]
    expected, stacked = (jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows) for rows in (expected, stacked))
    assert_close(compiled(jax.vmap(jax.vmap(ours)))(*stacked), expected)


@pytest.mark.parametrize(
    "kind", [np.uint8, *(pytest.param(kind, marks=pytest.mark.long) for kind in (np.int8, np.uint32, np.int64))]
)
def test_lengths_may_be_of_any_integer_type_and_known_when_compiled(kind):
    arguments, dh = draw()
    length_B = np.asarray(LENGTH_B, kind)
    known = compiled(lambda *arguments: lstm(*arguments, length_B))(*arguments)
    assert_close(known, vjp(lstm, arguments, dh)[0])


def test_a_sequence_that_is_said_to_be_longer_than_the_frames_ends_in_nan_and_alone():
    arguments, dh = draw()
    wrong_B = np.array([FRAMES + 1, -1, *LENGTH_B[2:]])
    h_RxBxH = np.asarray(vjp(lstm, arguments, dh, wrong_B)[0])
    assert np.isnan(h_RxBxH[:, 0]).all()
    assert_close(h_RxBxH[:, 1:], np.asarray(vjp(lstm, arguments, dh)[0])[:, 1:])


def test_a_loop_goes_on_with_the_sequences_that_are_left():
    phases = _phases(jnp.array([19, 16, 8, 7, 7, 1, 0]), frames_each=1)
    assert [(n, int(begin), int(end)) for n, begin, end in phases] == [(7, 0, 0), (6, 0, 7), (4, 7, 8), (2, 8, 19)]
    phases = _phases(jnp.array([19, 16, 8, 7, 7, 1, 0]), frames_each=8)
    assert [(n, int(begin), int(end)) for n, begin, end in phases] == [(7, 0, 0), (6, 0, 1), (4, 1, 1), (2, 1, 3)]


def whiles(jaxpr):
    """All loops of a program, including nested ones."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "while":
            yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from whiles(inner)


def test_runs_side_by_side_share_their_loops():
    runs = [(*draw(seed), length_B) for seed, length_B in enumerate(CROSSING_RxB)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *runs)
    jaxpr = jax.make_jaxpr(jax.vmap(lambda arguments, dh, length_B: vjp(lstm, arguments, dh, length_B)))(*stacked)
    loops = list(whiles(jaxpr.jaxpr))
    assert len(loops) > 4
    assert all(loop.params["cond_jaxpr"].out_avals[0].shape == () for loop in loops)


def test_the_gradient_of_inputs_is_left_out_where_they_are_data():
    (*weights, x_RxTxBxD), _ = draw()
    of_weights = jax.make_jaxpr(jax.grad(lambda *weights: lstm(*weights, x_RxTxBxD, LENGTH_B).sum(), (0, 1, 2)))(
        *weights
    )
    of_all = jax.make_jaxpr(jax.grad(lambda *all_: lstm(*all_, LENGTH_B).sum(), (0, 1, 2, 3)))(*weights, x_RxTxBxD)
    products_of_weights, products_of_all = (str(traced).count("dot_general") for traced in (of_weights, of_all))
    assert products_of_weights < products_of_all


def test_barriers_survive_compilation_with_the_compiler_options():
    arguments, dh = draw()
    text = compiled(lambda *run: vjp(lstm, *run)).lower(arguments, dh).compile().as_text()
    assert "opt-barrier" in text
