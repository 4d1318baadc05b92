"""What a group of trials trains on: labelled clips of a store, their frames and folds."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from merjax.config import DataConfig, make_config
from merjax.datasets.shown import as_html, as_text, clips_by, several
from merjax.faces.regions import FACE, REGIONS, Region
from merjax.protocols import Fold, LabelScheme, label_clips, make_folds, scheme_of, split_hash
from merjax.protocols.folds import leaking_folds, subjects_of
from merjax.protocols.inner_subjects import inner_folds
from merjax.protocols.tasks import Task
from merjax.stores.asked_crops import feature_of, refuse_other_crops
from merjax.stores.features import MOTION
from merjax.stores.store import Store, open_store
from merjax.system.errors import MerjaxError
from merjax.training.frames import select_frames


@dataclass(frozen=True)
class TrainingData:
    """A store under a protocol.

    A notebook shows it as a table of its clips, by class, and one of the clips that the protocol leaves out.

    Attributes:
        store: the clip store.
        scheme: the label scheme.
        index: a row per clip in the protocol, in the store's order; the store's columns, and position, the clip's place in
            the store's index, landmarks and flow.
        left_out: clips that the protocol leaves out: database, subject, clip, reason.
        target_N: class of each clip; where a clip may have several, see `merjax.protocols.tasks.Task`.
        target_NxR: class of each clip for each stream, or several.
        folds: training and held-out clips.
        streams: the six regions, or the whole face.
        classes_R: k(r), the number of classes of each stream.
        row_S, clip_S, length_N: the store row and the clip of each frame in use, and the number of frames in use per clip.
        input: what the networks see of a frame: its "gray" values (or RGB), its "difference" to the onset, or its "flow".
    """

    store: Store
    scheme: LabelScheme
    index: pd.DataFrame
    left_out: pd.DataFrame
    target_N: np.ndarray
    target_NxR: np.ndarray
    folds: tuple[Fold, ...]
    streams: tuple[Region, ...]
    classes_R: tuple[int, ...]
    row_S: np.ndarray
    clip_S: np.ndarray
    length_N: np.ndarray
    input: Literal["gray", "difference", "flow"]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.scheme.classes

    @property
    def task(self) -> Task:
        """What is answered about a clip."""
        return self.scheme.task

    @property
    def frames(self) -> tuple[np.ndarray, ...]:
        """The store's arrays for the input, one per stream: `frames x H x W` of uint8 (gray) or `frames x H x W x 3` of uint8
        (RGB) or int8 (motion).

        Raises:
            MerjaxError: the store does not hold it.
        """
        if not self.store.crops:
            raise MerjaxError(
                f"{self.store.path} holds flow images and no frames, which this method needs; prepare the clips with "
                "`merjax prepare --casme2 RELEASE --out STORE`"
            )
        held = feature_of(self.store, MOTION).arrays if self.input == "flow" else self.store.crops
        return tuple(held[region.name] for region in self.streams)

    @property
    def channels(self) -> int:
        """Channels of the input: 1 for gray values, 3 for RGB or motion.

        Raises:
            MerjaxError: the store does not hold it.
        """
        return 3 if self.frames[0].ndim == 4 else 1

    def pictures_NxHxWx3(self, feature: str) -> np.ndarray:
        """Each clip's picture of a feature, uint8; see `merjax.stores.features`.

        Raises:
            MerjaxError: the store does not hold it; the message says how to add it.
        """
        return np.asarray(feature_of(self.store, feature).pictures[self.index["position"].to_numpy()])

    def feature_hashes(self, feature: str | None) -> tuple[str, ...]:
        """The hash of a feature, which tells it from one made in another way; none if the store's hash covers it, or for None.

        Raises:
            MerjaxError: as `pictures_NxHxWx3`.
        """
        own = feature_of(self.store, feature).hash if feature else ""
        return (own,) if own else ()

    @property
    def onset_row_S(self) -> np.ndarray:
        """Store row of the onset frame of each frame's clip."""
        return self.index["first_row"].to_numpy()[self.clip_S]

    @property
    def subtracted_row_S(self) -> np.ndarray | None:
        """Store row of the frame that is subtracted from each frame; None if nothing is subtracted."""
        return self.onset_row_S if self.input == "difference" else None

    def held_out_inside(self, share: float) -> "TrainingData":
        """The same data with each fold's test clips set aside and about a share of its training subjects tested instead.

        Raises:
            MerjaxError: a fold trains on fewer than two subjects.
        """
        return replace(self, folds=inner_folds(self.index, self.folds, self.task.members(self.target_N), share))

    @cached_property
    def leaking(self) -> "TrainingData":
        """The same data with every clip on each fold's training side, the held-out subjects' too: for a stage that is asked to
        leak."""
        return replace(self, folds=leaking_folds(self.index, self.folds))

    @cached_property
    def clip_names(self) -> list[str]:
        """Each clip's "database/subject/clip"."""
        return (self.index["database"] + "/" + self.index["subject"] + "/" + self.index["clip"]).tolist()

    @cached_property
    def training_subjects(self) -> list[list[str]]:
        """By fold, the subjects of its training clips, "database/subject", each once."""
        subject_N = subjects_of(self.index)
        return [sorted({*subject_N[fold.train_N].tolist()}) for fold in self.folds]

    @cached_property
    def split_hash(self) -> str:
        return split_hash(self.index, self.folds)

    @cached_property
    def label_hash(self) -> str:
        """Hash of every clip's labels, whatever the order of the clips."""
        rows = zip(self.clip_names, self.target_N.tolist(), self.target_NxR.tolist(), strict=True)
        return hashlib.blake2b(repr(sorted(rows)).encode(), digest_size=8).hexdigest()

    @cached_property
    def moments_NxRxCx2(self) -> np.ndarray:
        """Mean and mean square of the networks' input for each clip, per stream and channel, in units of the full gray
        range."""
        frames, channels = self.frames, self.channels
        moments = np.zeros((len(self.index), len(self.streams), channels, 2))
        ends = np.cumsum(self.length_N)
        for n, (first, end) in enumerate(zip(ends - self.length_N, ends, strict=True)):
            rows = self.row_S[first:end]
            for r, of_region in enumerate(frames):
                seen = of_region[rows] / np.float32(255)
                if self.input == "difference":
                    seen = seen - of_region[self.index["first_row"].iloc[n]] / np.float32(255)
                seen_PxC = seen.reshape(-1, channels)
                moments[n, r] = np.stack([seen_PxC.mean(0, float), np.square(seen_PxC).mean(0, float)], -1)
        return moments

    def _shown(self) -> tuple[list[str], list[pd.DataFrame]]:
        subjects = len(self.index[["database", "subject"]].drop_duplicates())
        said = (
            f"{self.store.path} under {self.scheme.name}: {several(len(self.index), 'clip')} of "
            f"{several(subjects, 'subject')} in {several(len(self.folds), 'fold')}, {len(self.left_out)} left out"
        )
        classes = self.index.assign(**{"class": list(map(self.task.named, self.target_N.tolist()))})
        return [said, self.store.statement], [clips_by("class", classes), self.left_out]

    def __repr__(self) -> str:
        return as_text(*self._shown())

    def _repr_html_(self) -> str:
        return as_html(*self._shown())


