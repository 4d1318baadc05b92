"""The clip store: crops, optical flow and annotations of prepared clips on disk, read by memory map.

A store is a folder with

- `index.parquet`: a row per clip, with its annotations and `first_row`, the place of its onset frame;
- one `<region>.npy` per region and `face.npy`: `frames x height x width` of gray values or `frames x height x width x 3`
  of RGB values, uint8;
- `landmarks.npy`: `clips x 68 x 2`, the points (x, y) on each clip's first frame, in pixels of the image;
- `flow.npy`, where it was asked for: `clips x height x width x 3`, uint8, a picture of each clip's motion with the channels
  u, v and optical strain (see `merjax.stores.clip_motion` and `merjax.stores.from_flow_images`);
- `flow_<region>.npy` and `flow_face.npy`, where they were asked for: `frames x height x width x 3`, int8, u, v and strain of
  each crop against its clip's onset (see `merjax.faces.flow.fixed_point`);
- `discrepancies.parquet`: everything on which sheets, folders and images do not agree, and every clip that was dropped;
- `store.json`: version, sources, settings, overrides, counts and content hash. It is written last: a folder without it is
  not a store.

A store that was made from ready flow images holds no crops and no landmarks: its `store.json` says `"crops": false`.
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
from merjax.faces.regions import FACE, REGIONS, Region
from merjax.system.errors import MerjaxError
from merjax.system.own_files import read_json, read_table, reading, refuse_other_sizes
from merjax.system.paths import lacks_file, lacks_folder, user_path

STORE_FORMAT = 2
CROPS: tuple[Region, ...] = (*REGIONS, FACE)
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
        flow: a read-only memory map `clips x height x width x 3` of uint8, in the order of `index`: u, v and optical
            strain; None if the store holds none.
        frame_flow: by region name, a read-only memory map `frames x height x width x 3` of int8: u, v and strain against
            the onset; empty if the store holds none.
    """

    path: Path
    index: pd.DataFrame
    crops: dict[str, np.ndarray]
    discrepancies: pd.DataFrame
    meta: dict[str, Any]
    flow: np.ndarray | None = None
    frame_flow: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Hash of all crops, annotations and settings: equal hashes mean equal data."""
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
        held += [f"flow pictures of {self.flow.shape[2]}x{self.flow.shape[1]} pixels"] if self.flow is not None else []
        held += ["the motion of every frame"] if self.frame_flow else []
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
        The index of its clips, crops and motion as memory maps `frames x height x width` of uint8, and what was dropped.

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
        arrays = {name: _memory_map(path / f"{name}.npy", *form, todo) for name, form in _arrays(meta, index)}
    if meta.get("crops", True):
        _refuse_other_rows(path, index, arrays)
    crops = {region.name: arrays[region.name] for region in CROPS if region.name in arrays}
    frame_flow = {r.name: arrays[frame_flow_name(r)] for r in CROPS if frame_flow_name(r) in arrays}
    return Store(path, index, crops, discrepancies, meta, arrays.get("flow"), frame_flow)


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
_Form = tuple[tuple[int | None, ...], str]  # shape, None for an axis that may have any length; type


def _arrays(meta: Mapping[str, Any], index: pd.DataFrame) -> Iterator[tuple[str, _Form]]:
    """The arrays that a store has, and their shapes and types, by what its `store.json` and its index say."""
    settings = meta.get("settings", {})
    if meta.get("crops", True):
        channels = 3 if settings.get("colour") == "rgb" else 1
        for region in CROPS:
            yield region.name, ((None, *crop_shape(region, channels)), "|u1")
        if settings:  # a store made by hand does not say how
            yield "landmarks", ((len(index), 68, 2), "<f4")
    flow = settings.get("flow")
    if flow is not None:
        yield (
            "flow",
            ((len(index), flow.get("side", flow.get("height")), flow.get("side", flow.get("width")), 3), "|u1"),
        )
        if flow.get("every"):
            for region in CROPS:
                yield frame_flow_name(region), ((None, *crop_shape(region, 3)), "|i1")


def _memory_map(path: Path, shape: tuple[int | None, ...], kind: str, todo: str) -> np.ndarray:
    """An array whose file has the size that its header says, and whose header has this shape and type."""
    with reading(path, todo):
        try:
            array = np.load(path, mmap_mode="r")
        except ValueError as error:
            raise ValueError("it is cut off" if "mmap length" in str(error) else str(error)) from error
        if not isinstance(array, np.memmap) or path.stat().st_size != array.offset + array.nbytes:
            raise ValueError("its size is not the one that its header says")
        fits = len(array.shape) == len(shape) and all(b in (None, a) for a, b in zip(array.shape, shape, strict=True))
        if not fits or array.dtype.str != kind or not array.flags.c_contiguous:
            raise ValueError(f"it holds {array.dtype.str} of the shape {array.shape}, which this store does not have")
        return array


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


def crop_shape(region: Region, channels: int) -> tuple[int, ...]:
    """Shape of a region's crop; gray values have no axis of channels."""
    return (region.height, region.width) if channels == 1 else (region.height, region.width, channels)


def frame_flow_name(region: Region) -> str:
    """Name, without its ending, of the file that holds a crop's motion."""
    return f"flow_{region.name}"


def read_rows(folder: Path, name: str, first_row: int, n_rows: int) -> np.ndarray:
    """Consecutive rows of a file, by memory map."""
    return np.load(folder / f"{name}.npy", mmap_mode="r")[first_row : first_row + n_rows]
