"""SOFTNet: its number of parameters, and its scores and a training step against its layers in PyTorch on the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from merjax.nn.softnet import SIDE, SOFTNet
from merjax.system.jax_setup import compiler_options
from tests.support.torch_layers import Layers, distance

BATCH = 5
RNG = np.random.default_rng(0)
X_CxHxWxB = RNG.uniform(size=(3, SIDE, SIDE, BATCH)).astype(np.float32)


def weights():
    shapes = jax.eval_shape(lambda: SOFTNet().init(jax.random.key(0), X_CxHxWxB))["params"]

    def drawn(leaf):
        inputs = max(1, leaf.size // leaf.shape[-1])
        return (RNG.normal(size=leaf.shape) * (inputs**-0.5 if len(leaf.shape) > 1 else 0.2)).astype(np.float32)

    return jax.tree.map(drawn, shapes)


def in_torch(layers, x_BxCxHxW):
    """The published network: Keras flattens maps with the channels last; here they come first."""
    f, streams = layers.functional, []
    for channel, filters in enumerate((3, 5, 8)):
        y = f.relu(layers.conv(x_BxCxHxW[:, channel : channel + 1], f"conv{filters}", padding=2))
        streams.append(f.max_pool2d(y, 3))
    y = f.max_pool2d(layers.torch.cat(streams, 1), 2)
    assert y.shape[1:] == (16, 7, 7)
    return layers.linear(f.relu(layers.linear(y.flatten(1), "fc")), "score")[:, 0]


def test_it_has_the_layers_and_parameters_of_the_published_network():
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(own)) for name, own in weights().items()}
    assert sizes == {"conv3": 78, "conv5": 130, "conv8": 208, "fc": 784 * 400 + 400, "score": 401}
    assert sum(sizes.values()) == 314_817


def test_scores_and_gradients_are_those_of_its_layers_in_pytorch():
    torch = pytest.importorskip("torch")
    params, target_B = weights(), RNG.uniform(size=BATCH).astype(np.float32)

    def loss(p):
        score_B = SOFTNet().apply({"params": p}, X_CxHxWxB)
        return jnp.square(score_B - target_B).mean(), score_B

    gradient, score_B = jax.jit(jax.grad(loss, has_aux=True), compiler_options=compiler_options())(params)
    layers = Layers(params, {}, training=True)
    theirs = in_torch(layers, torch.tensor(X_CxHxWxB.astype(float)).permute(3, 0, 1, 2))
    (theirs - torch.tensor(target_B)).square().mean().backward()
    assert distance(score_B, theirs.detach().numpy()) < 1e-5
    for own, leaf in zip(jax.tree.leaves(gradient), jax.tree.leaves(layers.params), strict=True):
        assert distance(own, leaf.grad.numpy()) < 1e-4
