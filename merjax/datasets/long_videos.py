"""Long videos and the expressions in them."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from merjax.datasets.clip import Clip, Kind, Release, database_of
from merjax.datasets.folders import frames_of
from merjax.system.errors import MerjaxError


class TrueInterval(NamedTuple):
    """An expression of a video.

    Attributes:
        onset, offset: its first and last frame, by their position in the video, counted from 0; both belong to it.
        apex: the frame of strongest expression; None where nobody says.
        kind: "micro" or "macro".
        emotion: in lower case; "" where nobody says.
    """

    onset: int
    apex: int | None
    offset: int
    kind: Kind
    emotion: str


@dataclass(frozen=True)
class LongVideo:
    """A long video, unread.

    Attributes:
        database, subject: see `merjax.datasets.clip.Clip`.
        name: its name; unique within (database, subject) only.
        frames: a folder of pictures, in the order of their numbers, or a video file.
        fps: frames per second.
        truth: its expressions, by their onset; none in a video without expressions.
        damaged: the numbers of pictures of its folder that are not to be used.
    """

    database: str
    subject: str
    name: str
    frames: Path
    fps: float
    truth: tuple[TrueInterval, ...] = ()
    damaged: frozenset[int] = frozenset()

    @property
    def key(self) -> str:
        """The video's identity across databases: "casme_squared/s15/15_0101"."""
        return f"{self.database}/{self.subject}/{self.name}"


def long_videos(release: Release) -> tuple[LongVideo, ...]:
    """The recordings of a release as long videos, those without expressions too.

    >>> release = merjax.read_casme_squared("data/casme_squared", kind="all")
    >>> [video.key for video in merjax.long_videos(release)]
    ['casme_squared/s15/15_0101']

    Args:
        release: of CAS(ME)^2, SAMM Long Videos or CAS(ME)^3, part A. Read it with `kind="all"`: what it leaves out would count
            as no expression.

    Returns:
        The videos by subject and name; expressions are counted from the first picture, 0.

    Raises:
        MerjaxError: its clips do not lie in recordings.
    """
    if not release.recordings:
        raise MerjaxError(
            f"{release.root} holds clips and no long recordings; name the recordings of CAS(ME)^2, SAMM Long Videos or "
            "CAS(ME)^3"
        )
    clips: dict[Path, list[Clip]] = defaultdict(list)
    for clip in release.clips:
        clips[clip.frames[0].parent].append(clip)
    fps = database_of(release.database).fps
    assert fps is not None  # all databases of recordings have one rate
    return tuple(
        LongVideo(
            release.database,
            recording.subject,
            recording.name,
            recording.folder,
            fps,
            _truth(clips[recording.folder], recording.folder, recording.damaged),
            recording.damaged,
        )
        for recording in release.recordings
    )


def pictures_of(folder: Path, damaged: Collection[int] = ()) -> dict[int, Path]:
    """The pictures of a recording by number, in order; of several of one number, the first by name."""
    return {number: paths[0] for number, paths in sorted(frames_of(folder, []).items()) if number not in damaged}


def _truth(clips: Sequence[Clip], folder: Path, damaged: Collection[int]) -> tuple[TrueInterval, ...]:
    """Expressions by the positions of their frames: numbers may begin anywhere, and a camera may skip some."""
    if not clips:
        return ()
    numbers = list(pictures_of(folder, damaged))
    truth = [
        TrueInterval(
            bisect_left(numbers, clip.onset),
            None if clip.apex is None else bisect_left(numbers, clip.apex),
            bisect_left(numbers, clip.offset),
            clip.kind,
            clip.emotion,
        )
        for clip in clips
    ]
    return tuple(sorted(truth, key=lambda true: (true.onset, true.offset)))


def overlapping(truth: Sequence[TrueInterval]) -> int:
    """How many pairs of a video's expressions share a frame; each is to be found by an interval of its own."""
    return sum(
        one.onset <= other.offset and other.onset <= one.offset
        for n, one in enumerate(truth)
        for other in truth[n + 1 :]
    )
