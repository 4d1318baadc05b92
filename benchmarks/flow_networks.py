"""A flow network's training, an epoch of 442 clips for one fold: `python -m benchmarks.flow_networks --against torch`.

`--network rcn_a` takes another network than STSTNet, with the settings of its own sweep file.
"""

import argparse
import functools

import jax
import numpy as np

from benchmarks import duel
from merjax.config import PeerConfig
from merjax.engine import RunArrays
from merjax.engine.mapping import default_mapping, over_runs
from merjax.engine.stage import advance, prepared, start
from merjax.methods.flow_networks import network_of
from merjax.methods.flow_stage import FlowNumbers, flow_samples, flow_stage
from merjax.methods.runs import stacked
from merjax.stores.features import side_of
from merjax.stores.store import open_store
from merjax.sweeps.shipped import named_sweeps
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.jax_setup import compiler_options, prepare_backend

CLIPS, SUBJECTS, CLASSES = 442, 68, 3
JAX_FOLDS, TORCH_FOLDS = 34, 6  # per turn: a sweep's chunk; and what keeps PyTorch's turn short, one fold after another
FEW_JAX_FOLDS, FEW_TORCH_FOLDS = 4, 1  # of the networks that take longer than STSTNet
SWEEPS = (
    *("ststnet", "off_apexnet", "dual_inception", "rcn_a", "rcn_family", "htnet", "sssnet", "inception_cbam"),
    *("off_tanet", "learnet"),
)


def clips(network: str, store: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures [N, H, W, 3], classes and subjects, random or from a store."""
    rng, feature = np.random.default_rng(0), network_of(network).feature
    if store is None:
        subject_N, side = np.sort(rng.integers(0, SUBJECTS, CLIPS)), side_of(feature)
        return rng.integers(0, 256, (CLIPS, side, side, 3), np.uint8), rng.integers(0, CLASSES, CLIPS), subject_N
    opened = open_store(store)
    subject_N = (opened.index["database"] + opened.index["subject"]).factorize()[0]
    return np.asarray(opened.features[feature].pictures), rng.integers(0, CLASSES, len(subject_N)), subject_N


def settings_of(network: str) -> PeerConfig:
    """Of the first trial of a shipped sweep that trains the network."""
    trials = [trial for name in SWEEPS for trial in read_sweep(named_sweeps()[name]).trials]
    return next(trial.config.peer for trial in trials if trial.config.method == network)


def jax_side(network: str, store: str | None) -> duel.Work:
    prepare_backend()
    flow_NxHxWxC, label_N, subject_N = clips(network, store)
    peer, folds = settings_of(network), JAX_FOLDS if network == "ststnet" else FEW_JAX_FOLDS
    stage, samples = flow_stage(network_of(network), network, CLASSES, peer), flow_samples(flow_NxHxWxC)
    steps = -(-len(label_N) // peer.batch)
    numbers = FlowNumbers(
        **{
            name: np.float32(getattr(peer, name))
            for name in ("learning_rate", "beta1", "beta2", "weight_decay", "dropout")
        },
        halve_steps=np.int32(0),
        gamma=np.float32(0),
        smoothing=np.float32(0),
        alpha_K=np.ones(CLASSES, np.float32),
        target_N=label_N.astype(np.int32),
    )
    runs = stacked(
        [RunArrays(np.array([0, f], np.uint32), (subject_N != f).astype(np.float32), numbers) for f in range(folds)]
    )
    numbers_SxB = np.arange(steps * peer.batch).reshape(steps, peer.batch)
    batches = jax.device_put(samples.batches(np.where(numbers_SxB < len(label_N), numbers_SxB, -1)))

    def epoch(states, runs, batches):
        mapping = default_mapping(jax.default_backend())
        f = over_runs(functools.partial(advance, stage), mapping, 2, stage.runs_per_pass)
        return f(states, runs, prepared(stage, batches), 0, steps)

    compiled = jax.jit(epoch, donate_argnums=0, compiler_options=compiler_options())
    states = jax.jit(jax.vmap(functools.partial(start, stage)))(runs)

    def work() -> int:
        nonlocal states
        states, metrics = compiled(states, runs, batches)
        jax.block_until_ready(metrics)
        return folds

    return work


def torch_side(network: str, store: str | None) -> duel.Work:
    import torch

    from benchmarks import flow_in_torch, in_torch

    in_torch.begin()
    flow_NxHxWxC, label_N, subject_N = clips(network, store)
    peer, count = settings_of(network), TORCH_FOLDS if network == "ststnet" else FEW_TORCH_FOLDS
    x, label = torch.tensor(flow_NxHxWxC.transpose(0, 3, 1, 2).astype(np.float32)), torch.tensor(label_N)
    if network not in ("ststnet", "htnet"):
        x /= 255
    folds = []
    for f in range(count):
        model = flow_in_torch.NETWORKS[network](CLASSES)
        train = torch.tensor(subject_N != f)
        data = list(zip(x[train].split(peer.batch), label[train].split(peer.batch), strict=True))
        optimiser = {
            "adam": lambda weights: torch.optim.Adam(weights, lr=peer.learning_rate, fused=True),
            "sgd": lambda weights: torch.optim.SGD(weights, lr=peer.learning_rate, momentum=peer.beta1, fused=True),
        }[peer.optimiser](model.parameters())
        folds.append((model, optimiser, data))

    def work() -> int:
        for model, optimiser, data in folds:
            for images, labels in data:
                optimiser.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(model(images), labels).backward()
                optimiser.step()
        in_torch.finish()
        return len(folds)

    return work


def settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", default="ststnet", help="a method with a network (default: ststnet)")
    parser.add_argument("--store", help="a clip store with its feature (default: random images)")


if __name__ == "__main__":
    duel.main("benchmarks.flow_networks", "fold-epoch", {"jax": jax_side, "torch": torch_side}, settings)
