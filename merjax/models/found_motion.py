"""The motion of a recording, and the intervals in which a spotter finds expressions."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from merjax.datasets.assemble import synthetic_statement
from merjax.datasets.long_videos import LongVideo, pictures_of
from merjax.methods.spotting.stored import SPOTTERS, in_own_frames
from merjax.models.own_video import Analysis, FoundInterval
from merjax.stores.motion_preparation import prepare_motion_store
from merjax.stores.motion_store import RESTED, SIDE, MotionStore, between, open_motion_store
from merjax.stores.place_motion import from_rest
from merjax.system.console import told
from merjax.system.videos import facts_of, frames, is_video

SPOTTER = "valleys"
_LOST = 0.02  # the share of the frames it names that may be missing from an undamaged video
_SHORT, _LONG = 20.0, 120.0  # seconds
_LOOKS = 0.5  # seconds between looks at how far the measuring is


def measured(
    video: LongVideo,
    place: Path,
    face: int | None,
    workers: int | None,
    landmark_model: Path,
    progress: Callable[[int, int], None] | None,
) -> MotionStore:
    """The motion store of one video, made or, where a stopped call has made it, opened."""
    if place.is_dir():
        return open_motion_store(place)
    with told(f"measuring {video.name}", progress) as heard, _watched(place, frames_of(video), heard):
        return prepare_motion_store(
            [video],
            place,
            face=face,
            pieces=_pieces(frames_of(video) / video.fps),
            workers=workers,
            model=landmark_model,
            progress=lambda done, total: None,
        )


def _pieces(seconds: float) -> int:
    """How many pieces a video is measured in, so that two cores have work and few pictures are read for nothing."""
    return 1 if seconds < _SHORT else 2 if seconds < _LONG else 4


@contextmanager
def _watched(place: Path, total: int, heard: Callable[[int, int], None]) -> Iterator[None]:
    """Tell how many frames have been measured, by the size of the files that other processes write."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOKS):
            files = place.with_name(place.name + ".partial").rglob("crops.npy")
            heard(min(total, sum(_size(file) for file in files) // SIDE**2), total)

    watcher = threading.Thread(target=look, daemon=True)
    heard(0, total)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    heard(total, total)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # it has just become part of another
        return 0


def frames_of(video: LongVideo) -> int:
    """How many frames a video says that it has."""
    return facts_of(video.frames).frames if is_video(video.frames) else len(pictures_of(video.frames, video.damaged))


def analysis_of(video: LongVideo, store: MotionStore) -> Analysis:
    """The intervals in a video whose motion is measured, before a model says anything about them."""
    stored = store.videos[0]
    numbers_F = np.asarray(store.array(stored, "numbers"))
    spots = in_own_frames(SPOTTERS[SPOTTER](store, stored, 0.0), numbers_F)
    said, read = frames_of(video), int(numbers_F[-1]) + 1
    every = round(video.fps / stored.fps)
    whole = read + every > (1 - _LOST) * said
    lost = [f"the video says that it has {said} frames, and can be read up to frame {read}: the rest is damaged"]
    return Analysis(
        name=video.name,
        source=video.frames,
        fps=video.fps,
        n_frames=said if whole and (every > 1 or stored.told) else read,  # some of the last may not be among those read
        store=store,
        motion_FxR=motion_from_rest(store),
        second_F=(np.arange(stored.n_frames) / stored.fps).astype(np.float32),
        gaps=tuple((first / stored.fps, (last + 1) / stored.fps) for first, last in stored.gaps),
        intervals=tuple(FoundInterval(s.onset, s.apex, s.offset, s.kind, float(s.confidence)) for s in spots),
        classes=(),
        model=None,
        told=(*([] if whole else lost), *stored.told, *filter(None, [synthetic_statement(video.frames.parent)])),
    )


def motion_from_rest(store: MotionStore) -> Float32[np.ndarray, "F R"]:
    """How far each region of a store's first video is from where it rests: its median place in the seconds around."""
    video = store.videos[0]
    stretches = between(video.gaps, video.n_frames)
    away_FxRx2 = from_rest(store.array(video, "regions"), stretches, frames(RESTED, video.fps))
    return np.linalg.norm(away_FxRx2, axis=2).astype(np.float32)
