"""The motion of one long video: its pictures are read once, its arrays written, in memory that hardly grows with its length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from merjax.datasets.long_videos import LongVideo, pictures_of
from merjax.faces.following import Find, Seen, follow
from merjax.faces.frame_streams import Shown, every_nth, shown_in_folder, shown_in_video
from merjax.faces.regions import REGIONS
from merjax.stores.motion_store import SIDE, between
from merjax.stores.motion_writing import GrowingArray, write_arrays
from merjax.system.errors import MerjaxError
from merjax.system.videos import frames, is_video

_WRITTEN: np.ndarray = np.zeros((0, 0), np.uint8)  # in place of a crop, of which a part would keep all of it in memory
NOSE = next(n for n, region in enumerate(REGIONS) if region.name == "nose")


@dataclass(frozen=True)
class MotionSettings:
    """How motion is measured; times are in seconds.

    Attributes:
        hertz: pictures a second that are read, at most about so many: of a faster video every n-th.
        window: length of a window, half of which overlap. OF-FD: 200 frames at 30 per second.
        retry: how often a face is looked for while there is none.
        face: which face to take where a video shows several, counted from the left, from 1; None for the steadiest.
        pieces: how many pieces a video is cut into, each of which is measured by itself (see `merjax.stores.motion_pieces`).
    """

    hertz: float = 30.0
    window: float = 20 / 3
    retry: float = 0.25
    face: int | None = None
    pieces: int = 1

    @property
    def as_dict(self) -> dict[str, Any]:
        """The settings as a store keeps them: pieces only if there are several, so that other stores have the hash that they
        always had."""
        return {key: value for key, value in asdict(self).items() if (key, value) != ("pieces", 1)}


class SeenStretch(NamedTuple):
    """Frames without a gap: the first one's number, and what each of them shows."""

    first: int
    seen: list[Seen]


class Summed(NamedTuple):
    """Motion within a stretch since the first frame of it.

    Attributes:
        places: of each place beside the nose, `frames x places x 2`.
        regions: of each region, `frames x regions x 2`.
        nose: of the nose, with the head.
    """

    places: Float[np.ndarray, "T S 2"]
    regions: Float[np.ndarray, "T R 2"]
    nose: Float[np.ndarray, "T 2"]


class VideoFacts(NamedTuple):
    """What was found out about a video: frames per second and number of stored frames, gaps, and sentences."""

    fps: float
    n_frames: int
    gaps: tuple[tuple[int, int], ...]
    told: tuple[str, ...]


class Piece(NamedTuple):
    """A part of a video by its stored frames: the first one and the one after the last, or None where it goes on to the end."""

    first: int
    last: int | None


WHOLE = Piece(0, None)


class MeasuredPiece(NamedTuple):
    """What was seen in a piece of a video, whose first frame is 0: its stretches, and each frame's own number in the video."""

    stretches: list[SeenStretch]
    numbers: list[int]


def measure_video(video: LongVideo, folder: Path, settings: MotionSettings, find: Find) -> VideoFacts:
    """Measure the motion in a video and write its arrays.

    Args:
        video: the video.
        folder: where to write them.
        settings: how to measure.
        find: see `merjax.faces.following.follow`.

    Raises:
        MerjaxError: a picture cannot be read, or not one shows a face.
    """
    return write_motion(video, folder, settings, measure_piece(video, folder, settings, find))


def measure_piece(
    video: LongVideo, folder: Path, settings: MotionSettings, find: Find, piece: Piece = WHOLE
) -> MeasuredPiece:
    """Measure the motion in a piece of a video and write its crops; see `measure_video`."""
    every = every_nth(video.fps, settings.hertz)
    fps = video.fps / every
    shown = shown_of(video, every, piece.first)
    if piece.last is not None:
        shown = islice(shown, piece.last + 1 - piece.first)
    measured = MeasuredPiece([], [])
    with GrowingArray(folder, "crops") as crops:
        block, retry = block_of(settings, fps), frames(settings.retry, fps)
        for t, seen in enumerate(follow(_noted(shown, measured.numbers), find, block, retry, SIDE)):
            crops.add(np.zeros((SIDE, SIDE), np.uint8) if seen is None else seen.crop)
            if seen is not None:
                if seen.new:
                    measured.stretches.append(SeenStretch(t, []))
                measured.stretches[-1].seen.append(seen._replace(crop=_WRITTEN))
    return measured


