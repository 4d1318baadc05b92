"""SSSNet: its parameters, its input, and the network against the published one in PyTorch."""

import numpy as np
import pytest
from support.torch_layers import parameters_of, scores_agree, training_step_agrees

from merjax.nn.sssnet import SSSNet, stretched

X_CxHxWxB = np.random.default_rng(0).uniform(size=(3, 64, 64, 5)).astype(np.float32)


@pytest.mark.parametrize("classes", [3, 5])
def test_it_has_the_published_parameters(classes):
    assert parameters_of(SSSNet(classes), 3, 64, 64) == 1_349_251 + (classes - 3) * 257


def in_torch(layers, x):
    f = layers.functional
    x = layers.norm(f.max_pool2d(f.relu(layers.conv(x, "conv32")), 3), "norm32")
    x = layers.norm(f.max_pool2d(f.relu(layers.conv(x, "conv64")), 2), "norm64")
    assert x.shape[1:] == (64, 9, 9)
    return layers.linear(f.relu(layers.linear(x.flatten(1), "fc256")), "fc")


def test_scores_equal_pytorchs():
    scores_agree(SSSNet(3), in_torch, X_CxHxWxB)


@pytest.mark.long
def test_a_training_step_equals_pytorchs():
    training_step_agrees(SSSNet(3), in_torch, X_CxHxWxB)


def test_each_channel_of_each_clip_is_stretched_by_itself():
    x = np.random.default_rng(1).integers(100, 140, (2, 3, 8, 8, 4)).astype(np.uint8)
    x[1, 2, ..., 3] = 128  # nothing moves
    ours = np.asarray(stretched(x))
    for k, c, b in np.ndindex(2, 3, 4):
        own = x[k, c, ..., b].astype(float)
        span = own.max() - own.min()
        np.testing.assert_allclose(ours[k, c, ..., b], (own - own.min()) / span if span else 0 * own, atol=1e-6)
