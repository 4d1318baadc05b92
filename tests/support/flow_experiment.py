"""A hand-made experiment on flow images, whose class shows in which channel moves."""

from pathlib import Path

import numpy as np
import pandas as pd

from merjax.protocols import SCHEMES, make_folds
from merjax.stores.held_features import HeldFeature
from merjax.stores.store import Store
from merjax.training.data import TrainingData

SUBJECTS, CLIPS = 4, 6


BASE = {
    "loss": {"gamma": 0, "alpha": "none"},
    "peer": {"epochs": 3, "batch": 16, "shuffle": False, "learning_rate": 1e-3},
    "engine": {"steps_per_call": 2},
}


def flow_images(side: int = 28) -> np.ndarray:
    """The class of a clip shows in which channel moves."""
    flow = np.random.default_rng(0).normal(128, 10, (SUBJECTS * CLIPS, side, side, 3))
    for n, image in enumerate(flow):
        image[8:20, 8:20, n % 3] += 80
    return flow.clip(0, 255).astype(np.uint8)


def experiment_of(flow: np.ndarray | None, feature: str | None = None) -> TrainingData:
    """Clips with these pictures, which are flow images of their size or another feature; None: with none."""
    features = {}
    if flow is not None:
        features[feature or f"flow{flow.shape[1]}"] = HeldFeature({"pictures": flow}, {"images": "ready"})
    n = SUBJECTS * CLIPS
    subject_N = np.repeat([f"sub{s:02d}" for s in range(SUBJECTS)], CLIPS)
    clip_N = [f"EP{i:02d}" for i in range(n)]
    index = pd.DataFrame(
        {"database": "casme2", "subject": subject_N, "clip": clip_N, "n_frames": 0, "first_row": 0, "fps": 200.0}
    )
    index["position"] = np.arange(n)
    nothing = pd.DataFrame(columns=["database", "subject", "clip", "reason"])
    return TrainingData(
        store=Store(Path("nowhere"), index, {}, nothing.assign(dropped=False), {"hash": "s", "sources": []}, features),
        scheme=SCHEMES["megc3"],
        index=index,
        left_out=nothing,
        target_N=(np.arange(n) % 3).astype(np.int32),
        target_NxR=np.zeros((n, 0), np.int32),
        folds=make_folds(index, "loso"),
        streams=(),
        classes_R=(),
        row_S=np.zeros(0, int),
        clip_S=np.zeros(0, int),
        length_N=np.zeros(n, int),
        input="gray",
    )
