"""The motion store: the motion of faces in long videos on disk, read by memory map.

A store is a folder with `motion.json`, which is written last, and a folder `videos/NUMBER` for each video:

- `regions.npy`: `frames x 6 x 2`, float32, the motion of the six regions since the last frame after a gap, or since the first
  (see `MotionStore.motion`); 0 where there is no usable face;
- `windows.npy`: `windows x 2`, int32, the first frame and the length of each window; `signals.npy`: for each frame of each
  window, one window after the other, how 18 places have moved since the window's first frame, vectors (x, y) of float32 (see
  `merjax.faces.region_motion.PLACES`); `points.npy`: `windows x 68 x 2`, float32, the landmarks on each window's first frame in
  pixels of the crop;
- `crops.npy`: `frames x 128 x 128`, uint8, the face without the head's motion; 0 where there is no usable face;
- `numbers.npy`: int32, the number of each stored frame in the video itself;
- `flow_K.npy` and `difference_K.npy`, which are computed when they are first asked for.

Frames of a store are those at which motion was measured. Where only every n-th frame of a video was read, they are fewer than
the video's own; `StoredVideo.truth` stays in the video's own frames.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8

from merjax.datasets.long_videos import TrueInterval
from merjax.faces.flow import dense_flow
from merjax.faces.main_direction import main_difference
from merjax.faces.region_motion import PLACES, Window, by_part, lengths
from merjax.faces.softnet_pictures import SHAPE, softnet_picture
from merjax.stores.arrays import Form, memory_map
from merjax.stores.place_motion import by_region, from_rest, joined, since_earlier
from merjax.stores.writing import write_array
from merjax.system.errors import MerjaxError
from merjax.system.files import write_aside
from merjax.system.own_files import read_json, reading
from merjax.system.paths import lacks_file, lacks_folder, user_path
from merjax.system.videos import frames

FORMAT = 1
MARKER = "motion.json"
LAG = 0.1  # seconds
RESTED = 20 / 3  # seconds, about a frame, whose median is where a place rests
SIDE = 128  # px of a crop; the inner eye corners are a quarter of it apart
FORMS: Mapping[str, Form] = {
    "regions": ((None, 6, 2), "<f4"),
    "windows": ((None, 2), "<i4"),
    "signals": ((None, len(PLACES), 2), "<f4"),
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


class Stretch(NamedTuple):
    """Frames of a video without a gap: the first and the last one, and the landmarks in pixels of the crop, the median over the
    stretch's windows."""

    first: int
    last: int
    points: Float[np.ndarray, "68 2"]


