"""A network against its layers in PyTorch, on the same weights: scores, and a training step's gradients and averages.

Each reference takes (layers, images [B, C, H, W]) and gives scores [B, K]; `layers` gives it the weights by flax's names.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from merjax.system.jax_setup import compiler_options

HELD_OUT = 2  # samples of weight 0 at the end of a batch
Reference = Callable[["Layers", Any], Any]


class Layers:
    """PyTorch's layers with flax's weights, in double precision."""

    def __init__(self, params: Any, statistics: Any, training: bool) -> None:
        import torch

        self.torch, self.functional, self.training = torch, torch.nn.functional, training
        self.params = jax.tree.map(lambda x: torch.tensor(np.asarray(x, float)).requires_grad_(), params)
        self.statistics = jax.tree.map(lambda x: torch.tensor(np.asarray(x, float)), statistics)
        self.further_loss = 0.0

    def conv(self, x, *path, **kwargs):
        own = self._at(self.params, path)
        return self.functional.conv2d(x, own["kernel"].permute(3, 2, 0, 1), own.get("bias"), **kwargs)

    def norm(self, x, *path, epsilon=1e-5, share=0.1):
        own, averages = self._at(self.params, path), self._at(self.statistics, path)
        moved = averages["mean"], averages["variance"]
        return self.functional.batch_norm(x, *moved, own["scale"], own["bias"], self.training, share, epsilon)

    def layer_norm(self, x, *path):
        own = self._at(self.params, path)
        x = self.functional.layer_norm(x.movedim(1, -1), own["scale"].shape, own["scale"], own["bias"])
        return x.movedim(-1, 1)

    def linear(self, x, *path):
        own = self._at(self.params, path)
        return x @ own["kernel"] + own["bias"]

    @staticmethod
    def _at(tree, path):
        for name in path:
            tree = tree[name]
        return tree


def drawn(module, x_CxHxWxB: np.ndarray) -> dict:
    """Weights as after some training: no bias, scale or average has its initial value."""
    weight_B, rng = np.ones(x_CxHxWxB.shape[-1], np.float32), np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x_CxHxWxB, weight_B, 0.0, None))

    def array(path, shape):
        if "variance" in jax.tree_util.keystr(path) or "scale" in jax.tree_util.keystr(path):
            return rng.uniform(0.5, 1.5, shape.shape).astype(np.float32)
        fan_in = max(1, shape.size // shape.shape[-1])
        return (rng.normal(size=shape.shape) * (fan_in**-0.5 if len(shape.shape) > 1 else 0.2)).astype(np.float32)

    variables = jax.tree_util.tree_map_with_path(array, shapes)
    return {kind: variables[kind] for kind in ("params", "batch_stats") if kind in variables}


def distance(a, b) -> float:
    return float(np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b))


def scores_agree(module, reference: Reference, x_CxHxWxB: np.ndarray) -> None:
    """In inference."""
    pytest.importorskip("torch")
    variables, ones_B = drawn(module, x_CxHxWxB), np.ones(x_CxHxWxB.shape[-1], np.float32)
    ours = _fast(lambda x: module.apply(variables, x, ones_B, 0.5, None))(x_CxHxWxB)
    layers = Layers(variables["params"], variables.get("batch_stats", {}), training=False)
    theirs = reference(layers, _as_torch(layers, x_CxHxWxB))
    assert distance(ours, theirs.detach().numpy()) < 1e-5


def training_step_agrees(module, reference: Reference, x_CxHxWxB: np.ndarray) -> None:
    """Without dropout: scores, gradients of the cross-entropy and running averages. The last samples of the batch are held
    out, and PyTorch does not see them."""
    pytest.importorskip("torch")
    batch = x_CxHxWxB.shape[-1]
    weight_B = (np.arange(batch) < batch - HELD_OUT).astype(np.float32)
    label_B, variables = np.arange(batch) % module.classes, drawn(module, x_CxHxWxB)

    def loss(params):
        tree = variables | {"params": params}
        scores, changed = module.apply(
            tree, x_CxHxWxB, weight_B, 0.0, jax.random.key(0), mutable=["batch_stats", "losses"]
        )
        loss_B = -jax.nn.log_softmax(scores)[jnp.arange(batch), label_B]
        loss_B = sum(jax.tree.leaves(changed.get("losses", {})), start=loss_B)
        return loss_B @ weight_B / weight_B.sum(), (scores, changed.get("batch_stats", {}))

    gradient, (scores, averages) = _fast(jax.grad(loss, has_aux=True))(variables["params"])
    layers = Layers(variables["params"], variables.get("batch_stats", {}), training=True)
    kept = batch - HELD_OUT
    theirs = reference(layers, _as_torch(layers, x_CxHxWxB[..., :kept]))
    wanted = layers.functional.cross_entropy(theirs, layers.torch.tensor(label_B[:kept]))
    (wanted + layers.further_loss).backward()
    assert distance(scores[:kept], theirs.detach().numpy()) < 1e-5
    wanted = [leaf.grad.numpy() for leaf in jax.tree.leaves(layers.params)]
    # a bias before batch normalisation has a gradient of 0, which either library rounds in its own way
    least = 1e-3 * float(np.sqrt(sum(np.square(leaf).sum() for leaf in wanted)))
    for (path, own), leaf in zip(jax.tree_util.tree_leaves_with_path(gradient), wanted, strict=True):
        assert np.linalg.norm(own - leaf) / max(np.linalg.norm(leaf), least) < 1e-3, path
    for own, leaf in zip(jax.tree.leaves(averages), jax.tree.leaves(layers.statistics), strict=True):
        assert distance(own, leaf.numpy()) < 1e-5


def parameters_of(module, *shape: int) -> int:
    """The number of parameters for images of this shape."""
    x = jnp.zeros((*shape, 1))
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x, jnp.ones(1), 0.0, None))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def _fast(f):
    return jax.jit(f, compiler_options=compiler_options())


def _as_torch(layers: Layers, x_CxHxWxB: np.ndarray):
    return layers.torch.tensor(np.asarray(x_CxHxWxB, float)).permute(3, 0, 1, 2)
