"""The one stage of a peer: a network on each clip's flow image, trained clip by clip."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from merjax.engine import Batch, Outcome, Samples, Stage, Variables
from merjax.nn import ststnet
from merjax.nn.dual_inception import DualInception
from merjax.nn.losses import focal_loss
from merjax.nn.off_apexnet import OFFApexNet
from merjax.nn.rcn import RCNA
from merjax.stages.optimiser import adamw, momentum


class Network(NamedTuple):
    """A peer's network.

    Attributes:
        module: classes -> a module that is called with (inputs, weight_B, dropout_rate, key) and gives scores `[B, K]`;
            without a key, in inference mode.
        prepare: images of K batches `[K, 3, 28, 28, B]` of uint8 (u, v, strain) -> what the runs take their inputs from.
        inputs: (what `prepare` gave, k, how many samples batch k holds) -> the module's inputs.
        work: multiply-adds of one clip's forward pass, in thousands.
        abreast: see `Stage`.
    """

    module: Callable[[int], nn.Module]
    prepare: Callable[[jax.Array], Any]
    inputs: Callable[[Any, jax.Array, jax.Array], Any]
    work: float
    abreast: int = 1


def _images(x_KxCxHxWxB: jax.Array) -> jax.Array:
    """Values between 0 and 1."""
    return x_KxCxHxWxB.astype(jnp.float32) / 255


def _image(x_KxCxHxWxB: jax.Array, k: jax.Array, filled: jax.Array) -> jax.Array:
    return x_KxCxHxWxB[k]


def _batch_of(prepared: Any, k: jax.Array) -> tuple[Any, jax.Array]:
    """Of K batches the k-th: STSTNet takes its windows from among all, block by block, without a copy of the batch."""
    return prepared, k


NETWORKS = {
    "ststnet": Network(ststnet.STSTNet, ststnet.prepare, ststnet.Windows, 390, abreast=2),
    "off_apexnet": Network(OFFApexNet, _images, _image, 3850),
    "dual_inception": Network(DualInception, _images, _image, 12400),
    "rcn_a": Network(RCNA, _images, _image, 19000),
}


@functools.cache
def peer_stage(name: str, classes: int, optimiser: str) -> Stage:
    """The stage of a peer.

    `hyper` holds the optimiser's numbers, and dropout, gamma, smoothing, alpha_K and target_N.
    """
    network = NETWORKS[name]
    model = network.module(classes)

    def scores(variables: Variables, batch: Batch, weight_B, rate, key):
        prepared, k = batch.inputs
        inputs = network.inputs(prepared, k, (batch.unit_B >= 0).sum())
        tree = {"params": variables.params, "batch_stats": variables.statistics}
        logits_BxK, changed = model.apply(tree, inputs, weight_B, rate, key, mutable=["batch_stats"])
        return logits_BxK, changed.get("batch_stats", {})

    def init(key, hyper):
        x_KxCxHxWxB = jnp.zeros((1, ststnet.CHANNELS, ststnet.SIDE, ststnet.SIDE, 1), jnp.uint8)
        inputs = network.inputs(network.prepare(x_KxCxHxWxB), jnp.asarray(0), jnp.asarray(1))
        tree = model.init(key, inputs, jnp.ones(1), 0.0, None)
        return Variables(tree["params"], tree.get("batch_stats", {}))

    def loss(variables, batch: Batch, weight_B, hyper, key):
        logits_BxK, statistics = scores(variables, batch, weight_B, hyper["dropout"], key)
        target_B = hyper["target_N"][batch.unit_B]
        loss_B = focal_loss(logits_BxK, target_B, hyper["alpha_K"], hyper["gamma"], hyper["smoothing"])
        share_B = weight_B / jnp.maximum(weight_B.sum(), 1e-9)
        right_B = logits_BxK.argmax(-1) == target_B
        return Outcome(loss_B @ share_B, {"loss": loss_B @ share_B, "accuracy": right_B @ share_B}, statistics)

    def apply(variables, batch: Batch, hyper):
        return scores(variables, batch, jnp.ones(len(batch.unit_B)), 0.0, None)[0]

    optimise: Callable[[Any], optax.GradientTransformation] = {"adam": adamw, "sgd": momentum}[optimiser]
    return Stage(name, init, loss, apply, optimise, network.prepare, _batch_of, network.abreast)


def flow_samples(flow_NxHxWxC: np.ndarray) -> Samples:
    """Samples of a peer's stage: a clip each.

    Args:
        flow_NxHxWxC: each clip's flow image, uint8.

    Inputs of K batches are `[K, C, H, W, B]`.
    """
    flow_CxHxWxN = np.ascontiguousarray(flow_NxHxWxC.transpose(3, 1, 2, 0))

    def gather(clip_KxB: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(flow_CxHxWxN[..., clip_KxB], -2, 0))

    return Samples(np.arange(len(flow_NxHxWxC)), gather)
