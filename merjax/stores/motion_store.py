"""The motion store: the motion of faces in long videos on disk, read by memory map.

A store is a folder with `motion.json`, which is written last, and a folder `videos/NUMBER` for each video:

- `regions.npy`: `frames x 6 x 2`, float32, the motion of the six regions (see `MotionStore.motion`);
- `windows.npy`: `windows x 2`, int32, the first frame and the length of each window; `signals.npy`: a row of 16 values per
  frame of each window, float32, one window after the other (see `merjax.faces.region_motion.PLACES`); `points.npy`: `windows x
  68 x 2`, float32, the landmarks on each window's first frame in pixels of the crop;
- `crops.npy`: `frames x 128 x 128`, uint8, the face without the head's motion; 0 where there is no usable face;
- `numbers.npy`: int32, the number of each stored frame in the video itself;
- `flow_K.npy` and `difference_K.npy`, which are computed when they are first asked for.

Frames of a store are those at which motion was measured. Where only every n-th frame of a video was read, they are fewer than
the video's own; `StoredVideo.truth` stays in the video's own frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from merjax.datasets.long_videos import TrueInterval
from merjax.faces.region_motion import PLACES, Window, by_part
from merjax.stores.arrays import Form, memory_map
from merjax.system.errors import MerjaxError
from merjax.system.own_files import read_json, reading
from merjax.system.paths import lacks_file, lacks_folder, user_path

FORMAT = 1
MARKER = "motion.json"
SIDE = 128  # px of a crop; the inner eye corners are a quarter of it apart
FORMS: Mapping[str, Form] = {
    "regions": ((None, 6, 2), "<f4"),
    "windows": ((None, 2), "<i4"),
    "signals": ((None, len(PLACES)), "<f4"),
    "points": ((None, 68, 2), "<f4"),
    "crops": ((None, SIDE, SIDE), "|u1"),
    "numbers": ((None,), "<i4"),
}


@dataclass(frozen=True)
class StoredVideo:
    """A video of a store.

    Attributes:
        database, subject, name: see `merjax.datasets.long_videos.LongVideo`.
        fps, n_frames: frames per second and number of the stored frames.
        truth: its expressions, in the video's own frames.
        gaps: first and last stored frame of each stretch without a usable face; no interval may reach across one.
        folder: its folder, relative to the store.
        told: what was found out about it, a sentence each.
    """

    database: str
    subject: str
    name: str
    fps: float
    n_frames: int
    truth: tuple[TrueInterval, ...]
    gaps: tuple[tuple[int, int], ...]
    folder: str
    told: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The video's identity across databases: "casme_squared/s15/15_0101"."""
        return f"{self.database}/{self.subject}/{self.name}"


@dataclass(frozen=True)
class MotionStore:
    """A finished motion store.

    Attributes:
        path: its folder.
        videos: in the order in which they were given.
        hash: of all motion, crops, truth and settings: equal hashes mean equal stores.
        settings: how it was made.
        meta: the contents of `motion.json`.
    """

    path: Path
    videos: tuple[StoredVideo, ...]
    hash: str
    settings: Mapping[str, Any]
    meta: Mapping[str, Any]

    def windows(self, video: StoredVideo) -> list[Window]:
        """The windows of a video, as `merjax.methods.spotting.valleys.spot_valleys` takes them; none lies across a gap."""
        signals_RxS, first_row, windows = self.array(video, "signals"), 0, []
        for first, length in self.array(video, "windows").tolist():
            windows.append(Window(first, by_part(np.asarray(signals_RxS[first_row : first_row + length], float))))
            first_row += length
        return windows

    def motion(self, video: StoredVideo) -> Float32[np.ndarray, "T R 2"]:
        """How far each region has moved since the frame a tenth of a second earlier.

        Returns:
            mean vectors (x, y) of the regions in the order of `merjax.faces.regions.REGIONS`, in px where the inner eye corners
            are 64 px apart; less that of the nose, except the nose's own. 0 in gaps and where there is no earlier frame.
        """
        return self.array(video, "regions")

    def flow(self, video: StoredVideo, k: int) -> UInt8[np.ndarray, "N 42 42 3"]:
        """The pictures of motion from each frame to the one k frames later, N = n_frames - k, as SOFTNet takes them.

        Computed when they are first asked for, and kept.
        """
        return memory_map(
            self.path / video.folder / f"flow_{k}.npy", ((None, 42, 42, 3), "|u1"), damaged_motion(self.path)
        )

    def truth(self, video: StoredVideo) -> tuple[TrueInterval, ...]:
        """A video's expressions in stored frames; `StoredVideo.truth` has them in the video's own."""
        numbers_T = self.array(video, "numbers")

        def stored(number: int) -> int:
            """The stored frame that shows what the video shows there."""
            return int(np.clip(np.searchsorted(numbers_T, number, "right") - 1, 0, len(numbers_T) - 1))

        return tuple(
            t._replace(onset=stored(t.onset), offset=stored(t.offset), apex=None if t.apex is None else stored(t.apex))
            for t in video.truth
        )

    def array(self, video: StoredVideo, name: str) -> np.ndarray:
        """One of a video's arrays, a key of `FORMS`, as a read-only memory map.

        Raises:
            MerjaxError: its file is missing or damaged.
        """
        return memory_map(self.path / video.folder / f"{name}.npy", FORMS[name], damaged_motion(self.path))


def open_motion_store(path: str | Path) -> MotionStore:
    """Open a finished motion store; its arrays are read only when they are used.

    Raises:
        MerjaxError: there is no store, or it is unfinished, of another version, or damaged.
    """
    path = user_path(path)
    make = f"make one with `merjax prepare --videos --casme-squared RELEASE --out {path}`"
    if lacking := lacks_folder(path):
        raise MerjaxError(f"{path} {lacking}; name a motion store, or {make}")
    if lacks_file(path / MARKER) == "does not exist":
        raise MerjaxError(f"{path} is not a finished motion store (it has no {MARKER}); {make}")
    meta = read_json(path / MARKER, damaged_motion(path))
    if meta.get("format") != FORMAT:
        raise MerjaxError(
            f"{path} is a motion store of format {meta.get('format')}, but this merjax reads format {FORMAT}; remove it and "
            "prepare it again"
        )
    with reading(path / MARKER, damaged_motion(path)):
        videos = tuple(_video(**said) for said in meta["videos"])
        return MotionStore(path, videos, str(meta["hash"]), meta["settings"], meta)


def damaged_motion(path: Path) -> str:
    """What to do about a motion store that is damaged, as the end of a sentence."""
    return f"copy the store again from where it was made, or remove {path} and prepare it again"


def _video(truth: Sequence[Sequence[Any]], gaps: Sequence[Sequence[int]], **said: Any) -> StoredVideo:
    told = tuple(said.pop("told", ()))
    return StoredVideo(
        truth=tuple(TrueInterval(*true) for true in truth),
        gaps=tuple((int(first), int(last)) for first, last in gaps),
        told=told,
        **said,
    )
