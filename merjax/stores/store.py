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

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.datasets.shown import as_html, as_text, clips_by, several
from merjax.faces.regions import FACE, REGIONS, Region
from merjax.system.errors import MerjaxError

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
        held = [f"crops of {'gray values' if self.crops['face'].ndim == 3 else 'RGB values'}"] if self.crops else []
        held += [f"flow pictures of {self.flow.shape[2]}x{self.flow.shape[1]} pixels"] if self.flow is not None else []
        held += ["the motion of every frame"] if self.frame_flow else []
        said = (
            f"{self.path}: {several(len(index), 'clip')} of {several(subjects, 'subject')}, {len(self.dropped)} dropped; "
            f"holds {', '.join(held)}"
        )
        column = "label" if "label" in index else "emotion"  # a list of flow images names classes rather than emotions
        return [said, self.statement], [clips_by(column, index), self.dropped]

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
        MerjaxError: there is no store, or it is unfinished or of another version.
    """
    path = Path(path)
    marker = path / "store.json"
    if not marker.is_file():
        raise MerjaxError(
            f"{path} is not a finished clip store (it has no store.json); make one with "
            f"`merjax prepare --casme2 RELEASE --out {path}`"
        )
    meta = json.loads(marker.read_text())
    if meta["format"] != STORE_FORMAT:
        raise MerjaxError(
            f"{path} is a clip store of format {meta['format']}, but this merjax reads format {STORE_FORMAT}; remove it and "
            "prepare it again"
        )
    regions = CROPS if meta.get("crops", True) else ()
    crops = {region.name: np.load(path / f"{region.name}.npy", mmap_mode="r") for region in regions}
    flow = np.load(path / "flow.npy", mmap_mode="r") if (path / "flow.npy").is_file() else None
    flows = {region.name: path / f"{frame_flow_name(region)}.npy" for region in regions}
    frame_flow = {name: np.load(file, mmap_mode="r") for name, file in flows.items() if file.is_file()}
    index, discrepancies = (pd.read_parquet(path / f"{name}.parquet") for name in ("index", "discrepancies"))
    return Store(path, index, crops, discrepancies, meta, flow, frame_flow)


def crop_shape(region: Region, channels: int) -> tuple[int, ...]:
    """Shape of a region's crop; gray values have no axis of channels."""
    return (region.height, region.width) if channels == 1 else (region.height, region.width, channels)


def frame_flow_name(region: Region) -> str:
    """Name, without its ending, of the file that holds a crop's motion."""
    return f"flow_{region.name}"


def read_rows(folder: Path, name: str, first_row: int, n_rows: int) -> np.ndarray:
    """Consecutive rows of a file, by memory map."""
    return np.load(folder / f"{name}.npy", mmap_mode="r")[first_row : first_row + n_rows]
