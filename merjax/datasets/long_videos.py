"""Long videos and the expressions in them."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from merjax.datasets.clip import Kind


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
    """

    database: str
    subject: str
    name: str
    frames: Path
    fps: float
    truth: tuple[TrueInterval, ...] = ()

    @property
    def key(self) -> str:
        """The video's identity across databases: "casme_squared/s15/15_0101"."""
        return f"{self.database}/{self.subject}/{self.name}"
