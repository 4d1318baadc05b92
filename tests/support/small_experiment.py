"""A hand-made experiment with tiny pictures and networks, and a sweep's folder over it: a whole training takes a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import linen as nn

import merjax.nn.region_cnn
import merjax.nn.region_lstm
import merjax.sweeps.plan
from merjax.faces.regions import Region
from merjax.nn.layers.conv_layers import ConvReluPool
from merjax.nn.layers.recurrent import lstm_reference
from merjax.nn.shallow_cnn import FEATURES, SimpleCNN
from merjax.protocols import SCHEMES, make_folds
from merjax.stores.store import Store
from merjax.sweeps.folder import open_folder
from merjax.sweeps.plan import Plan, make_plan
from merjax.sweeps.sweep_file import make_sweep
from merjax.training.data import TrainingData

SUBJECTS, CLIPS, FRAMES, SIDE = 4, 3, 2, 8
STREAMS = (Region("eye_right", "eyes", SIDE, SIDE), Region("mouth", "mouth", SIDE, SIDE))
BASE = {
    "spatial": {"epochs": 4, "batch": 8, "learning_rate": 1e-3},
    "temporal": {"epochs": 8, "batch": 4, "units": 4, "learning_rate": 1e-3},
    "engine": {"steps_per_call": 2, "chunk": 4, "checkpoint_minutes": 0},
}

# trials that have the spatial stage in common
SHARED = {"all": {}, "mouth": {"regions": ["mouth"]}, "slow": {"temporal.learning_rate": 1e-4}}


def small_experiment() -> TrainingData:
    """Four subjects with a clip of each of three classes; the class shows in the brightness of the second frame."""
    n = SUBJECTS * CLIPS
    target_N = np.tile(np.arange(3), SUBJECTS)
    subject_N = np.repeat([f"sub{s:02d}" for s in range(SUBJECTS)], CLIPS)
    index = pd.DataFrame(
        {
            "database": "casme2",
            "subject": subject_N,
            "clip": [f"EP{i:02d}" for i in range(n)],
            "first_row": np.arange(n) * FRAMES,
            "n_frames": FRAMES,
            "fps": 200.0,
        }
    )
    noise = np.random.default_rng(0).integers(0, 20, (len(STREAMS), n * FRAMES, SIDE, SIDE))
    level = 60 + 40 * target_N[:, None] * (np.arange(FRAMES) > 0)
    crops = {r.name: (level.reshape(-1, 1, 1) + own).astype(np.uint8) for r, own in zip(STREAMS, noise, strict=True)}
    nothing = pd.DataFrame(columns=["database", "subject", "clip", "reason"])
    return TrainingData(
        store=Store(Path("nowhere"), index, crops, nothing.assign(dropped=False), {"hash": "small", "sources": []}),
        scheme=SCHEMES["megc3"],
        index=index,
        left_out=nothing,
        target_N=target_N,
        target_NxR=np.stack([np.minimum(target_N, 1), target_N], 1),
        folds=make_folds(index, "loso"),
        streams=STREAMS,
        classes_R=(2, 4),
        row_S=np.arange(n * FRAMES),
        clip_S=np.repeat(np.arange(n), FRAMES),
        length_N=np.full(n, FRAMES),
        input="gray",
    )


class TinyCNN(SimpleCNN):
    """A region's network with one small convolution and FC layers of eight units: what is proven for sweeps does not depend
    on the paper's sizes, and these compile, train and are saved in a fraction of the time."""

    def setup(self):
        self.stack = [ConvReluPool(4, 3)]
        self.fc1024, self.fc250, self.fc20 = nn.Dense(8), nn.Dense(8), nn.Dense(FEATURES)
        self.out = nn.Dense(self.classes)


def plain_lstm(kernel_x, kernel_h, bias, x_RxTxBxD, length_B, gates="sigmoid"):
    """The plain loop, which compiles in a fraction of the time of the fast one, with its NaN for frames that are not there."""
    h_RxBxH = lstm_reference(kernel_x, kernel_h, bias, x_RxTxBxD, length_B, gates)
    return jnp.where((length_B <= x_RxTxBxD.shape[1])[:, None], h_RxBxH, jnp.nan)


Networks = Literal["tiny", "paper"]
_PAPER = merjax.nn.region_lstm.lstm, merjax.nn.region_cnn.NETWORKS


def use_small_experiment(setattr=setattr, networks: Networks = "tiny") -> None:
    """Let plans and work open the small experiment, whatever store a config names, and train tiny networks; pass
    `monkeypatch.setattr` in tests."""
    setattr(merjax.sweeps.plan, "data_of", lambda data: small_experiment())
    use_networks(setattr, networks)


def use_networks(setattr=setattr, networks: Networks = "tiny") -> None:
    """Put `TinyCNN` in place of the regions' networks, and the plain loop in place of the fast LSTM; or the paper's back."""
    lstm, cnns = (plain_lstm, {"shallow": TinyCNN, "simple": TinyCNN}) if networks == "tiny" else _PAPER
    setattr(merjax.nn.region_lstm, "lstm", lstm)
    setattr(merjax.nn.region_cnn, "NETWORKS", cnns)


@contextmanager
def networks_in_use(networks: Networks) -> Iterator[None]:
    """These networks instead of those of the tests around; JAX forgets what it traced with the others."""
    around = merjax.nn.region_lstm.lstm, merjax.nn.region_cnn.NETWORKS
    use_networks(networks=networks)
    jax.clear_caches()
    try:
        yield
    finally:
        merjax.nn.region_lstm.lstm, merjax.nn.region_cnn.NETWORKS = around
        jax.clear_caches()


def small_plan(folder: Path | None = None, *, workers: int = 1, **content) -> Plan:
    """The plan of a sweep over the small experiment, started in a folder; `use_small_experiment` first."""
    plan = make_plan(make_sweep({"base": BASE} | content, "small"), workers)
    return open_folder(folder, plan) if folder else plan
