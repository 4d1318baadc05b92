"""The one stage of a flow network: what a network declares, what a run takes as data, and how it is trained."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int

from merjax.config import PeerConfig
from merjax.engine import Batch, Outcome, Samples, Stage, Variables
from merjax.methods.numbers import Count, InModel, Real
from merjax.methods.optimisers import adamw, decayed_gradient, halved, momentum
from merjax.nn.layers.losses import focal_loss, is_right, several_focal_loss, several_right
from merjax.stores.features import CHANNELS, side_of


class FlowNetwork(NamedTuple):
    """A baseline's network.

    Attributes:
        module: classes, and its `settings` by name -> a module that is called with (inputs, weight_B, dropout_rate, key) and
            gives scores `[B, K]`, as `merjax.nn` says. What it sows as "losses", a number per sample, is added to the loss.
        prepare: images of K batches `[K, 3, H, W, B]` of uint8 -> what the runs take their inputs from.
        inputs: (what `prepare` gave, k, how many samples batch k holds) -> the module's inputs.
        cost: multiply-adds of one clip's forward pass, in thousands.
        runs_per_pass: see `Stage`.
        feature: the feature of the store whose pictures it reads, see `merjax.stores.features.side_of`.
        settings: those of `peer` that it takes beside the ones of all networks.
        flaws: of its published code, by name: those that `peer.flaws` may switch on.
        version: of its mathematics, see `StageReads`.
        stage: the name of its stage, also in random keys and hashes, where that is not the method's.
    """

    module: Callable[..., nn.Module]
    prepare: Callable[[jax.Array], Any]
    inputs: Callable[[Any, jax.Array, jax.Array], Any]
    cost: float
    runs_per_pass: int = 1
    feature: str = "flow28"
    settings: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()
    version: int = 1
    stage: str = ""

    @property
    def own(self) -> tuple[str, ...]:
        """The names of the settings of `peer` that it reads beside those of all networks, its flaws among them."""
        return (*self.settings, *(["flaws"] if self.flaws else []))


class FlowNumbers(NamedTuple):
    """What the stage of a flow network takes as data.

    Attributes:
        learning_rate, beta1, beta2, weight_decay: of the optimiser.
        halve_steps: the learning rate halves each time this many steps are done; 0: never.
        dropout: its rate.
        gamma, smoothing: of the focal loss.
        alpha_K: class weights; where a clip may have several classes, `[K, 2]`.
        target_N: labels of every clip; 0 for those that are not trained on.
    """

    learning_rate: InModel[Real]
    beta1: InModel[Real]
    beta2: InModel[Real]
    weight_decay: InModel[Real]
    halve_steps: InModel[Count]
    dropout: InModel[Real]
    gamma: InModel[Real]
    smoothing: InModel[Real]
    alpha_K: InModel[Float[Array | np.ndarray, "K *weights"]]
    target_N: Int[Array | np.ndarray, "N"]


def flow_stage(network: FlowNetwork, name: str, classes: int, peer: PeerConfig, several: bool = False) -> Stage:
    """The stage of a network under a name; equal settings give one stage, whose programs are then compiled once. With
    `several`, a clip may have several classes or none."""
    own = tuple((key, getattr(peer, key)) for key in network.own)
    return _stage(network, name, classes, several, peer.optimiser, peer.decay, peer.fall, own)


@functools.cache
def _stage(
    network: FlowNetwork, name: str, classes: int, several: bool, optimiser: str, decay: str, fall: float, own: tuple
) -> Stage:
    loss_of, right_of = (several_focal_loss, several_right) if several else (focal_loss, is_right)
    model = network.module(classes, **dict(own))

    def scores(variables: Variables, batch: Batch, weight_B, rate, key):
        prepared, k = batch.inputs
        inputs = network.inputs(prepared, k, (batch.unit_B >= 0).sum())
        tree = {"params": variables.params, "batch_stats": variables.statistics}
        logits_BxK, changed = model.apply(tree, inputs, weight_B, rate, key, mutable=["batch_stats", "losses"])
        return logits_BxK, changed

    def init(key, numbers: FlowNumbers):
        side = side_of(network.feature)
        x_KxCxHxWxB = jnp.zeros((1, CHANNELS, side, side, 1), jnp.uint8)
        inputs = network.inputs(network.prepare(x_KxCxHxWxB), jnp.asarray(0), jnp.asarray(1))
        tree = model.init(key, inputs, jnp.ones(1), 0.0, None)
        return Variables(tree["params"], tree.get("batch_stats", {}))

    def loss(variables, batch: Batch, weight_B, numbers: FlowNumbers, key):
        logits_BxK, changed = scores(variables, batch, weight_B, numbers.dropout, key)
        target_B = numbers.target_N[batch.unit_B]
        loss_B = loss_of(logits_BxK, target_B, numbers.alpha_K, numbers.gamma, numbers.smoothing)
        for further_B in jax.tree.leaves(changed.get("losses", {})):
            loss_B = loss_B + further_B
        share_B = weight_B / jnp.maximum(weight_B.sum(), 1e-9)
        right_B = right_of(logits_BxK, target_B)
        metrics = {"loss": loss_B @ share_B, "accuracy": right_B @ share_B}
        return Outcome(loss_B @ share_B, metrics, changed.get("batch_stats", {}))

    def apply(variables, batch: Batch, numbers: FlowNumbers):
        return scores(variables, batch, jnp.ones(len(batch.unit_B)), 0.0, None)[0]

    def optimise(numbers: FlowNumbers):
        of_name = {"adam": adamw, "sgd": momentum}[optimiser]
        rate = halved(numbers.learning_rate, numbers.halve_steps, fall)
        if decay == "decoupled":
            return of_name(numbers, rate)
        return decayed_gradient(of_name(numbers._replace(weight_decay=jnp.zeros(())), rate), numbers.weight_decay)

    return Stage(name, init, loss, apply, optimise, network.prepare, _whole_call, network.runs_per_pass)


def _whole_call(prepared: Any, k: jax.Array) -> tuple[Any, jax.Array]:
    """All K batches and the number k: STSTNet takes the windows of batch k block by block, without a copy of the batch."""
    return prepared, k


def flow_samples(flow_NxHxWxC: np.ndarray) -> Samples:
    """Samples of a flow network's stage: each is a clip.

    Args:
        flow_NxHxWxC: each clip's picture, uint8.

    Inputs of K batches are `[K, C, H, W, B]`.
    """
    flow_CxHxWxN = np.ascontiguousarray(flow_NxHxWxC.transpose(3, 1, 2, 0))

    def gather(clip_KxB: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(flow_CxHxWxN[..., clip_KxB], -2, 0))

    return Samples(np.arange(len(flow_NxHxWxC)), gather)
