"""What makes two trainings of a stage the same: what the stage reads, its random key and its sharing hash.

Each stage declares what it reads of a config, beside its code, as `StageReads`. Its code gets a config in which every other
setting has its default, so a setting that is not declared cannot change anything.

A job is one training of one stage. Its random key comes from the seed, the stage, the settings that the stage reads and the
training subjects, and never from pixels, labels or the store's hash: what is held out cannot reach it. Its sharing hash is of
everything that reaches the training, those included, and of the precision that it is computed in. Jobs with one hash are one
training, whatever asks for them.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from merjax.config import Config
from merjax.system.settings import identity, with_only
from merjax.training.data import TrainingData
from merjax.training.spotting_data import SpottingData


class StageReads(NamedTuple):
    """A stage's declaration.

    Attributes:
        stage: its name in keys and hashes; it stays as it is.
        version: of its mathematics: raised when they change, so that nothing that older code gave is taken for the same.
        settings: the dotted keys that it reads.
    """

    stage: str
    version: int
    settings: tuple[str, ...]

    def of(self, config: Config) -> Config:
        """The config as the stage may see it."""
        return _seen(config, self.settings)


_seen = functools.cache(with_only)


class Job(NamedTuple):
    """What one training of a stage is known by.

    Attributes:
        reads: of the stage.
        key: key data of its randomness.
        hash: of everything that reaches it.
    """

    reads: StageReads
    key: np.ndarray
    hash: str


def drawn(*parts: object) -> np.ndarray:
    """Key data of randomness that comes from these parts alone."""
    return np.frombuffer(_hashed(json.dumps(parts).encode(), 8), np.uint32)


def stage_key(reads: StageReads, config: Config, seed: int, subjects: Sequence[str]) -> np.ndarray:
    """Key data of a job's randomness."""
    return drawn(seed, reads.stage, identity(config, reads.settings), subjects)


def make_job(
    reads: StageReads,
    data: TrainingData | SpottingData,
    config: Config,
    seed: int,
    fold: int,
    *reaches: np.ndarray,
    inputs: Sequence[str] = (),
) -> Job:
    """The identity of one training of a stage.

    Args:
        reads: of the stage.
        data: what it trains on.
        config: the trial's settings.
        seed, fold: the run's.
        reaches: what the stage takes of each clip or frame: labels of the training clips, which frames are in use.
        inputs: hashes of the jobs whose outputs it takes.
    """
    about = [
        reads.stage,
        reads.version,
        seed,
        identity(config, reads.settings),
        data.store.hash,
        data.clip_names,
        inputs,
        *([config.engine.precision] if config.engine.precision != "highest" else []),
    ]
    arrays = [data.folds[fold].train_N, *reaches]
    content = [json.dumps(about).encode(), *(np.ascontiguousarray(x).astype("<i8").tobytes() for x in arrays)]
    digest = _hashed(b"".join(hashlib.blake2b(part).digest() for part in content), 16).hex()
    return Job(reads, stage_key(reads, config, seed, data.training_subjects[fold]), digest)


def _hashed(content: bytes, size: int) -> bytes:
    return hashlib.blake2b(content, digest_size=size).digest()
