"""How databases of long videos lie on disk: CAS(ME)^2 and SAMM Long Videos, their folders, frames and sheets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

import pandas as pd

from merjax.synthesis.clip_plans import ClipPlan
from merjax.synthesis.long_scripts import LongScript
from merjax.synthesis.recording_layouts import (
    Annotated,
    casme_squared_names,
    casme_squared_sheets,
    samm_long_name,
    samm_long_sheets,
)
from merjax.synthesis.rendering import Script

LongLayoutName = Literal["casme_squared", "samm_long"]


class MadeVideo(NamedTuple):
    """A video: positions of the subject and of the video among the subject's, from 1, and what happens in it."""

    subject: int
    number: int
    script: LongScript


@dataclass(frozen=True)
class LongLayout:
    """One database's way to store long videos. Frames are numbered from 1.

    Attributes:
        name: as merjax calls the database.
        fps: frames per second of its camera.
        gray: whether frames are gray.
        subjects, videos: how many it can hold, and of each subject.
        names: subject and video as its tables name them, and the video's folder relative to the release, by their positions.
        frame: file name of a frame by its video's name and its number.
        write_sheets: writes the annotations into the release's folder.
    """

    name: LongLayoutName
    fps: float
    gray: bool
    subjects: int
    videos: int
    names: Callable[[int, int], tuple[str, str, PurePath]]
    frame: Callable[[str, int], str]
    write_sheets: Callable[[Path, Sequence[Annotated]], None]


def annotated(videos: Sequence[MadeVideo]) -> list[Annotated]:
    """The expressions of videos, for the database's own sheets."""
    return [
        Annotated(ClipPlan(subject, number, e.emotion, 1, _script_of(script, n)), n + 1, e.kind)
        for subject, number, script in videos
        for n, e in enumerate(script.expressions)
    ]


def interval_table(layout: LongLayout, videos: Sequence[MadeVideo]) -> pd.DataFrame:
    """The true intervals as `merjax rescore --truth` takes them; frames are numbered from 1."""
    rows = [
        (layout.name, *layout.names(v.subject, v.number)[:2], e.onset + 1, e.apex + 1, e.offset + 1, e.kind, e.emotion)
        for v in videos
        for e in v.script.expressions
    ]
    return pd.DataFrame(rows, columns=["database", "subject", "video", "onset", "apex", "offset", "kind", "class"])


def video_table(layout: LongLayout, videos: Sequence[MadeVideo]) -> pd.DataFrame:
    """All videos, those without expressions too, as `merjax rescore --videos` takes them."""
    rows = [(layout.name, *layout.names(v.subject, v.number)[:2], v.script.frames, layout.fps) for v in videos]
    return pd.DataFrame(rows, columns=["database", "subject", "video", "frames", "fps"])


def _script_of(video: LongScript, n: int) -> Script:
    """One expression of a video as the script of a clip."""
    e = video.expressions[n]
    return Script(e.movements, e.peak, video.frames, e.onset, e.apex, e.offset, video.fps)


def _samm_long_names(subject: int, number: int) -> tuple[str, str, PurePath]:
    video = samm_long_name(subject, number)
    return f"{subject:03d}", video, PurePath("SAMM_longvideos", video)


CASME_SQUARED = LongLayout(
    name="casme_squared",
    fps=30.0,
    gray=False,
    subjects=22,
    videos=9,
    names=casme_squared_names,
    frame=lambda video, number: f"img{number:03d}.jpg",
    write_sheets=casme_squared_sheets,
)
SAMM_LONG = LongLayout(
    name="samm_long",
    fps=200.0,
    gray=True,
    subjects=30,
    videos=7,
    names=_samm_long_names,
    frame=lambda video, number: f"{video}_{number:04d}.jpg",
    write_sheets=samm_long_sheets,
)
LONG_LAYOUTS: dict[LongLayoutName, LongLayout] = {layout.name: layout for layout in (CASME_SQUARED, SAMM_LONG)}
