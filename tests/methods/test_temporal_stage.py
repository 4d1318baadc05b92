"""The temporal stage of the code published in 2022, against plain NumPy on copied weights; sequences of a fixed length."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.plain_networks import binary_focal, slope_along, temporal_scores
from support.small_experiment import BASE, small_experiment

from merjax.config import make_config
from merjax.engine import Batch
from merjax.methods.local_regions import clips_cut, temporal_job, temporal_numbers
from merjax.methods.runs import RunId
from merjax.methods.temporal_stage import clip_samples
from merjax.nn.region_lstm import TemporalClassifier, TemporalForm

LENGTH_N = np.array([3, 7, 5, 1])
LENGTH, INPUTS, UNITS, REGIONS = 5, 6, 3, 2
AUTHORS = {
    "temporal": {
        "units": UNITS,
        "mask": False,
        "length": LENGTH,
        "padding": "in front",
        "gates": "hard sigmoid",
        "region_gate": True,
        "initial": "normal",
        "loss": "binary focal",
        "l1": 1e-2,
        "batch": 4,
    },
    "loss.alpha": "none",
}


def data_of_lengths():
    """Four clips of the small experiment, one of them longer than the fixed length."""
    data = small_experiment()
    clips = len(LENGTH_N)
    fold = replace(data.folds[1], train_N=np.ones(clips, bool), test_N=np.zeros(clips, bool))
    return replace(
        data,
        index=data.index.iloc[:clips],
        target_N=data.target_N[:clips],
        target_NxR=data.target_NxR[:clips],
        folds=(fold,),
        row_S=np.arange(LENGTH_N.sum()),
        clip_S=np.repeat(np.arange(clips), LENGTH_N),
        length_N=LENGTH_N,
    )


@pytest.fixture(scope="module")
def features_SxRxD():
    return np.random.default_rng(0).normal(scale=2, size=(LENGTH_N.sum(), REGIONS, INPUTS)).astype(np.float32)


def padded(features_SxRxD):
    """Zeros in front, and the first frames of the clip that is too long."""
    first_N = np.cumsum(LENGTH_N) - LENGTH_N
    sequences_NxTxRxD = np.zeros((len(LENGTH_N), LENGTH, REGIONS, INPUTS))
    for n, (first, length) in enumerate(zip(first_N, np.minimum(LENGTH_N, LENGTH), strict=True)):
        sequences_NxTxRxD[n, LENGTH - length :] = features_SxRxD[first : first + length]
    return sequences_NxTxRxD


def drawn(stage):
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(stage.init, jax.random.key(0), None).params
    return jax.tree.map(lambda leaf: rng.normal(scale=0.7, size=leaf.shape).astype(np.float32), shapes)


def test_a_training_step_of_the_authors_stage_equals_plain_numpy(features_SxRxD):
    """Scores, loss and gradients, without dropout: front padding and cut, hard gates, gate over regions, binary focal loss and
    L1. A gradient is compared in a random direction of each layer, with a difference of the plain loss in float64."""
    data = data_of_lengths()
    config = make_config(AUTHORS, "temporal.dropout_lstm=0", "temporal.dropout_fc=0")
    stage, runs, samples, *_ = temporal_job(data, [RunId(config, 0, 0)], [features_SxRxD])
    run = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), runs)
    inputs, unit_KxB = samples.batches(np.arange(4)[None])
    batch = Batch(jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), inputs), jnp.asarray(unit_KxB[0]))
    p = drawn(stage)

    @jax.jit
    def ours(params):
        def loss(params):
            variables = stage.init(jax.random.key(0), None)._replace(params=params)
            return stage.loss(variables, batch, run.weight_N, run.numbers, jax.random.key(0)).loss, variables

        (value, variables), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        return stage.apply(variables, batch, run.numbers), value, gradient

    scores_BxK, value, gradient = ours(p)
    sequences_BxTxRxD, target_N = padded(features_SxRxD), data.target_N

    def plain(p):
        return (
            binary_focal(temporal_scores(sequences_BxTxRxD, p), target_N).mean()
            + 1e-2 * np.abs(p["fc256"]["kernel"]).sum()
        )

    np.testing.assert_allclose(scores_BxK, temporal_scores(sequences_BxTxRxD, jax.tree.map(np.float64, p)), rtol=1e-3)
    assert value == pytest.approx(plain(p), rel=1e-4)
    rng = np.random.default_rng(2)
    for layer in p:
        direction = jax.tree.map(lambda leaf: np.zeros(leaf.shape), p)
        direction[layer] = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), p[layer])
        pairs = zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
        own = sum(np.vdot(np.float64(g), d) for g, d in pairs)
        assert own == pytest.approx(slope_along(plain, p, direction), rel=1e-3, abs=1e-5), layer


def test_the_authors_temporal_model_has_as_many_parameters_as_their_code():
    model = TemporalClassifier(64, 5, TemporalForm("hard sigmoid", True, "normal"))
    inputs = jnp.zeros((1, 1, 6, 256)), jnp.ones(1, jnp.int32), jnp.ones(6), (0.0, 0.0), None
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs))["params"]

    def count(*names):
        return sum(leaf.size for name in names for leaf in jax.tree.leaves(shapes[name]))

    assert count("kernel_x", "kernel_h", "bias") == 6 * 82_176
    assert count("gate") == 36_960 + 37_248
    assert (count("fc256"), count("out"), count(*shapes)) == (98_560, 1_285, 667_109)


def test_the_authors_initial_weights():
    model = TemporalClassifier(64, 5, TemporalForm("hard sigmoid", True, "normal"))
    inputs = jnp.zeros((1, 1, 2, 20)), jnp.ones(1, jnp.int32), jnp.ones(2), (0.0, 0.0), None
    options = {"xla_backend_optimization_level": 0}
    p = jax.jit(lambda key: model.init(key, *inputs)["params"], compiler_options=options)(jax.random.key(0))
    kernel_h = np.asarray(p["kernel_h"])  # its 64 rows of 256 are orthonormal, as Keras makes them
    np.testing.assert_allclose(kernel_h @ kernel_h.swapaxes(1, 2), np.broadcast_to(np.eye(64), (2, 64, 64)), atol=1e-5)
    for kernel, deviation in ((p["kernel_x"], 0.01), (p["fc256"]["kernel"], 0.1), (p["gate"]["fc_in"]["kernel"], 0.01)):
        assert np.std(kernel) == pytest.approx(deviation, rel=0.05)
    for layer in (p["out"], p["gate"]["fc_out"]):
        limit = (6 / sum(layer["kernel"].shape)) ** 0.5
        assert 0.9 * limit < np.abs(layer["kernel"]).max() <= limit
    np.testing.assert_array_equal(p["bias"].reshape(2, 4, 64)[:, :, 0], [[0, 1, 0, 0]] * 2)


@pytest.mark.parametrize("in_front", [False, True])
@pytest.mark.parametrize("length", [0, 4, 10])
def test_sequences_are_padded_at_their_side_and_cut_at_their_end(length, in_front):
    (row_KxBxT, length_KxB), _ = clip_samples(LENGTH_N, length, in_front).batches(np.arange(4)[None])
    steps = length or LENGTH_N.max()
    assert row_KxBxT.shape == (1, 4, steps)
    for n, first in enumerate(np.cumsum(LENGTH_N) - LENGTH_N):
        used = min(LENGTH_N[n], steps)
        assert length_KxB[0, n] == used
        place = slice(steps - used, steps) if in_front else slice(0, used)
        np.testing.assert_array_equal(row_KxBxT[0, n, place], first + np.arange(used))


def test_clips_that_are_cut_are_counted():
    data = data_of_lengths()
    assert [clips_cut(data, make_config(f"temporal.length={n}")) for n in (0, 1, 5, 7)] == [0, 3, 1, 0]


def test_features_are_cut_to_integers_only_if_asked():
    data = small_experiment()
    features_SxRxD = np.random.default_rng(0).uniform(0, 3, (len(data.row_S), 2, 20)).astype(np.float32)
    kept, cut = (
        temporal_numbers(data, RunId(make_config(BASE, line), 0, 1), features_SxRxD).features_SxRxD
        for line in ("temporal.integer_features=false", "temporal.integer_features=true")
    )
    np.testing.assert_array_equal(kept, features_SxRxD)
    np.testing.assert_array_equal(cut, features_SxRxD.astype(np.int32))
