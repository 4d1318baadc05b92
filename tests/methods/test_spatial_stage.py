"""The spatial stage's inputs: gray and colour frames, and differences, as batches for the networks."""

import functools

import jax
import numpy as np
import pytest

from merjax.engine import Batch
from merjax.methods.spatial_stage import SpatialNumbers, frame_samples, spatial_stage
from merjax.nn.shallow_cnn import SpatialForm

ROWS, HEIGHT, WIDTH = 6, 12, 10


def crops_of(channels: int) -> list[np.ndarray]:
    shape = (ROWS, HEIGHT, WIDTH) if channels == 1 else (ROWS, HEIGHT, WIDTH, channels)
    return [np.random.default_rng(r).integers(0, 256, shape, np.uint8) for r in range(2)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("difference", [False, True])
def test_batches_hold_channel_row_column_sample(channels, difference):
    crops = crops_of(channels)
    row_S, clip_S = np.array([1, 3, 5, 0]), np.array([0, 0, 1, 1])
    onset_row_S = np.array([0, 0, 4, 4]) if difference else None
    sample_KxB = np.array([[2, 0, 1], [3, 3, 2]])
    inputs = frame_samples(crops, row_S, clip_S, onset_row_S).gather(sample_KxB)
    for crop, got in zip(crops, inputs, strict=True):
        assert got.shape == (2, channels, HEIGHT, WIDTH, 3)
        assert got.dtype == (np.int16 if difference else np.uint8)
        for k, b in np.ndindex(sample_KxB.shape):
            expected = crop[row_S[sample_KxB[k, b]]].astype(int)
            if onset_row_S is not None:
                expected = expected - crop[onset_row_S[sample_KxB[k, b]]]
            expected = expected.reshape(HEIGHT, WIDTH, channels)
            for c in range(channels):
                np.testing.assert_array_equal(got[k, c, :, :, b], expected[:, :, c])


def test_every_colour_channel_reaches_the_features():
    """Swapping two channels changes the features; a network that saw one channel only would not notice."""
    stage = spatial_stage((2, 3), channels=3)
    one = np.ones((2, 3), np.float32)
    numbers = SpatialNumbers(*[0.0] * len(SpatialNumbers._fields))._replace(mean_RxC=0 * one, scale_RxC=one)
    quickly = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # it runs for moments
    variables = quickly(stage.init)(jax.random.key(0), numbers)
    apply = quickly(stage.apply)
    inputs = frame_samples(crops_of(3), np.arange(ROWS), np.zeros(ROWS, int), None).gather(np.arange(ROWS)[None])

    def features(order: list[int]) -> np.ndarray:
        batch = Batch(tuple(x[0][order] for x in inputs), np.zeros(ROWS, np.int32))
        return np.asarray(apply(variables, batch, numbers))

    plain = features([0, 1, 2])
    assert plain.shape == (ROWS, 2, 20)
    for order in ([1, 0, 2], [0, 2, 1]):
        assert np.abs(features(order) - plain).max() > 1e-4


def test_the_stage_trains_the_network_that_it_is_asked_for():
    for network, own, others in (("shallow", "branches_0", "stack_0"), ("simple", "stack_0", "branches_0")):
        params = jax.eval_shape(spatial_stage((2, 3), form=SpatialForm(network)).init, jax.random.key(0), {}).params
        assert own in params
        assert others not in params
