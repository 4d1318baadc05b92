"""What spotters train on and are tested on: the long videos of a motion store, in folds of whole subjects."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from merjax.config import DataConfig
from merjax.protocols import Fold, make_folds, split_hash
from merjax.protocols.folds import subjects_of
from merjax.protocols.inner_subjects import inner_folds
from merjax.protocols.tasks import SPOTTING, Task
from merjax.stores.motion_store import MotionStore, StoredVideo, open_motion_store
from merjax.system.errors import MerjaxError
from merjax.training.data import TrainingData

Lengths = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class SpottingData:
    """A motion store under folds. What is called a clip elsewhere is a video here: N counts videos.

    Attributes:
        store: the motion store.
        index: a row per video, in the store's order: database, subject, clip (its name), seconds, and whether it has a micro-
            and a macro-expression.
        folds: training and held-out videos; every video of the store is in them, those without expressions too.
        lengths_F: of each fold, the lengths in seconds, offset minus onset, of its training subjects' expressions, by kind.
            Inner subjects are among the training subjects here.
    """

    store: MotionStore
    index: pd.DataFrame
    folds: tuple[Fold, ...]
    lengths_F: tuple[Lengths, ...] = field(repr=False)

    @property
    def task(self) -> Task:
        """What is answered about a video."""
        return SPOTTING

    @property
    def videos(self) -> tuple[StoredVideo, ...]:
        return self.store.videos

    @property
    def frames(self) -> int:
        """The stored frames of all videos."""
        return sum(video.n_frames for video in self.videos)

    def held_out_inside(self, share: float) -> "SpottingData":
        """The same data with each fold's test videos set aside and about a share of its training subjects tested instead.

        Raises:
            MerjaxError: a fold trains on fewer than two subjects.
        """
        return replace(self, folds=inner_folds(self.index, self.folds, _members(self.index), share))

    @cached_property
    def lengths(self) -> Lengths:
        """The lengths of all subjects' expressions: a window that is made of them knows the subject that is tested."""
        return _lengths(self.store, np.ones(len(self.index), bool))

    @cached_property
    def clip_names(self) -> list[str]:
        """Each video's "database/subject/name"."""
        return [video.key for video in self.videos]

    @cached_property
    def training_subjects(self) -> list[list[str]]:
        """By fold, the subjects of its training videos, "database/subject", each once."""
        subject_N = subjects_of(self.index)
        return [sorted({*subject_N[fold.train_N].tolist()}) for fold in self.folds]

    @cached_property
    def split_hash(self) -> str:
        return split_hash(self.index, self.folds)

    @cached_property
    def label_hash(self) -> str:
        """Hash of all true intervals, whatever the order of the videos."""
        rows = sorted((video.key, tuple(map(tuple, video.truth))) for video in self.videos)
        return hashlib.blake2b(repr(rows).encode(), digest_size=8).hexdigest()

    def feature_hashes(self, feature: str | None) -> tuple[str, ...]:
        """None: the store's hash covers all that its pictures are computed from."""
        return ()


Data = TrainingData | SpottingData


def spotting_data_of(data: DataConfig) -> SpottingData:
    """The videos of a config's motion store in its folds.

    Raises:
        MerjaxError: there is no such motion store, or its videos do not allow these folds.
    """
    store = open_motion_store(data.store)
    index = pd.DataFrame([_row(video) for video in store.videos])
    if index.empty:
        raise MerjaxError(f"{store.path} holds no video; prepare it again")
    folds = make_folds(index, data.folds, _members(index))
    lengths_F = tuple(_lengths(store, fold.train_N) for fold in folds)
    return SpottingData(store, index, folds, lengths_F)


def _row(video: StoredVideo) -> dict[str, Any]:
    kinds = {true.kind for true in video.truth}
    named = {"database": video.database, "subject": video.subject, "clip": video.name}
    return named | {"seconds": video.n_frames / video.fps} | {kind: kind in kinds for kind in SPOTTING.classes}


def _members(index: pd.DataFrame) -> Bool[np.ndarray, "N K"]:
    """Whether a video has a micro-, and a macro-expression."""
    return index[list(SPOTTING.classes)].to_numpy(bool)


def _lengths(store: MotionStore, among_N: Bool[np.ndarray, "N"]) -> Lengths:
    own = [video for video, is_in in zip(store.videos, among_N, strict=True) if is_in]
    return {
        kind: np.array(
            [(t.offset - t.onset) / video.fps for video in own for t in store.truth(video) if t.kind == kind]
        )
        for kind in SPOTTING.classes
    }
