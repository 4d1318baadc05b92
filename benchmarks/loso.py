"""Whole folds of the paper's method, both stages, features and predictions: `python -m benchmarks.loso --against torch`.

The clips have random pixels. Every fold trains the six regions' networks frame by frame, then the LSTMs on their features, and
predicts the clips that it held out. Ours goes through the engine as a sweep does: one stream of batches, held-out clips
at weight 0 in them, chunks of two folds.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import duel
from merjax.config import make_config
from merjax.engine import Engine, train, walk
from merjax.faces.regions import REGIONS
from merjax.methods.local_regions import jobs
from merjax.methods.runs import RunId
from merjax.protocols import SCHEMES, make_folds
from merjax.stores.store import Store
from merjax.system.jax_setup import prepare_backend
from merjax.training.data import TrainingData

Pixels = Callable[[tuple[int, ...]], np.ndarray]

SUBJECTS, CLIPS, FRAMES, FOLDS = 18, 2, 8, 2  # per subject, per clip, per turn
CONFIG = make_config({"spatial": {"epochs": 3, "batch": 32}, "temporal": {"epochs": 10, "batch": 12}})


def experiment(
    subjects: int = SUBJECTS, clips: int = CLIPS, frames: int = FRAMES, pixels: Path | Pixels | None = None
) -> TrainingData:
    """Clips of noise with labels of the three-class scheme; their pixels in memory, or in a folder, written where they are
    not there yet, or whatever a function gives for a shape."""
    n, rng, scheme = subjects * clips, np.random.default_rng(0), SCHEMES["megc3"]
    index = pd.DataFrame({"database": "casme2", "subject": np.repeat([f"sub{s:02d}" for s in range(subjects)], clips)})
    index = index.assign(clip=[f"EP{i:02d}" for i in range(n)], first_row=np.arange(n) * frames, n_frames=frames)
    shapes = {r.name: (n * frames, r.height, r.width) for r in REGIONS}
    if callable(pixels):
        crops = {name: pixels(shape) for name, shape in shapes.items()}
    else:
        crops = {name: noise(rng, shape, pixels and pixels / f"{name}.npy") for name, shape in shapes.items()}
    classes_R = tuple(len(scheme.region_classes[r.kind]) for r in REGIONS)
    nothing = pd.DataFrame(columns=["database", "subject", "clip", "reason"])
    return TrainingData(
        store=Store(Path("noise"), index, crops, nothing.assign(dropped=False), {"hash": "noise", "sources": []}),
        scheme=scheme,
        index=index,
        left_out=nothing,
        target_N=rng.integers(0, 3, n).astype(np.int32),
        target_NxR=np.stack([rng.integers(0, k, n) for k in classes_R], 1).astype(np.int32),
        folds=make_folds(index, "loso"),
        streams=REGIONS,
        classes_R=classes_R,
        row_S=np.arange(n * frames),
        clip_S=np.repeat(np.arange(n), frames),
        length_N=np.full(n, frames),
        input="gray",
    )


def noise(rng: np.random.Generator, shape: tuple[int, ...], path: Path | None) -> np.ndarray:
    """Random pixels; with a path, written there in pieces and mapped, as a store's crops are."""
    if path is None:
        return rng.integers(0, 256, shape, np.uint8)
    if not path.exists():
        pixels = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        for first in range(0, len(pixels), 1000):
            pixels[first : first + 1000] = rng.integers(0, 256, pixels[first : first + 1000].shape, np.uint8)
    return np.load(path, mmap_mode="r")


def jax_side() -> duel.Work:
    prepare_backend()
    data, engine = experiment(), Engine()
    specs = [RunId(CONFIG, 0, fold) for fold in range(FOLDS)]

    def work() -> int:
        walk(jobs(data, specs), train(engine, seed=0))
        return FOLDS

    return work


def torch_side() -> duel.Work:
    import torch
    from torch import nn

    from benchmarks import in_torch

    in_torch.begin()
    data, spatial, temporal = experiment(), CONFIG.spatial, CONFIG.temporal
    gamma, rates = CONFIG.loss.gamma, (temporal.dropout_lstm, temporal.dropout_fc)
    pixels = [torch.tensor(data.store.crops[r.name])[:, None] for r in REGIONS]
    region_label, label = torch.tensor(data.target_NxR).long(), torch.tensor(data.target_N).long()
    clip, length = torch.tensor(data.clip_S), torch.tensor(data.length_N)

    def adam(model: nn.Module, stage) -> torch.optim.Optimizer:
        return torch.optim.Adam(model.parameters(), lr=stage.learning_rate, fused=True)

    def train_fold(fold) -> torch.Tensor:
        models = nn.ModuleList(in_torch.ShallowCNN(k, spatial.dropout) for k in data.classes_R)
        optimiser, train_N = adam(models, spatial), torch.tensor(fold.train_N)
        rows = train_N[clip].nonzero()[:, 0]
        for _ in range(int(spatial.epochs)):
            for batch in rows[torch.randperm(len(rows))].split(spatial.batch):
                optimiser.zero_grad(set_to_none=True)
                for r, model in enumerate(models):
                    logits = model(pixels[r][batch].float().div_(255))
                    in_torch.focal_loss(logits, region_label[clip[batch], r], gamma).backward()
                optimiser.step()
        with torch.no_grad():
            models.eval()
            parts = [
                [m.features(part.float().div_(255)) for part in x.split(spatial.batch)]
                for m, x in zip(models, pixels, strict=True)
            ]
            features = torch.stack([torch.cat(own) for own in parts], 1).reshape(len(length), FRAMES, len(models), -1)
        model = in_torch.TemporalModel(len(models), features.shape[-1], temporal.units, len(data.classes), rates)
        optimiser, clips = adam(model, temporal), train_N.nonzero()[:, 0]
        for _ in range(int(temporal.epochs)):
            for batch in clips[torch.randperm(len(clips))].split(temporal.batch):
                optimiser.zero_grad(set_to_none=True)
                in_torch.focal_loss(model(features[batch], length[batch]), label[batch], gamma).backward()
                optimiser.step()
        with torch.no_grad():
            return torch.softmax(model.eval()(features, length), 1)

    def work() -> int:
        for fold in data.folds[:FOLDS]:
            train_fold(fold)
        in_torch.finish()
        return FOLDS

    return work


if __name__ == "__main__":
    duel.main("benchmarks.loso", "fold", {"jax": jax_side, "torch": torch_side})
