"""Adds features to a clip store, from its crops or its ready flow images, without cutting crops again."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from merjax.datasets.clip import target_frame
from merjax.faces.regions import FACE
from merjax.stores import workers as worker_processes
from merjax.stores.arrays import CROPS, read_rows
from merjax.stores.asked_crops import without_frames
from merjax.stores.clip_features import clip_pictures, frame_flows, ready_picture
from merjax.stores.features import DYNAMIC, FROM_FRAMES, MOTION, Feature, features_of
from merjax.stores.held_features import PICTURES, RECORD
from merjax.stores.sheets import write_dynamic_sheet, write_flow_sheet
from merjax.stores.store import Store, open_store
from merjax.stores.unfinished_features import (
    Made,
    close_partial_feature,
    folder_of_partial,
    note_clip,
    open_partial_feature,
)
from merjax.stores.writing import clip_hash, write_rows
from merjax.system.at_work import at_work
from merjax.system.console import told
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.locks import alone_at
from merjax.system.own_files import sealed
from merjax.system.processes import cores
from merjax.system.versions import __version__


def add_features(
    path: str | Path,
    features: str | Iterable[str],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Store:
    """Add features to a finished clip store; those that it holds already stay as they are.

    >>> store = add_features("stores/mine", "flow64,dynamic")
    >>> store.features["flow64"].pictures.shape, store.features["dynamic"].pictures.dtype.name
    ((9, 64, 64, 3), 'uint8')

    Args:
        path: the store's folder.
        features: names, perhaps with settings, see `merjax.stores.features`.
        workers: number of processes; by default one per core that this process may use.
        progress: called with (clips done, clips in all); by default a terminal or a notebook shows a bar.

    Returns:
        The store, opened.

    Raises:
        MerjaxError: there is no store, a feature is unknown, the store cannot give it, or it holds one of this name that was
            made in another way.
    """
    asked, place = features_of(features), open_store(path).path
    with alone_at(place, "preparing"), told("computing features", progress) as heard:
        return compute_features(open_store(place), asked, workers or len(cores()), heard)


def compute_features(
    store: Store, asked: Sequence[Feature], processes: int, progress: Callable[[int, int], None]
) -> Store:
    """What `add_features` does, in a store that no other process works on."""
    lacking = [feature for feature in asked if not _held(store, feature)]
    if not lacking:
        return store
    done = {feature.name: open_partial_feature(store, feature) for feature in lacking}
    jobs = _jobs(store, lacking, done)
    progress(len(store.index) - len(jobs), len(store.index))
    # ready images are only resized, which takes less time than a process needs to start
    results = worker_processes.spread(_work, jobs, processes) if store.crops else map(_work, jobs)
    for i, (clip, made) in enumerate(results, 1):
        for name, result in made.items():
            note_clip(store.path, name, clip, result)
            done[name][clip] = result
        progress(len(store.index) - len(jobs) + i, len(store.index))
    for feature in lacking:
        with at_work("writing the feature", feature.name):
            _finish(store, feature, done[feature.name])
    return open_store(store.path)


class _Job(NamedTuple):
    """A clip, by its number and its row of the index, and the features that it lacks."""

    path: Path
    crops: bool
    clip: int
    row: pd.Series
    features: tuple[Feature, ...]


def _held(store: Store, feature: Feature) -> bool:
    """Whether a store holds a feature.

    Raises:
        MerjaxError: the store cannot give it, or holds one of this name that was made in another way.
    """
    _refuse_impossible(store, feature)
    if feature.name not in store.features:
        return False
    held = store.features[feature.name].settings
    if differing := [key for key, value in feature.settings.items() if held.get(key, value) != value]:
        said = ", ".join(f"{key} {held[key]}" for key in differing)
        raise MerjaxError(
            f"{store.path} holds {feature.name} with {said}, and a store holds one feature of each name; ask for it as it is, "
            "or prepare another store"
        )
    return True


def _refuse_impossible(store: Store, feature: Feature) -> None:
    if not store.crops and feature.name in FROM_FRAMES:
        raise MerjaxError(without_frames(store, feature.name))
    if not store.crops and feature.settings != Feature(feature.name).settings:
        raise MerjaxError(
            f"{store.path} was made of ready flow images, which have no settings; ask for {feature.name} alone"
        )


def _jobs(store: Store, lacking: Sequence[Feature], done: dict[str, dict[int, Made]]) -> list[_Job]:
    jobs = []
    for clip in range(len(store.index)):
        features = tuple(feature for feature in lacking if clip not in done[feature.name])
        if features:
            jobs.append(_Job(store.path, bool(store.crops), clip, store.index.iloc[clip], features))
    return jobs


def _work(job: _Job) -> tuple[int, dict[str, Made]]:
    """Compute and write a clip's rows of features."""
    with at_work("computing the features of the clip", f"{job.row['database']}/{job.row['subject']}/{job.row['clip']}"):
        made = {}
        for name, arrays in _computed(job):
            folder = folder_of_partial(job.path, name)
            for key, rows in arrays.items():
                write_rows(folder, key, job.clip if key == PICTURES else int(job.row["first_row"]), rows)
            kept = [rows for rows in arrays.values() if rows.dtype == np.int8]
            cut_off = float(np.mean([np.mean(np.abs(rows) == 127) for rows in kept])) if kept else 0.0
            made[name] = Made(clip_hash(arrays.values()), cut_off)
        return job.clip, made