def load_data(store: Store | str | Path, *, protocol: str = "megc3", folds: str = "loso", **data: Any) -> TrainingData:
    """A store's clips under a protocol: what a sweep with these settings trains and tests on.

    >>> data = merjax.load_data("stores/mine", folds="loso", frames="count:8")
    >>> data.classes, len(data.folds), data.target_N.shape, data.row_S.shape
    (('negative', 'positive', 'surprise'), 3, (9,), (72,))

    Args:
        store: a clip store, or its folder.
        protocol: label scheme: "megc3" (three classes), "au5" (five classes of action units), or another of
            `merjax.config.DataConfig`.
        folds: "loso", "loso:DATABASE", "cross_database" or one pair of it, "lodo", "group:K", "parts"; see there.
        data: any other setting of `merjax.config.DataConfig`: input, frames, whole_face, anger.

    Returns:
        Labelled clips, folds, and the frames in use; axis N counts clips, S frames, R regions.

    Raises:
        MerjaxError: there is no such store, a setting is unknown, no clip is in the protocol, or the data does not allow these
            folds or frames.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    settings = {"store": str(opened.path), "protocol": protocol, "folds": folds} | data
    return data_of(make_config({"data": settings}, source="load_data").data, opened)


def data_of(data: DataConfig, store: Store | None = None) -> TrainingData:
    """The data of a config: its store, or the given open one, under its protocol.

    Raises:
        MerjaxError: see `load_data`.
    """
    store = store or open_store(data.store)
    refuse_other_crops(store, data)
    scheme = scheme_of(data.protocol, data.class_iv)
    clips = store.index.assign(position=np.arange(len(store.index)))
    labelled = label_clips(clips, scheme, anger=data.anger)
    index, target_N = labelled.index, labelled.target_N.astype(np.int32)
    if index.empty:
        raise MerjaxError(f"{store.path} holds no clip of the protocol {scheme.name}")
    folds = make_folds(index, data.folds, scheme.task.members(target_N))
    # clips that are in no fold would fill batches for nothing
    used_N = np.any([fold.train_N | fold.test_N for fold in folds], axis=0)
    unused = index.loc[~used_N, ["database", "subject", "clip"]].assign(reason=f"in no fold of {data.folds}")
    index, target_N, target_NxR = index[used_N].reset_index(drop=True), target_N[used_N], labelled.target_NxR[used_N]
    folds = tuple(replace(fold, train_N=fold.train_N[used_N], test_N=fold.test_N[used_N]) for fold in folds)
    left_out = pd.concat([labelled.left_out, unused], ignore_index=True)
    return _under_protocol(store, data, index, left_out, target_N, target_NxR.astype(np.int32), folds)


def every_clip(store: Store, data: DataConfig) -> TrainingData:
    """All clips of a store, whatever their labels, for a model that needs no labels.

    Every clip has class 0 and is on both sides of the only fold, so this data must not be used to train or to score.

    Raises:
        MerjaxError: the data does not allow these frames, or has other crops.
    """
    refuse_other_crops(store, data)
    index = store.index.reset_index(drop=True).assign(position=np.arange(len(store.index)))
    all_N = np.ones(len(index), bool)
    nothing = pd.DataFrame(columns=["database", "subject", "clip", "reason"])
    target_N, target_NxR = np.zeros(len(index), np.int32), np.zeros((len(index), len(REGIONS)), np.int32)
    return _under_protocol(store, data, index, nothing, target_N, target_NxR, (Fold("every clip", all_N, all_N),))


def _under_protocol(
    store: Store,
    data: DataConfig,
    index: pd.DataFrame,
    left_out: pd.DataFrame,
    target_N: np.ndarray,
    target_NxR: np.ndarray,
    folds: tuple[Fold, ...],
) -> TrainingData:
    scheme = scheme_of(data.protocol, data.class_iv)
    positions = select_frames(data.frames, index)
    length_N = np.array([len(p) for p in positions])
    if data.input != "gray" and store.crops and not any(p.any() for p in positions):
        raise MerjaxError(
            f"data.frames: {data.frames} leaves onset frames only, whose {data.input} to the onset is nothing"
        )
    region_classes = tuple(len(scheme.region_classes[r.kind]) for r in REGIONS)
    return TrainingData(
        store=store,
        scheme=scheme,
        index=index,
        left_out=left_out,
        target_N=target_N,
        target_NxR=target_N[:, None] if data.whole_face else target_NxR,
        folds=folds,
        streams=(FACE,) if data.whole_face else REGIONS,
        classes_R=(len(scheme.classes),) if data.whole_face else region_classes,
        row_S=np.concatenate([p + row for p, row in zip(positions, index["first_row"], strict=True)]).astype(int),
        clip_S=np.repeat(np.arange(len(index)), length_N),
        length_N=length_N,
        input=data.input,
    )
