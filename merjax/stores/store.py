"""The clip store: crops, features and annotations of prepared clips on disk, read by memory map.

A store is a folder with

- `index.parquet`: a row per clip, with its annotations and `first_row`, the place of its onset frame;
- one `<region>.npy` per region and `face.npy`: `frames x height x width` of gray values or `frames x height x width x 3`
  of RGB values, uint8;
- `landmarks.npy`: `clips x 68 x 2`, the points (x, y) on each clip's first frame, in pixels of the image;
- `features`: a folder of what was computed from the crops, such as flow images (see `merjax.stores.held_features`);
- `discrepancies.parquet`: everything on which sheets, folders and images do not agree, and every clip that was dropped;
- `store.json`: version, sources, settings, overrides, counts and content hash. It is written last: a folder without it is
  not a store.

A store that was made from ready flow images holds no crops and no landmarks: its `store.json` says `"crops": false`. The images
are `flow.npy`: `clips x height x width x 3`, uint8, with the channels u, v and optical strain (see
`merjax.stores.from_flow_images`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from merjax.datasets.clip import database_of
from merjax.datasets.shown import as_html, as_text, clips_by, several
from merjax.faces.geometries import Geometry
from merjax.faces.regions import FACE
from merjax.stores.arrays import CROPS, Form, crop_shape, memory_map
from merjax.stores.held_features import HeldFeature, arrays_made_with, features_made_with, read_features
from merjax.system.errors import MerjaxError
from merjax.system.own_files import read_json, read_table, reading, refuse_other_sizes
from merjax.system.paths import lacks_file, lacks_folder, user_path

STORE_FORMAT = 2
RECORDS = ("face", "bits")  # columns of the index that tell how a clip's pictures were read; earlier stores lack them


@dataclass(frozen=True)
class Store:
    """A finished clip store.

    A notebook shows it as a table of its clips, by emotion, and one of the clips that were dropped.

    Attributes:
        path: its folder.
        index: a row per clip: database, subject, clip, emotion, action_units, objective_class, onset, apex, offset, fps,
            n_frames, first_row; in a store made from a list of clips also label, the class that the list gives. `face` is
            the step that found the clip's face (see `merjax.faces.landmarks.FoundFace`), `bits` how many bits of its pictures'
            values are in use; stores of earlier versions lack these two.
        crops: by region name, a read-only memory map `frames x height x width` (gray) or `frames x height x width x 3`
            (RGB) of uint8; empty in a store of ready flow images.
        discrepancies: database, subject, clip, reason, and whether the clip was dropped for it; subject and clip are "" if it
            concerns the whole release.
        meta: the contents of `store.json`.
        features: by name, what was computed from the crops, such as `features["flow28"].pictures` (see
            `merjax.stores.features`).
    """

    path: Path
    index: pd.DataFrame
    crops: dict[str, np.ndarray]
    discrepancies: pd.DataFrame
    meta: dict[str, Any]
    features: dict[str, HeldFeature] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Hash of all crops, annotations and settings: equal hashes mean equal clips. Features have their own."""
        return self.meta["hash"]

    @property
    def geometry(self) -> Geometry:
        """Whose boxes the six regions have: "ours" or "authors" (see `merjax.faces.geometries`)."""
        return self.meta.get("settings", {}).get("geometry", "ours")

    @property
    def colour(self) -> str:
        """What the crops hold: "gray" values, "rgb", or "" in a store without crops."""
        return "" if not self.crops else "gray" if self.crops[FACE.name].ndim == 3 else "rgb"

    @property
    def class_sources(self) -> list[str]:
        """For each database whose release gives objective classes, a sentence on the sheet that gave them."""
        sources = [source for source in self.meta["sources"] if source.get("classes")]
        return [f"{database_of(s['database']).title}: objective classes from {s['classes']}" for s in sources]

    @property
    def dropped(self) -> pd.DataFrame:
        """Database, subject, clip and reason of the clips that were left out."""
        table = self.discrepancies
        return table[table["dropped"]].drop(columns="dropped").reset_index(drop=True)

    @property
    def statement(self) -> str:
        """The statement of synthetic data about itself; empty for a real release."""
        return " ".join(dict.fromkeys(source["synthetic"] for source in self.meta["sources"] if source["synthetic"]))

    def _shown(self) -> tuple[list[str], list[pd.DataFrame]]:
        index = self.index
        subjects = len(index[["database", "subject"]].drop_duplicates())
        kind = {"gray": "gray", "rgb": "RGB"}.get(self.colour)
        where = " in the authors' geometry" if self.geometry == "authors" else ""
        held = [f"crops of {kind} values{where}"] if kind else []
        held += [f"the features {', '.join(self.features)}"] if self.features else []
        said = (
            f"{self.path}: {several(len(index), 'clip')} of {several(subjects, 'subject')}, {len(self.dropped)} dropped; "
            f"holds {', '.join(held)}"
        )
        column = "label" if "label" in index else "emotion"  # a list of flow images names classes rather than emotions
        return [said, *self.class_sources, self.statement], [clips_by(column, index), self.dropped]

    def __repr__(self) -> str:
        return as_text(*self._shown())

    def _repr_html_(self) -> str:
        return as_html(*self._shown())


