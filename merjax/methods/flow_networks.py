"""Baselines that are one network on one picture of each clip, such as its flow image, trained clip by clip in one stage."""

import functools
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from merjax.config import Config
from merjax.engine import Jobs, StageJob
from merjax.methods.flow_stage import FlowNetwork, FlowNumbers, flow_samples, flow_stage
from merjax.methods.numbers import traced_numbers
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
from merjax.nn import rcn, ststnet
from merjax.nn.dual_inception import DualInception
from merjax.nn.htnet import HEADS, HTNet
from merjax.nn.inception_cbam import DualATME, InceptionCBAM
from merjax.nn.learnet import LEARNet
from merjax.nn.linear import Linear
from merjax.nn.off_apexnet import OFFApexNet
from merjax.nn.off_tanet import OffTANet
from merjax.nn.rcn_merjax import RCNAMerjax
from merjax.nn.sssnet import SSSNet, stretched
from merjax.stores.asked_crops import feature_of
from merjax.stores.features import CHANNELS, side_of
from merjax.system.errors import MerjaxError
from merjax.training.data import TrainingData
from merjax.training.fitted import label_weights
from merjax.training.selection import extra_snapshots, snapshots_of, with_snapshots

LAST_EPOCHS = "peer.epochs"  # of the one stage
FLOW = StageReads(
    "flow network",
    version=1,
    settings=(
        *("method", "data.protocol", "control", "loss.gamma", "loss.alpha", "loss.label_smoothing"),
        *("peer.epochs", "peer.batch", "peer.shuffle", "peer.optimiser", "peer.learning_rate", "peer.halve_every"),
        *("peer.fall", "peer.weight_decay", "peer.decay", "peer.beta1", "peer.beta2", "peer.dropout"),
    ),
)


def as_images(x_KxCxHxWxB: jax.Array) -> jax.Array:
    """Images of K batches with values between 0 and 1."""
    return x_KxCxHxWxB.astype(jnp.float32) / 255


def as_bytes(x_KxCxHxWxB: jax.Array) -> jax.Array:
    """Images of K batches with their own values, 0 to 255."""
    return x_KxCxHxWxB.astype(jnp.float32)


def symmetric(x_KxCxHxWxB: jax.Array) -> jax.Array:
    """Images of K batches with values between -1 and 1."""
    return x_KxCxHxWxB.astype(jnp.float32) / 127.5 - 1


def batch_of_images(x_KxCxHxWxB: jax.Array, k: jax.Array, filled: jax.Array) -> jax.Array:
    """Batch k of K batches of images."""
    return x_KxCxHxWxB[k]


def _rcn(name: str, cost: float, **own: Any) -> FlowNetwork:
    module = functools.partial(rcn.RCN, form=rcn.FORMS[name])
    return FlowNetwork(module, as_images, batch_of_images, cost, settings=("maps", "pool"), **own)


