"""STSTNet's training, an epoch of 442 clips for one fold at a time: `python -m benchmarks.ststnet --against torch`."""

import argparse
import functools

import jax
import numpy as np

from benchmarks import duel
from merjax.config import make_config
from merjax.engine import RunArrays
from merjax.engine.mapping import default_mapping, over_runs
from merjax.engine.stage import advance, prepared, start
from merjax.methods.flow_networks import FlowNumbers, flow_samples, flow_stage
from merjax.methods.runs import budget_of
from merjax.stores.store import open_store
from merjax.system.jax_setup import compiler_options, prepare_backend

CLIPS, SUBJECTS, CLASSES, BATCH, RATE, LEARNING_RATE = 442, 68, 3, 256, 0.5, 5e-5
JAX_FOLDS, TORCH_FOLDS = 34, 6  # per turn: a sweep's chunk; and what keeps PyTorch's turn short, one fold after another


def clips(store: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flow images [N, 28, 28, 3], classes and subjects, random or from a store."""
    rng = np.random.default_rng(0)
    if store is None:
        subject_N = np.sort(rng.integers(0, SUBJECTS, CLIPS))
        return rng.integers(0, 256, (CLIPS, 28, 28, 3), np.uint8), rng.integers(0, CLASSES, CLIPS), subject_N
    opened = open_store(store)
    subject_N = (opened.index["database"] + opened.index["subject"]).factorize()[0]
    return np.asarray(opened.flow), rng.integers(0, CLASSES, len(subject_N)), subject_N


def jax_side(store: str | None) -> duel.Work:
    prepare_backend()
    flow_NxHxWxC, label_N, subject_N = clips(store)
    stage, samples = flow_stage("ststnet", CLASSES, "adam"), flow_samples(flow_NxHxWxC)
    steps = budget_of(make_config({"peer": {"epochs": 1, "batch": BATCH, "shuffle": False}}).peer, len(label_N)).steps
    optimiser = {"learning_rate": LEARNING_RATE, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "dropout": RATE}
    numbers = FlowNumbers(
        **{name: np.float32(value) for name, value in optimiser.items()},
        halve_steps=np.int32(0),
        gamma=np.float32(0),
        smoothing=np.float32(0),
        alpha_K=np.ones(CLASSES, np.float32),
        target_N=label_N.astype(np.int32),
    )
    each = [
        RunArrays(np.array([0, f], np.uint32), (subject_N != f).astype(np.float32), numbers) for f in range(JAX_FOLDS)
    ]
    runs = jax.tree.map(lambda *leaves: np.stack(leaves), *each)
    numbers_SxB = np.arange(steps * BATCH).reshape(steps, BATCH)
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
        return JAX_FOLDS

    return work


def torch_side(store: str | None) -> duel.Work:
    import torch
    from torch import nn

    from benchmarks import in_torch

    in_torch.begin()

    class STSTNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(3, filters, 3, padding=2) for filters in (3, 5, 8))
            self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for filters in (3, 5, 8))
            self.drop, self.fc = nn.Dropout(RATE), nn.Linear(400, CLASSES)

        def forward(self, x):
            pairs = zip(self.convs, self.norms, strict=True)
            streams = [nn.functional.max_pool2d(norm(torch.relu(conv(x))), 3, 3, 1) for conv, norm in pairs]
            return self.fc(nn.functional.avg_pool2d(torch.cat([self.drop(y) for y in streams], 1), 2).flatten(1))

    flow_NxHxWxC, label_N, subject_N = clips(store)
    x, label = torch.tensor(flow_NxHxWxC.transpose(0, 3, 1, 2).astype(np.float32)), torch.tensor(label_N)
    folds = []
    for f in range(TORCH_FOLDS):
        model = STSTNet()
        train = torch.tensor(subject_N != f)
        data = list(zip(x[train].split(BATCH), label[train].split(BATCH), strict=True))
        folds.append((model, torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True), data))

    def work() -> int:
        for model, optimiser, data in folds:
            for images, labels in data:
                optimiser.zero_grad(set_to_none=True)
                nn.functional.cross_entropy(model(images), labels).backward()
                optimiser.step()
        in_torch.finish()
        return TORCH_FOLDS

    return work


def settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", help="a clip store with flow of 28 x 28 pixels (default: random images)")


if __name__ == "__main__":
    duel.main("benchmarks.ststnet", "fold-epoch", {"jax": jax_side, "torch": torch_side}, settings)