def block_of(settings: MotionSettings, fps: float) -> int:
    """Stored frames from one set of landmarks to the next, of so many a second."""
    return frames(settings.window / 2, fps)


def write_motion(video: LongVideo, folder: Path, settings: MotionSettings, measured: MeasuredPiece) -> VideoFacts:
    """Write the arrays of a video whose crops are written.

    Raises:
        MerjaxError: no picture shows a face.
    """
    stretches, numbers = measured
    if not stretches:
        raise MerjaxError(f"dlib finds no face in {video.frames}; leave the video out")
    every = every_nth(video.fps, settings.hertz)
    write_arrays(folder, _arrays(stretches, len(numbers)) | {"numbers": np.array(numbers)})
    return VideoFacts(
        video.fps / every,
        len(numbers),
        between([(s.first, s.first + len(s.seen) - 1) for s in stretches], len(numbers)),
        _told(video, numbers, every),
    )


def shown_of(video: LongVideo, every: int, first: int = 0) -> Iterator[Shown]:
    """Every n-th picture of a video, gray, with its number in the video; without so many of the first of these."""
    if is_video(video.frames):
        return shown_in_video(video.frames, video.fps, every, first)
    return shown_in_folder([*pictures_of(video.frames, video.damaged).values()], every, first)


def _noted(shown: Iterable[Shown], numbers: list[int]) -> Iterable[np.ndarray]:
    for number, image in shown:
        numbers.append(number)
        yield image


def _told(video: LongVideo, numbers: Sequence[int], every: int) -> tuple[str, ...]:
    """A sentence about pictures that were left out or came twice, since the video's rate changes."""
    apart = np.diff(numbers)
    twice, left_out = int((apart == 0).sum()), int((apart > every).sum())
    if not twice and not left_out:
        return ()
    return (
        f"its rate changes: at even times of {video.fps / every:g} per second {twice} pictures are taken again, and after "
        f"{left_out} others some are left out",
    )


def _arrays(stretches: Sequence[SeenStretch], n_frames: int) -> dict[str, np.ndarray]:
    regions_TxRx2 = np.zeros((n_frames, len(REGIONS), 2), np.float32)
    windows, signals, points = [], [], []
    for first, seen in stretches:
        summed = summed_up(seen)
        regions_TxRx2[first : first + len(seen)] = without_nose(summed)
        landmarks = {t: step.points for t, step in enumerate(seen) if step.points is not None}
        for start, end in windows_of([*landmarks], len(seen)):
            own = summed.places[start:end]
            windows.append((first + start, len(own)))
            signals.append(own - own[0])
            points.append(landmarks[start] * (SIDE / 256))
    return {
        "regions": regions_TxRx2,
        "windows": np.array(windows),
        "signals": np.concatenate(signals),
        "points": np.array(points),
    }


def windows_of(begins: Sequence[int], n_frames: int) -> list[tuple[int, int]]:
    """The windows of a stretch, each from its first frame to before its last: two blocks, so that half of a window overlaps
    with the next; one of a short stretch. Blocks begin at given frames."""
    ends = [*begins[2:], n_frames]
    return list(zip(begins[: max(1, len(begins) - 1)], ends, strict=True))


def summed_up(seen: Sequence[Seen]) -> Summed:
    """Motion since the first frame of a stretch: that since a block's first frame, and that of this frame, and so on."""
    steps = [step.moved for step in seen]
    begins_T = np.array([step.points is not None for step in seen])
    own = [np.array(values, float) for values in zip(*steps, strict=True)]
    # a frame on which a block begins has the motion since the block before: the frames after it add to that
    summed = []
    for motion in own:
        carried = np.where(begins_T.reshape(-1, *[1] * (motion.ndim - 1)), motion, 0).cumsum(0)
        summed.append(np.where(begins_T.reshape(-1, *[1] * (motion.ndim - 1)), carried, carried + motion))
    places, regions, nose = summed
    return Summed(places, regions, nose + np.array([step.nose_at for step in seen]))


def without_nose(summed: Summed) -> Float32[np.ndarray, "T R 2"]:
    """The regions' motion less the nose's, but for the nose's own, which has the head's in it."""
    regions_TxRx2 = (summed.regions - summed.regions[:, NOSE : NOSE + 1]).astype(np.float32)
    regions_TxRx2[:, NOSE] = summed.nose - summed.nose[0]
    return regions_TxRx2
