"""Baselines that are one network on each clip's flow image, trained clip by clip in one stage."""

import functools
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int

from merjax.config import Config
from merjax.engine import Batch, Jobs, Outcome, Samples, Stage, StageJob, Variables
from merjax.methods.numbers import Count, InModel, Real, traced_numbers
from merjax.methods.optimisers import adamw, halved, momentum
from merjax.methods.runs import (
    Pictures,
    RunId,
    Trained,
    budget_of,
    make_run,
    stacked,
    steps_per_epoch,
    training_labels,
    training_steps,
)
from merjax.methods.stage_identity import Job, StageReads, make_job
from merjax.nn import ststnet
from merjax.nn.dual_inception import DualInception
from merjax.nn.layers.losses import focal_loss, is_right, several_focal_loss, several_right
from merjax.nn.off_apexnet import OFFApexNet
from merjax.nn.rcn import RCNA
from merjax.nn.ststnet import SIDE
from merjax.system.errors import MerjaxError
from merjax.training.data import TrainingData
from merjax.training.fitted import label_weights
from merjax.training.selection import extra_snapshots, snapshots_of, with_snapshots

FLOW = StageReads(
    "flow network",
    version=1,
    settings=(
        *("method", "data.protocol", "control", "loss.gamma", "loss.alpha", "loss.label_smoothing"),
        *("peer.epochs", "peer.batch", "peer.shuffle", "peer.optimiser", "peer.learning_rate", "peer.halve_every"),
        *("peer.weight_decay", "peer.beta1", "peer.beta2", "peer.dropout"),
    ),
)


class FlowNetwork(NamedTuple):
    """A baseline's network.

    Attributes:
        module: classes -> a module that is called with (inputs, weight_B, dropout_rate, key) and gives scores `[B, K]`; the
            key None means inference mode.
        prepare: images of K batches `[K, 3, 28, 28, B]` of uint8 (u, v, strain) -> what the runs take their inputs from.
        inputs: (what `prepare` gave, k, how many samples batch k holds) -> the module's inputs.
        cost: multiply-adds of one clip's forward pass, in thousands.
        runs_per_pass: see `Stage`.
    """

    module: Callable[[int], nn.Module]
    prepare: Callable[[jax.Array], Any]
    inputs: Callable[[Any, jax.Array, jax.Array], Any]
    cost: float
    runs_per_pass: int = 1


def as_images(x_KxCxHxWxB: jax.Array) -> jax.Array:
    """Images of K batches with values between 0 and 1."""
    return x_KxCxHxWxB.astype(jnp.float32) / 255


def batch_of_images(x_KxCxHxWxB: jax.Array, k: jax.Array, filled: jax.Array) -> jax.Array:
    """Batch k of K batches of images."""
    return x_KxCxHxWxB[k]


def _whole_call(prepared: Any, k: jax.Array) -> tuple[Any, jax.Array]:
    """All K batches and the number k: STSTNet takes the windows of batch k block by block, without a copy of the batch."""
    return prepared, k


NETWORKS = {
    "ststnet": FlowNetwork(ststnet.STSTNet, ststnet.prepare, ststnet.Windows, 390, runs_per_pass=2),
    "off_apexnet": FlowNetwork(OFFApexNet, as_images, batch_of_images, 3850),
    "dual_inception": FlowNetwork(DualInception, as_images, batch_of_images, 12400),
    "rcn_a": FlowNetwork(RCNA, as_images, batch_of_images, 19000),
}


