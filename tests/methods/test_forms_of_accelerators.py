"""A training step's loss and gradients are the same in the CPU's form and in those of accelerators, run here on a CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.backends import as_on_an_accelerator

from merjax.config import EngineConfig
from merjax.engine import Batch, Variables
from merjax.methods.spatial_stage import SpatialNumbers, computing_of, spatial_stage
from merjax.methods.temporal_stage import TemporalNumbers, temporal_stage
from merjax.nn.layers.convolution_runs import Computing
from merjax.nn.shallow_cnn import SpatialForm

RUNS, CLASSES_R, SIZES_R, BATCH = 2, (2, 3, 4), ((10, 13), (10, 13), (8, 9)), 16  # two regions of one size
UNITS, FRAMES, CLIPS = 5, 9, 6


def drawn(shapes, runs=RUNS):
    """Parameters of all runs, as large as at the start; NumPy draws them in no time."""
    rng = np.random.default_rng(1)

    def draw(leaf):
        scale = 0.05 if leaf.ndim < 3 else (2 / np.prod(leaf.shape[1:-1])) ** 0.5
        return (rng.normal(size=(runs, *leaf.shape)) * scale).astype(np.float32)

    return jax.tree.map(draw, shapes)


def step_of(stage, params, batch, numbers):
    """Loss and gradient of every run, with dropout."""
    keys = jax.random.split(jax.random.key(0), RUNS)

    def one(params, numbers, key):
        def loss(params):
            return stage.loss(Variables(params), batch, jnp.ones(len(batch.unit_B)), numbers, key).loss

        return jax.value_and_grad(loss)(params)

    together = jax.jit(jax.vmap(one), compiler_options={"xla_backend_optimization_level": 0})
    return jax.tree.map(np.float64, together(params, numbers, keys))


def numbers_of(kind, **own):
    """One number of every hyper-parameter for all runs."""
    usual = {"dropout": 0.5, "dropout_lstm": 0.2, "dropout_fc": 0.5, "gamma": 2.0}
    given = {name: np.full(RUNS, usual.get(name, 0.0), np.float32) for name in kind._fields}
    return kind(**(given | own))


def spatial_step(form):
    rng = np.random.default_rng(2)
    stage = spatial_stage(CLASSES_R, 1, form)
    regions = len(CLASSES_R)
    numbers = numbers_of(
        SpatialNumbers,
        alpha_RxK=rng.uniform(0.5, 1.5, (RUNS, regions, max(CLASSES_R))).astype(np.float32),
        mean_RxC=rng.uniform(0.3, 0.6, (RUNS, regions, 1)).astype(np.float32),
        scale_RxC=rng.uniform(0.2, 0.4, (RUNS, regions, 1)).astype(np.float32),
        target_NxR=rng.integers(0, 2, (RUNS, BATCH, regions)),
    )
    inputs = tuple(rng.integers(0, 256, (1, *size, BATCH)).astype(np.uint8) for size in SIZES_R)
    params = drawn(jax.eval_shape(stage.init, jax.random.key(0), None).params)
    return step_of(stage, params, Batch(inputs, np.arange(BATCH)), numbers)


def temporal_step():
    rng = np.random.default_rng(3)
    stage = temporal_stage(len(CLASSES_R), 3, UNITS, FRAMES)
    length_B = np.array([9, 1, 4, 9, 7, 2], np.int32)
    numbers = numbers_of(
        TemporalNumbers,
        alpha_K=np.ones((RUNS, 3), np.float32),
        mask_R=np.ones((RUNS, len(CLASSES_R)), np.float32),
        read_after=np.zeros(RUNS, np.int32),
        target_N=rng.integers(0, 3, (RUNS, CLIPS)),
        features_SxRxD=rng.random((RUNS, CLIPS * FRAMES, len(CLASSES_R), 20), np.float32),
    )
    rows_BxT = np.arange(CLIPS * FRAMES, dtype=np.int32).reshape(CLIPS, FRAMES)
    params = drawn(jax.eval_shape(stage.init, jax.random.key(0), None).params)
    return step_of(stage, params, Batch((rows_BxT, length_B), np.arange(CLIPS)), numbers)


def assert_equal_steps(ours, other, tolerance):
    """By norm, leaf by leaf, and element by element against the largest of a leaf."""
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(other), strict=True):
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


NETWORKS = ["simple", pytest.param("shallow", marks=pytest.mark.long)]


@pytest.mark.parametrize("network", NETWORKS)
def test_spatial_steps_are_equal_in_all_forms(network, monkeypatch):
    cpu = spatial_step(SpatialForm(network))
    as_on_an_accelerator(monkeypatch)
    for convolution in ("products", "grouped"):
        assert_equal_steps(spatial_step(SpatialForm(network, computing=Computing(convolution))), cpu, 1e-6)


def test_temporal_steps_are_equal_in_both_forms(monkeypatch):
    cpu = temporal_step()
    as_on_an_accelerator(monkeypatch)
    assert_equal_steps(temporal_step(), cpu, 1e-6)


@pytest.mark.long
def test_bfloat16_changes_a_step_a_little(monkeypatch):
    cpu = spatial_step(SpatialForm("simple"))
    as_on_an_accelerator(monkeypatch)
    computing = computing_of(EngineConfig(precision="bfloat16", convolution="grouped"))
    low = spatial_step(SpatialForm("simple", computing=computing))
    assert_equal_steps(low[0], cpu[0], 1e-2)
    norm = functools.reduce(np.hypot, (np.linalg.norm(leaf) for leaf in jax.tree.leaves(cpu[1])))
    off = functools.reduce(np.hypot, map(np.linalg.norm, map(np.subtract, *map(jax.tree.leaves, (low[1], cpu[1])))))
    assert 1e-4 < off / norm < 0.1


def test_only_bfloat16_changes_activations():
    made = [
        computing_of(EngineConfig(precision=precision)).activations for precision in ("highest", "high", "bfloat16")
    ]
    assert made == ["float32", "float32", "bfloat16"]
