"""SOFTNet's training, an epoch of 1,200 windows for one fold, in batches of 12: `python -m benchmarks.softnet --against torch`.

PyTorch trains one fold after another, as its loop over held-out subjects does; merjax trains all folds on common batches.
"""

import argparse
import functools

import jax
import numpy as np

from benchmarks import duel
from merjax.config import SpotterConfig
from merjax.engine import RunArrays, Samples
from merjax.engine.mapping import default_mapping, over_runs
from merjax.engine.stage import advance, prepared, start
from merjax.methods.runs import stacked
from merjax.methods.spotting.softnet import stage_of
from merjax.methods.spotting.trained import spotter_numbers
from merjax.nn.softnet import SIDE
from merjax.system.jax_setup import compiler_options, prepare_backend

WINDOWS, SUBJECTS, BATCH, STEPS_PER_CALL = 1200, 12, 12, 20
JAX_FOLDS, TORCH_FOLDS = 12, 2  # per turn: all; and what keeps PyTorch's turn short


def windows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures `[N, 42, 42, 3]`, targets and subjects, random."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (WINDOWS, SIDE, SIDE, 3)).astype(np.uint8)
    return pictures, (rng.random(WINDOWS) < 0.3).astype(np.float32), rng.integers(0, SUBJECTS, WINDOWS)


def jax_side() -> duel.Work:
    prepare_backend()
    pictures, target_N, subject_N = windows()
    stage = stage_of("micro", "sgd")
    numbers = spotter_numbers(SpotterConfig())
    runs = stacked(
        [RunArrays(np.array([0, f], np.uint32), np.arange(SUBJECTS) != f, numbers) for f in range(JAX_FOLDS)]
    )
    runs = runs._replace(weight_N=runs.weight_N.astype(np.float32))

    def gather(sample_KxB: np.ndarray) -> dict[str, np.ndarray]:
        own = np.ascontiguousarray(np.moveaxis(pictures[sample_KxB], (1, 4), (4, 1)))
        return {"pictures": own, "target": target_N[sample_KxB]}

    samples = Samples(subject_N, gather)
    order = np.arange(WINDOWS).reshape(-1, STEPS_PER_CALL, BATCH)

    def call(states, runs, batches):
        f = over_runs(functools.partial(advance, stage), default_mapping(jax.default_backend()), 2, stage.runs_per_pass)
        return f(states, runs, prepared(stage, batches), 0, STEPS_PER_CALL)

    compiled = jax.jit(call, donate_argnums=0, compiler_options=compiler_options())
    states = jax.jit(jax.vmap(functools.partial(start, stage)))(runs)

    def work() -> int:
        nonlocal states
        for numbers_KxB in order:  # with the gathering of each call's batches
            states, metrics = compiled(states, runs, samples.batches(numbers_KxB))
        jax.block_until_ready(metrics)
        return JAX_FOLDS

    return work


def torch_side() -> duel.Work:
    import torch
    from torch import nn

    from benchmarks import in_torch

    class SOFTNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(1, filters, 5, padding=2) for filters in (3, 5, 8))
            self.fc, self.score = nn.Linear(784, 400), nn.Linear(400, 1)

        def forward(self, x):
            streams = [
                nn.functional.max_pool2d(torch.relu(conv(x[:, c : c + 1])), 3) for c, conv in enumerate(self.convs)
            ]
            y = nn.functional.max_pool2d(torch.cat(streams, 1), 2)
            return self.score(torch.relu(self.fc(y.flatten(1))))[:, 0]

    in_torch.begin()
    pictures, target_N, subject_N = windows()
    x = torch.tensor(pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    target, folds = torch.tensor(target_N), []
    for f in range(TORCH_FOLDS):
        model, train = SOFTNet(), torch.tensor(subject_N != f)
        data = list(zip(x[train].split(BATCH), target[train].split(BATCH), strict=True))
        folds.append((model, torch.optim.SGD(model.parameters(), lr=SpotterConfig().learning_rate, fused=True), data))

    def work() -> int:
        for model, optimiser, data in folds:
            for images, targets in data:
                optimiser.zero_grad(set_to_none=True)
                (model(images) - targets).square().mean().backward()
                optimiser.step()
        in_torch.finish()
        return len(folds)

    return work


def settings(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


if __name__ == "__main__":
    duel.main("benchmarks.softnet", "fold-epoch", {"jax": jax_side, "torch": torch_side}, settings)