def network_of(name: str) -> FlowNetwork:
    """A network by its name in `NETWORKS`, or by `package.module:NAME` if it is defined outside of merjax.

    Raises:
        MerjaxError: there is no such network.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    module, _, variable = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), variable)):
        raise MerjaxError(f'there is no method "{name}"; a network outside of merjax is written package.module:NAME')
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # `python -m` looks there too, so the workers of a sweep find it
    try:
        network = getattr(import_module(module), variable)
    except (ImportError, AttributeError) as error:
        raise MerjaxError(
            f'method "{name}" cannot be imported ({error}); write package.module:NAME, where NAME is a FlowNetwork in a module '
            "that Python finds from this folder"
        ) from error
    if not isinstance(network, FlowNetwork):
        raise MerjaxError(f'method "{name}" is a {type(network).__name__}; it must be a FlowNetwork')
    return network


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


@functools.cache
def flow_stage(name: str, classes: int, optimiser: str, several: bool = False) -> Stage:
    """The stage of a flow network; with `several`, a clip may have several classes or none."""
    loss_of, right_of = (several_focal_loss, several_right) if several else (focal_loss, is_right)
    network = network_of(name)
    model = network.module(classes)

    def scores(variables: Variables, batch: Batch, weight_B, rate, key):
        prepared, k = batch.inputs
        inputs = network.inputs(prepared, k, (batch.unit_B >= 0).sum())
        tree = {"params": variables.params, "batch_stats": variables.statistics}
        logits_BxK, changed = model.apply(tree, inputs, weight_B, rate, key, mutable=["batch_stats"])
        return logits_BxK, changed.get("batch_stats", {})

    def init(key, numbers: FlowNumbers):
        x_KxCxHxWxB = jnp.zeros((1, ststnet.CHANNELS, ststnet.SIDE, ststnet.SIDE, 1), jnp.uint8)
        inputs = network.inputs(network.prepare(x_KxCxHxWxB), jnp.asarray(0), jnp.asarray(1))
        tree = model.init(key, inputs, jnp.ones(1), 0.0, None)
        return Variables(tree["params"], tree.get("batch_stats", {}))

    def loss(variables, batch: Batch, weight_B, numbers: FlowNumbers, key):
        logits_BxK, statistics = scores(variables, batch, weight_B, numbers.dropout, key)
        target_B = numbers.target_N[batch.unit_B]
        loss_B = loss_of(logits_BxK, target_B, numbers.alpha_K, numbers.gamma, numbers.smoothing)
        share_B = weight_B / jnp.maximum(weight_B.sum(), 1e-9)
        right_B = right_of(logits_BxK, target_B)
        return Outcome(loss_B @ share_B, {"loss": loss_B @ share_B, "accuracy": right_B @ share_B}, statistics)

    def apply(variables, batch: Batch, numbers: FlowNumbers):
        return scores(variables, batch, jnp.ones(len(batch.unit_B)), 0.0, None)[0]

    def optimise(numbers: FlowNumbers):
        of_name = {"adam": adamw, "sgd": momentum}[optimiser]
        return of_name(numbers, halved(numbers.learning_rate, numbers.halve_steps))

    return Stage(name, init, loss, apply, optimise, network.prepare, _whole_call, network.runs_per_pass)


def flow_samples(flow_NxHxWxC: np.ndarray) -> Samples:
    """Samples of a flow network's stage: each is a clip.

    Args:
        flow_NxHxWxC: each clip's flow image, uint8.

    Inputs of K batches are `[K, C, H, W, B]`.
    """
    flow_CxHxWxN = np.ascontiguousarray(flow_NxHxWxC.transpose(3, 1, 2, 0))

    def gather(clip_KxB: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(flow_CxHxWxN[..., clip_KxB], -2, 0))

    return Samples(np.arange(len(flow_NxHxWxC)), gather)


def jobs(data: TrainingData, specs: Sequence[RunId]) -> Jobs[Trained]:
    """The one stage of runs of one group and one seed.

    If the config keeps the clips in order, batches are cut from all clips, and a run skips the clips that it holds out. Code
    that cuts each fold's own training clips into batches of 256 has the same samples in the same order, but its first batch
    reaches further by as many clips as the fold holds out of it.

    Args:
        data: what they train on.
        specs: the runs, with one `program_group` and one seed.
    """
    job = flow_job(data, specs)
    result = yield job
    snapshots_PxLxNxK, step_L = snapshots_of(result.snapshots, result.outputs, job.budget, data.task.several)
    return Trained(snapshots_PxLxNxK, step_L, {job.stage.name: result.curves})


def flow_job(data: TrainingData, specs: Sequence[RunId]) -> StageJob:
    """The stage, its runs, and the clips that they train on."""
    config = FLOW.of(specs[0].config)
    stage = flow_stage(config.method, len(data.classes), config.peer.optimiser, data.task.several)
    runs = stacked([make_run(data, spec, FLOW, flow_numbers(data, spec)) for spec in specs])
    budget = with_snapshots(budget_of(config.peer, len(data.index)), specs[0].config.selection)
    return StageJob(stage, runs, flow_samples(data.flow_NxHxWx3), budget)


def refuse(data: TrainingData, config: Config) -> None:
    """Refuse a store that holds no flow images, or flow images of another size than the networks take.

    Raises:
        MerjaxError: the store is refused; the message says how to make one that fits.
    """
    height, width = data.flow_NxHxWx3.shape[1:3]
    if (height, width) != (SIDE, SIDE):
        raise MerjaxError(
            f"{data.store.path} holds flow images of {width}x{height} pixels; the flow networks take "
            f"{SIDE}x{SIDE}: prepare them again in that size"
        )


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """Optimiser steps of the one stage."""
    return {config.method: training_steps(config.peer, clips)}


def last_epochs(config: Config) -> float:
    """Epochs of the one stage."""
    return config.peer.epochs


def pictures(config: Config) -> Pictures:
    """Each clip's flow image."""
    return "clip flow"


def stage_cost(data: TrainingData, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run, in units of 1e9."""
    passes = 3 * config.peer.epochs + extra_snapshots(config.selection)
    return {config.method: passes * len(data.index) * network_of(config.method).cost / 1e6}


def flow_numbers(data: TrainingData, spec: RunId) -> FlowNumbers:
    """What one run's stage takes as data."""
    fold, config = data.folds[spec.fold], FLOW.of(spec.config)
    target_N, _ = training_labels(data, spec)
    traced = traced_numbers(config.peer)
    del traced["halve_every"]  # a stage counts steps, not epochs
    halve_steps = config.peer.halve_every * steps_per_epoch(config.peer, len(data.index))
    return FlowNumbers(
        **traced,
        halve_steps=np.int32(round(halve_steps)),
        gamma=np.float32(config.loss.gamma),
        smoothing=np.float32(config.loss.label_smoothing),
        alpha_K=label_weights(config.loss.alpha, target_N[fold.train_N], data.task),
        target_N=target_N,
    )


def identities(data: TrainingData, spec: RunId) -> tuple[Job]:
    """The identity of a run's one stage."""
    target_N, _ = training_labels(data, spec)
    return (make_job(FLOW, data, spec.config, spec.seed, spec.fold, target_N),)