def _computed(job: _Job) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each feature's name and rows."""
    place = int(job.row["first_row"]), int(job.row["n_frames"])
    pictures = [feature for feature in job.features if feature.name != MOTION]
    if not job.crops:
        flow_HxWx3 = read_rows(job.path, "flow", job.clip, 1)[0]
        made = {feature.name: ready_picture(flow_HxWx3, feature) for feature in pictures}
    else:
        face_TxHxW = read_rows(job.path, FACE.name, *place)
        made = clip_pictures(face_TxHxW, functools.partial(target_frame, job.row), pictures)
    yield from ((name, {PICTURES: picture[None]}) for name, picture in made.items())
    for feature in job.features:
        if feature.name == MOTION:
            crops = {region.name: read_rows(job.path, region.name, *place) for region in CROPS}
            yield MOTION, frame_flows(crops, feature.algorithm)


def _finish(store: Store, feature: Feature, made: dict[int, Made]) -> None:
    """Write what belongs to a feature besides its arrays, and give its folder its name."""
    folder, settings = folder_of_partial(store.path, feature.name), _settings(store, feature)
    clips = range(len(store.index))
    if feature.name != MOTION:
        write_sheet = write_dynamic_sheet if feature.name == DYNAMIC else write_flow_sheet
        write_sheet(folder / "sheet.png", store.index, np.load(folder / f"{PICTURES}.npy", mmap_mode="r"))
    record = {
        "format": 1,
        "version": __version__,
        "name": feature.name,
        "store": store.hash,
        "settings": settings,
        "cut_off": float(np.mean([made[clip].cut_off for clip in clips])),
        "hash": feature_hash(store.index, [made[clip].hash for clip in clips], settings),
    }
    write_json(folder / RECORD, sealed(record))
    close_partial_feature(store.path, feature.name)


def _settings(store: Store, feature: Feature) -> dict[str, Any]:
    """How a feature was made, as the store keeps it."""
    if not store.crops:
        (ready,) = (held for held in store.features.values() if not held.hash)
        height, width = ready.pictures.shape[1:3]
        resized = {} if height == width == feature.side else {"from": f"{width}x{height}"}
        return {"images": "ready", "height": feature.side, "width": feature.side, **resized}
    return feature.settings | ({"colour": store.colour} if feature.name == DYNAMIC else {})


def feature_hash(index: pd.DataFrame, clip_hashes: Sequence[str], settings: dict[str, Any]) -> str:
    """Hash of a feature: its settings and every clip's rows, whatever the order of the clips."""
    names = index["database"] + "/" + index["subject"] + "/" + index["clip"]
    lines = sorted(f"{name}|{rows}" for name, rows in zip(names, clip_hashes, strict=True))
    return hashlib.blake2b(
        "\n".join([json.dumps(settings, sort_keys=True), *lines]).encode(), digest_size=16
    ).hexdigest()