def between(stretches: Sequence[tuple[int, int]], n_frames: int) -> tuple[tuple[int, int], ...]:
    """First and last frame of what lies before, between and after some stretches of a video."""
    edges = [-1, *(edge for stretch in stretches for edge in stretch), n_frames]
    return tuple((a + 1, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1)


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

    @property
    def dropped(self) -> dict[str, str]:
        """By the key of each video that was left out, the reason."""
        return {one["video"]: one["reason"] for one in self.meta.get("dropped", ())}

    @property
    def statement(self) -> str:
        """The statement of synthetic data about itself; empty for real videos."""
        return self.meta["statement"]

    def windows(self, video: StoredVideo, *, from_rest: bool = False) -> list[Window]:
        """The windows of a video, as `merjax.methods.spotting.valleys.spot_valleys` takes them; none lies across a gap.

        Args:
            video: the video.
            from_rest: motion is measured from where each place is in the middle of its positions in the window, and not from
                the window's first frame, which may fall into a blink or a syllable.
        """
        moved_RxSx2, first_row, windows = self.array(video, "signals"), 0, []
        for first, length in self.array(video, "windows").tolist():
            own_TxSx2 = np.asarray(moved_RxSx2[first_row : first_row + length], float)
            if from_rest:
                own_TxSx2 = own_TxSx2 - np.median(own_TxSx2, axis=0)
            windows.append(Window(first, by_part(lengths(own_TxSx2))))
            first_row += length
        return windows

    def motion(self, video: StoredVideo, seconds: float = LAG) -> Float32[np.ndarray, "T R 2"]:
        """How far each region has moved since an earlier frame, by default a tenth of a second earlier.

        Returns:
            mean vectors (x, y) of the regions in the order of `merjax.faces.regions.REGIONS`, in px where the inner eye corners
            are 64 px apart. The nose's has the head's motion in it; those of the others are without both. 0 in gaps and where
            there is no earlier frame.
        """
        stretches = between(video.gaps, video.n_frames)
        return since_earlier(self.array(video, "regions"), stretches, frames(seconds, video.fps))

    def regional_motion(self, video: StoredVideo) -> Float32[np.ndarray, "T R V 2"]:
        """All that is known of each region's motion.

        Returns:
            vectors (x, y) in the px of `motion`, without nose and head but for the nose's first: the region's own over a tenth
            of a second, as `motion` gives it; that of each place in it; and how far each place is from where it has rested for
            some seconds. 0 in gaps, and where a region has fewer places than another.
        """
        stretches, lag = between(video.gaps, video.n_frames), frames(LAG, video.fps)
        places_TxSx2 = joined(self.array(video, "windows"), self.array(video, "signals"), video.n_frames)
        own = since_earlier(self.array(video, "regions"), stretches, lag)
        moved = since_earlier(places_TxSx2, stretches, lag)
        away = from_rest(places_TxSx2, stretches, frames(RESTED, video.fps))
        return np.concatenate([own[:, :, None], by_region(moved), by_region(away)], 2)

    def flow(self, video: StoredVideo, k: int) -> UInt8[np.ndarray, "N 42 42 3"]:
        """The pictures of motion from each frame to the one k frames later, N = n_frames - k, as SOFTNet takes them.

        They are computed when they are first asked for, and kept. One that would reach into or across a gap is all 0.
        """
        return self.kept(video, f"flow_{k}", ((None, *SHAPE), "|u1"), lambda: self._pictures(video, k))

    def differences(self, video: StoredVideo, k: int) -> Float[np.ndarray, "T"]:
        """For MDMD, how much more the face has moved from k frames before each frame to it than to k frames after it.

        They are computed when they are first asked for, and kept. NaN where one of the three frames is in a gap, beyond one, or
        not there. See `merjax.faces.main_direction`.
        """
        form = ((video.n_frames,), "<f8")
        return self.kept(video, f"difference_{k}", form, lambda: self._differences(video, k))

    def _differences(self, video: StoredVideo, k: int) -> Float[np.ndarray, "T"]:
        crops, difference_T = self.array(video, "crops"), np.full(video.n_frames, np.nan)
        for first, last, _ in self.stretches(video):
            for t in range(first + k, last + 1 - k):
                to, past = (dense_flow(crops[t - k], crops[frame]) for frame in (t, t + k))
                difference_T[t] = main_difference(to, past)
        return difference_T

    def _pictures(self, video: StoredVideo, k: int) -> UInt8[np.ndarray, "N 42 42 3"]:
        crops = self.array(video, "crops")
        pictures = np.zeros((max(0, video.n_frames - k), *SHAPE), np.uint8)
        for first, last, points in self.stretches(video):
            for t in range(first, last + 1 - k):
                pictures[t] = softnet_picture(crops[t], crops[t + k], points)
        return pictures

    def stretches(self, video: StoredVideo) -> list[Stretch]:
        """The stretches of a video between its gaps, each with landmarks."""
        starts, points = self.array(video, "windows")[:, 0], np.asarray(self.array(video, "points"), float)
        return [
            Stretch(first, last, np.median(points[(starts >= first) & (starts <= last)], 0))
            for first, last in between(video.gaps, video.n_frames)
        ]

    def kept(self, video: StoredVideo, name: str, form: Form, make: Callable[[], np.ndarray]) -> np.ndarray:
        """An array that is computed from a video when it is first asked for, and kept beside its others, as a memory map.

        Raises:
            MerjaxError: its file is damaged.
        """
        path = self.path / video.folder / f"{name}.npy"
        if lacks_file(path) == "does not exist":
            array = np.asarray(make(), form[1])
            write_aside(path, lambda aside: write_array(aside, array))
        return memory_map(path, form, damaged_motion(self.path))

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

    >>> store = merjax.open_motion_store("stores/measured")
    >>> len(store.videos), store.dropped
    (1, {})

    Args:
        path: its folder.

    Returns:
        The videos, and what was measured in them, as memory maps.

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
