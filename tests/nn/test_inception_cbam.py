"""Inception-CBAM and Dual-ATME: their parameters, and each network against the published one in PyTorch."""

import jax
import numpy as np
import pytest
from support.torch_layers import drawn, parameters_of, scores_agree, training_step_agrees

from merjax.nn.inception_cbam import DualATME, InceptionCBAM

X_CxHxWxB = np.random.default_rng(0).uniform(-1, 1, (3, 28, 28, 6)).astype(np.float32)
NEVER_CALLED = 12_544  # weights of a 1x1 convolution that IncepTR's code makes


def test_they_have_the_published_parameters():
    assert parameters_of(InceptionCBAM(3), 3, 28, 28) + NEVER_CALLED == 9_657_737
    assert parameters_of(DualATME(3), 3, 28, 28) == 4_833_193


def inception(layers, x, block):
    f = layers.functional

    def conv(y, name, padding=0):
        return f.relu(layers.norm(layers.conv(y, block, name, padding=padding), block, f"{name}_norm"))

    three, five = (conv(conv(x, f"reduce{size}"), f"conv{size}", size // 2) for size in (3, 5))
    return layers.torch.cat([conv(x, "conv1"), three, five, conv(f.max_pool2d(x, 3, 1, 1), "after_pool")], 1)


def cbam(layers, x):
    f = layers.functional

    def hidden(y):
        return layers.linear(f.relu(layers.linear(y, "cbam", "narrow")), "cbam", "widen")

    x = x * (hidden(x.mean((2, 3))) + hidden(x.amax((2, 3)))).sigmoid()[:, :, None, None]
    seen = layers.torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
    return x * layers.conv(seen, "cbam", "places", padding=1).sigmoid()


def tail(layers, features):
    hidden = layers.norm(layers.linear(features, "fc", "hidden"), "fc", "norm")
    return layers.linear(layers.functional.relu(hidden), "fc", "out")


def single(layers, x):
    x = inception(layers, inception(layers, x, "inception6"), "inception12")
    return tail(layers, cbam(layers, layers.functional.max_pool2d(x, 2)).flatten(1))


def dual(layers, x):
    pool, branches = layers.functional.max_pool2d, []
    for branch in range(2):
        y = pool(inception(layers, x, f"branch{branch}_inception6"), 2)
        y = pool(inception(layers, y, f"branch{branch}_inception12"), 2)
        branches.append(cbam(layers, y).flatten(1))
    layers.further_loss = 0.01 * (1 - layers.functional.cosine_similarity(*branches)).mean()
    return tail(layers, layers.torch.cat(branches, 1))


NETWORKS = [(InceptionCBAM(3), single), (DualATME(3), dual)]


@pytest.mark.long
def test_scores_equal_pytorchs():
    scores_agree(DualATME(3), dual, X_CxHxWxB)


@pytest.mark.long
@pytest.mark.parametrize(("network", "reference"), NETWORKS)
def test_a_training_step_equals_pytorchs(network, reference):
    training_step_agrees(network, reference, X_CxHxWxB)


@pytest.mark.long
def test_equal_branches_of_dual_atme_add_nothing_to_the_loss():
    x = X_CxHxWxB[..., :2]
    variables = drawn(DualATME(3), x)
    for kind in variables:
        for block in ("inception6", "inception12"):
            variables[kind][f"branch1_{block}"] = variables[kind][f"branch0_{block}"]
    ones_B = np.ones(2, np.float32)
    _, sown = DualATME(3).apply(variables, x, ones_B, 0.0, None, mutable=["losses"])
    np.testing.assert_allclose(jax.tree.leaves(sown["losses"])[0], 0, atol=1e-7)
