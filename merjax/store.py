"""The clip store: crops, optical flow and annotations of prepared clips on disk, read by memory map.

A store is a folder with

- `index.parquet`: a row per clip, with what the release says of it, and `first_row`, the place of its onset frame;
- one `<region>.npy` per region and `face.npy`: `frames x height x width` of gray values or `frames x height x width x 3`
  of RGB values, uint8;
- `landmarks.npy`: `clips x 68 x 2`, the points (x, y) on each clip's first frame, in pixels of the image;
- `flow.npy`, where it was asked for: `clips x height x width x 3`, uint8, a picture of each clip's motion with the channels
  u, v and optical strain (see `merjax.clip_flow` and `merjax.flow_images`);
- `flow_<region>.npy` and `flow_face.npy`, where they were asked for: `frames x height x width x 3`, int8, u, v and strain of
  each crop against its clip's onset (see `merjax.flow.fixed_point`);
- `discrepancies.parquet`: all on which sheets, folders and images do not agree, and every clip that was dropped for it;
- `store.json`: version, sources, settings, overrides, counts and content hash. It is written last: without it the folder is
  no store.

A store that was made from ready flow images holds no crops and no landmarks: `store.json` says `"crops": false`.
"""

import hashlib
import io
import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.datasets.clip import Discrepancy
from merjax.errors import MerjaxError
from merjax.regions import FACE, REGIONS, Region

FORMAT = 2
CROPS: tuple[Region, ...] = (*REGIONS, FACE)


@dataclass(frozen=True)
class Store:
    """A finished clip store.

    Attributes:
        path: its folder.
        index: a row per clip: database, subject, clip, emotion, action_units, objective_class, onset, apex, offset, fps,
            n_frames, first_row; in a store made from a list of clips also label, the class that the list gives.
        crops: by region name, a read-only memory map `frames x height x width` (gray) or `frames x height x width x 3`
            (RGB) of uint8; empty in a store of ready flow images.
        discrepancies: database, subject, clip, reason, and whether the clip was dropped for it; subject and clip are ""
            where the whole release is meant.
        meta: the contents of `store.json`.
        flow: a read-only memory map `clips x height x width x 3` of uint8, in the order of `index`: u, v and optical
            strain; None where the store holds none.
        frame_flow: by region name, a read-only memory map `frames x height x width x 3` of int8: u, v and strain against
            the onset; empty where the store holds none.
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
        """What synthetic data says about itself; empty for a real release."""
        return " ".join(dict.fromkeys(source["synthetic"] for source in self.meta["sources"] if source["synthetic"]))


def open_store(path: Path | str) -> Store:
    """Open a finished store.

    Raises:
        MerjaxError: where there is none, or an unfinished one, or one of another version.
    """
    path = Path(path)
    marker = path / "store.json"
    if not marker.is_file():
        raise MerjaxError(
            f"{path} is not a finished clip store (it has no store.json); make one with "
            f"`python -m merjax.prepare --casme2 RELEASE --out {path}`"
        )
    meta = json.loads(marker.read_text())
    if meta["format"] != FORMAT:
        raise MerjaxError(
            f"{path} is a clip store of format {meta['format']}, this merjax reads format {FORMAT}; remove it and prepare "
            "it again"
        )
    regions = CROPS if meta.get("crops", True) else ()
    crops = {region.name: np.load(path / f"{region.name}.npy", mmap_mode="r") for region in regions}
    flow = np.load(path / "flow.npy", mmap_mode="r") if (path / "flow.npy").is_file() else None
    flows = {region.name: path / f"{frame_flow_name(region)}.npy" for region in regions}
    frame_flow = {name: np.load(file, mmap_mode="r") for name, file in flows.items() if file.is_file()}
    index, discrepancies = (pd.read_parquet(path / f"{name}.parquet") for name in ("index", "discrepancies"))
    return Store(path, index, crops, discrepancies, meta, flow, frame_flow)


def allocate(folder: Path, n_frames: int, channels: int, *, frame_flow: bool = False) -> None:
    """Make the files of a store to be filled that hold a row per frame, for `n_frames` frames of all clips together.

    The files are sparse: rows that are never written, such as those of a clip that was dropped, take no space.
    """
    for region in CROPS:
        allocate_rows(folder, region.name, n_frames, crop_shape(region, channels), np.uint8)
        if frame_flow:
            allocate_rows(folder, frame_flow_name(region), n_frames, crop_shape(region, 3), np.int8)


def allocate_rows(folder: Path, name: str, rows: int, shape: tuple[int, ...], dtype: type) -> None:
    """Make one sparse `.npy` file of rows to be filled."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (rows, *shape)}
    with (folder / f"{name}.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * int(np.prod(shape)) * np.dtype(dtype).itemsize)


def crop_shape(region: Region, channels: int) -> tuple[int, ...]:
    """Shape of a region's crop; gray values have no axis of channels."""
    return (region.height, region.width) if channels == 1 else (region.height, region.width, channels)


def frame_flow_name(region: Region) -> str:
    """Name of the file, but for its ending, that holds a crop's motion."""
    return f"flow_{region.name}"


def write_rows(folder: Path, name: str, first_row: int, rows: np.ndarray) -> None:
    """Write consecutive rows into a file that `allocate_rows` made for their shape and type.

    Raises:
        OSError: on a full disk. (A write through a memory map would kill the process instead.)
    """
    with (folder / f"{name}.npy").open("r+b") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        file.seek(first_row * rows[0].nbytes, os.SEEK_CUR)
        file.write(np.ascontiguousarray(rows).data)


def read_rows(folder: Path, name: str, first_row: int, n_rows: int) -> np.ndarray:
    """Consecutive rows of a file, by memory map."""
    return np.load(folder / f"{name}.npy", mmap_mode="r")[first_row : first_row + n_rows]


def clip_hash(arrays: Iterable[np.ndarray]) -> str:
    """Hash of all that a store holds of one clip's pixels: its crops in the order of `CROPS`, then its motion."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def content_hash(index: pd.DataFrame, clip_hashes: Sequence[str], settings: dict[str, Any]) -> str:
    """Hash of a whole store: its annotations, its crops and how they were made, whatever the order of the clips."""
    rows = ("|".join(map(str, row)) for row in index.drop(columns="first_row").itertuples(index=False))
    lines = sorted(f"{row}|{crops}" for row, crops in zip(rows, clip_hashes, strict=True))
    return hashlib.blake2b("\n".join([repr(settings), *lines]).encode(), digest_size=16).hexdigest()


def discrepancy_table(discrepancies: Sequence[Discrepancy]) -> pd.DataFrame:
    """`Store.discrepancies` of a store to be written."""
    columns = {"database": str, "subject": str, "clip": str, "reason": str, "dropped": bool}
    rows = [(d.database, d.subject, d.name, d.reason, d.dropped) for d in discrepancies]
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet file by way of memory: Arrow's own errors do not tell a full disk from others."""
    path.write_bytes(table.to_parquet(None, index=False))


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an .npy file by way of memory: NumPy's own errors do not tell a full disk from others."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getvalue())


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never a half."""
    write_aside(path, lambda aside: aside.write_text(json.dumps(content, indent=1) + "\n"))


def write_aside(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file beside a path, and give it the path's name once it is whole; no other process, on this machine
    or on another that shares the folder, writes to the same one."""
    aside = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    try:
        write(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def is_aside(path: Path, name: str = "") -> bool:
    """Whether a file is one that `write_aside` was killed over; of `name`, if that is said."""
    return path.name.startswith(f".{name}.")
