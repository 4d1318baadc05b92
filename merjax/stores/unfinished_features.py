"""A feature that is being added to a store: what has been done so far, on disk, so that a call that was stopped can go on.

It lies in `features/NAME.partial`, with a line in `journal.jsonl` for each clip that is done and `partial.json`, which says of
which clips it is made and how.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from merjax.stores.arrays import CROPS, read_rows
from merjax.stores.features import Feature
from merjax.stores.held_features import FOLDER, PICTURES, RECORD, forms_of, is_finished
from merjax.stores.journals import JOURNAL, add_line, go_on_from
from merjax.stores.store import Store
from merjax.stores.writing import allocate_rows, clip_hash, is_allocated
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.own_files import read_json
from merjax.system.paths import make_folder

_MARKER = "partial.json"


class Made(NamedTuple):
    """One clip's part of a feature: the hash of its rows, and the share of their values that was cut off."""

    hash: str
    cut_off: float


def folder_of_partial(path: Path, name: str) -> Path:
    """Where a store's feature lies while it is being added."""
    return path / FOLDER / f"{name}.partial"


def open_partial_feature(store: Store, feature: Feature) -> dict[int, Made]:
    """Make the folder of a feature that is to be added, or go on with the one of an earlier call; returns the clips that are
    done, by number."""
    folder = folder_of_partial(store.path, feature.name)
    about = {"store": store.hash, "settings": feature.settings}
    arrays = [
        (key, shape[0], shape[1:], np.dtype(kind).type)
        for key, (shape, kind) in forms_of(feature.name, store.index).items()
    ]
    if _noted(folder / _MARKER) == about and all(is_allocated(folder, *array) for array in arrays):
        return _read_journal(folder, store)
    if folder.exists():
        shutil.rmtree(folder)
    make_folder(folder)
    for array in arrays:
        allocate_rows(folder, *array)
    write_json(folder / _MARKER, about)
    return {}


def _noted(marker: Path) -> dict[str, Any]:
    try:
        return read_json(marker, "the feature is computed anew") if marker.is_file() else {}
    except MerjaxError:
        return {}


def _read_journal(folder: Path, store: Store) -> dict[int, Made]:
    """The clips whose rows on the disk are those that were noted."""
    done = {}
    for noted in go_on_from(folder):
        try:
            clip, made = int(noted["clip"]), Made(noted["hash"], float(noted["cut_off"]))
            rows = _rows(folder, store.index.iloc[clip], clip)
        except (ValueError, TypeError, KeyError, IndexError):  # damaged
            continue
        if clip_hash(rows.values()) == made.hash:
            done[clip] = made
    return done


def _rows(folder: Path, row: pd.Series, clip: int) -> Mapping[str, np.ndarray]:
    """A clip's rows of the arrays of a feature, by the arrays' names."""
    if (folder / f"{PICTURES}.npy").is_file():
        return {PICTURES: read_rows(folder, PICTURES, clip, 1)}
    return {region.name: read_rows(folder, region.name, row["first_row"], row["n_frames"]) for region in CROPS}


def note_clip(path: Path, name: str, clip: int, made: Made) -> None:
    """Note that a clip's part of a feature is done; its rows are already written."""
    add_line(folder_of_partial(path, name), {"clip": clip, **made._asdict()})


def close_partial_feature(path: Path, name: str) -> None:
    """Give the folder of a feature, with its record, the feature's name."""
    folder = folder_of_partial(path, name)
    for file in (_MARKER, JOURNAL):
        (folder / file).unlink(missing_ok=True)
    folder.rename(folder.with_name(name))


def remove_features_of_other_clips(path: Path, store_hash: str) -> None:
    """Remove the features of an unfinished store whose clips have changed since they were computed, as after a repair."""
    for folder in path.glob(f"{FOLDER}/*"):
        if is_finished(folder.name) and _noted(folder / RECORD).get("store") != store_hash:
            shutil.rmtree(folder)