def open_store(path: str | Path) -> Store:
    """Open a finished clip store; its pictures are read only when they are used.

    >>> store = merjax.open_store("stores/mine")
    >>> len(store.index), store.crops["mouth"].shape[1:], len(store.dropped)
    (9, (60, 160), 0)

    Args:
        path: its folder.

    Returns:
        The index of its clips, crops as memory maps `frames x height x width` of uint8, features, and what was dropped.

    Raises:
        MerjaxError: there is no store, or it is unfinished, of another version, or damaged: a file of it is missing, cut off,
            or does not have the size that the store says of itself. (`merjax doctor` also compares every pixel.)
    """
    path = user_path(path)
    meta = read_meta(path)
    todo = damaged_store(path)
    refuse_other_sizes(path / "store.json", meta.get("files", {}), todo)
    index = read_table(path / "index.parquet", todo, _INDEX)
    discrepancies = read_table(path / "discrepancies.parquet", todo, (*_KEY, "reason", "dropped"))
    if len(index) != meta.get("clips", len(index)):
        raise MerjaxError(f"{path / 'index.parquet'} has {len(index)} clips, store.json says {meta['clips']}; {todo}")
    with reading(path / "store.json", todo):
        arrays = {name: memory_map(path / f"{name}.npy", form, todo) for name, form in _arrays(meta, index)}
    if meta.get("crops", True):
        _refuse_other_rows(path, index, arrays)
    crops = {region.name: arrays[region.name] for region in CROPS if region.name in arrays}
    features = features_made_with(meta, arrays) | read_features(path, meta, index)
    return Store(path, index, crops, discrepancies, meta, features)


def read_meta(path: Path) -> dict[str, Any]:
    """What a store's `store.json` says of it.

    Raises:
        MerjaxError: there is no store, or it is unfinished, damaged or of another version.
    """
    make = f"make one with `merjax prepare --casme2 RELEASE --out {path}`"
    if lacking := lacks_folder(path):
        raise MerjaxError(f"{path} {lacking}; name a clip store, or {make}")
    marker = path / "store.json"
    if lacks_file(marker) == "does not exist":
        raise MerjaxError(f"{path} is not a finished clip store (it has no store.json); {make}")
    meta = read_json(marker, damaged_store(path))
    if meta.get("format", STORE_FORMAT) != STORE_FORMAT:
        raise MerjaxError(
            f"{path} is a clip store of format {meta['format']}, but this merjax reads format {STORE_FORMAT}; remove it and "
            "prepare it again"
        )
    with reading(marker, damaged_store(path)):
        for source in meta["sources"]:
            said = (source["database"], source["synthetic"], source.get("classes", ""))
            if not all(isinstance(text, str) for text in said):
                raise ValueError("its sources are no text")
        if meta.get("settings", {}).get("geometry", "ours") not in get_args(Geometry):
            raise ValueError("its geometry is unknown")
        if not (meta["format"] and isinstance(meta["hash"], str)):
            raise ValueError("it has no hash")
    return meta


def damaged_store(path: Path) -> str:
    """What to do about a store that is damaged, as the end of a sentence."""
    return f"copy the store again from where it was made, or remove {path} and prepare it again"


_KEY = ("database", "subject", "clip")
_INDEX = (
    *_KEY,
    "emotion",
    "action_units",
    "objective_class",
    "onset",
    "apex",
    "offset",
    "fps",
    "n_frames",
    "first_row",
)


def _arrays(meta: Mapping[str, Any], index: pd.DataFrame) -> Iterator[tuple[str, Form]]:
    """The arrays that a store has, and their shapes and types, by what its `store.json` and its index say."""
    settings = meta.get("settings", {})
    if meta.get("crops", True):
        channels = 3 if settings.get("colour") == "rgb" else 1
        for region in CROPS:
            yield region.name, ((None, *crop_shape(region, channels)), "|u1")
        if settings:  # a store made by hand does not say how
            yield "landmarks", ((len(index), 68, 2), "<f4")
    yield from arrays_made_with(settings, len(index))


def _refuse_other_rows(path: Path, index: pd.DataFrame, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse a store whose files hold fewer frames than its index says.

    Raises:
        MerjaxError: naming the file.
    """
    todo = damaged_store(path)
    with reading(path / "index.parquet", todo):
        rows = int((index["first_row"] + index["n_frames"]).max())
        if not (index["first_row"].ge(0).all() and index["n_frames"].gt(0).all()):
            raise ValueError("it has clips without frames")
    for name, array in arrays.items():
        if name not in ("flow", "landmarks") and len(array) < rows:
            raise MerjaxError(f"{path / name}.npy has {len(array)} frames, but the index says {rows}; {todo}")