NETWORKS = {
    "ststnet": FlowNetwork(ststnet.STSTNet, ststnet.prepare, ststnet.Windows, 390, runs_per_pass=2),
    "off_apexnet": FlowNetwork(OFFApexNet, as_images, batch_of_images, 3850),
    "dual_inception": FlowNetwork(DualInception, as_images, batch_of_images, 12400),
    "rcn_a": _rcn("rcn_a", 14000, version=2),
    "rcn_s": _rcn("rcn_s", 19300),
    "rcn_w": _rcn("rcn_w", 8000),
    "rcn_p": _rcn("rcn_p", 12800),
    "rcn_c": _rcn("rcn_c", 11600),
    "rcn_f": _rcn("rcn_f", 11600, flaws=rcn.FLAWS),
    "htnet": FlowNetwork(HTNet, as_bytes, batch_of_images, 5600, feature="mosaic", settings=("dim", "repeats")),
    "sssnet": FlowNetwork(SSSNet, stretched, batch_of_images, 16000, feature="flow64"),
    "inception_cbam": FlowNetwork(InceptionCBAM, symmetric, batch_of_images, 13500),
    "dual_atme": FlowNetwork(DualATME, symmetric, batch_of_images, 8500),
    "logistic_regression": FlowNetwork(Linear, symmetric, batch_of_images, 7),
    # what was called rcn_a before that was its authors'; its randomness and its saved models keep the name
    "rcn_a_merjax": FlowNetwork(RCNAMerjax, as_images, batch_of_images, 19000, stage="rcn_a"),
    "off_tanet": FlowNetwork(OffTANet, as_images, batch_of_images, 29000, feature="flow112"),
    "learnet": FlowNetwork(LEARNet, as_images, batch_of_images, 27000, feature="dynamic"),
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
    config = specs[0].config
    reads, seen = reads_of(config), reads_of(config).of(config)
    network, name = network_of(config.method), stage_name(config)
    stage = flow_stage(network, name, len(data.classes), seen.peer, data.task.several)
    runs = [make_run(data, _as_known(spec), reads, flow_numbers(data, spec)) for spec in specs]
    budget = with_snapshots(budget_of(seen.peer, len(data.index)), config.selection)
    return StageJob(stage, stacked(runs), flow_samples(data.pictures_NxHxWx3(feature(config))), budget)


def refuse(data: TrainingData, config: Config) -> None:
    """Refuse what the network cannot be trained on: a store without its feature or with pictures of another size, a single
    class, a flaw that its published code does not have.

    Raises:
        MerjaxError: one of these; the message says what to do.
    """
    network = network_of(config.method)
    side = side_of(network.feature)  # a network from elsewhere may name no feature that there is
    shape = feature_of(data.store, network.feature).pictures.shape[1:]
    if shape != (side, side, CHANNELS):
        raise MerjaxError(
            f"{data.store.path} holds {network.feature} as pictures of {'x'.join(map(str, shape))}, but {config.method} takes "
            f"{side}x{side}x{CHANNELS}; prepare the store again"
        )
    if len(data.classes) < 2:
        raise MerjaxError(
            f"{config.method} tells classes apart, but {data.store.path} has clips of one class; add others"
        )
    if "maps" in network.settings and config.peer.maps % 4:
        raise MerjaxError(f"peer.maps is {config.peer.maps}, but {config.method} takes a multiple of 4")
    if "dim" in network.settings and config.peer.dim < HEADS:
        raise MerjaxError(
            f"peer.dim is {config.peer.dim}, but {config.method} has {HEADS} heads, each of a channel at least"
        )
    if other := [flaw for flaw in config.peer.flaws if flaw not in network.flaws]:
        known = f"write any of {', '.join(network.flaws)}" if network.flaws else "leave peer.flaws out"
        raise MerjaxError(f'{config.method} has no flaw "{other[0]}" to switch on; {known}')


def feature(config: Config) -> str:
    """The feature whose pictures the network reads."""
    return network_of(config.method).feature


def reads_of(config: Config) -> StageReads:
    """What the stage of a config's network reads: the settings of all networks and its own."""
    network = network_of(config.method)
    own = (f"peer.{name}" for name in network.own)
    return FLOW._replace(version=network.version, settings=(*FLOW.settings, *own))


def stage_name(config: Config) -> str:
    """The name of the one stage. What a network from elsewhere once trained is read without it."""
    network = NETWORKS.get(config.method)
    return (network.stage if network else "") or config.method


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """Optimiser steps of the one stage."""
    return {stage_name(config): training_steps(config.peer, clips)}


def pictures(config: Config) -> Pictures:
    """One picture of each clip."""
    return "clip flow"


def stage_cost(data: TrainingData, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run, in units of 1e9."""
    passes = 3 * config.peer.epochs + extra_snapshots(config.selection)
    return {stage_name(config): passes * len(data.index) * network_of(config.method).cost / 1e6}


def parameters(config: Config, classes: int) -> int | None:
    """How many weights the network has; None for a network from elsewhere that is not here. Nothing is computed."""
    try:
        network, peer = network_of(config.method), reads_of(config).of(config).peer
    except MerjaxError:
        return None
    stage = flow_stage(network, stage_name(config), classes, peer)
    made = jax.eval_shape(lambda: stage.init(jax.random.key(0), None))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(made.params))


def flow_numbers(data: TrainingData, spec: RunId) -> FlowNumbers:
    """What one run's stage takes as data."""
    fold, config = data.folds[spec.fold], reads_of(spec.config).of(spec.config)
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
    inputs, known = data.feature_hashes(feature(spec.config)), _as_known(spec)
    return (make_job(reads_of(spec.config), data, known.config, spec.seed, spec.fold, target_N, inputs=inputs),)


def _as_known(spec: RunId) -> RunId:
    """The run under the name by which its network is known in random keys and hashes."""
    return spec._replace(config=replace(spec.config, method=stage_name(spec.config)))
