"""Placeholder releases of CASME, MMEW and DFME, made from the columns and traps that are known of them: nobody here has a real
sheet of these. Images are empty files, all rows are invented."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from support.placeholder_releases import write_frames, write_sheet

CASME1_HEADER = ("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU", "Emotion")
MMEW_HEADER = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
    "remarks",
)
DFME_HEADER = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Emotion", "EmotionId", "Fps", "AU")
DFME_EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")


class Casme1(NamedTuple):
    """A row of CASME; cells are written as they are."""

    subject: object = 1
    name: str = "EP01_12"
    onset: object = 5
    apex: object = 8
    apex_2: object = None
    offset: object = 12
    action_units: object = "4+L10"
    emotion: str = "tense"


class Mmew(NamedTuple):
    """A row of MMEW; cells are written as they are."""

    subject: object = "01"
    name: str = "S01-01-001"
    onset: object = 1
    apex: object = 4
    offset: object = 8
    action_units: object = "12"
    emotion: str = "happiness"


class Dfme(NamedTuple):
    """A row of DFME; cells are written as they are."""

    name: str = "sub0003_01"
    onset: object = 0
    apex: object = 3
    offset: object = 6
    emotion: str = "disgust"
    fps: object = 500
    action_units: object = "4+L10"


def casme1_sheet(path: Path, lines: Iterable[Casme1]) -> Path:
    cells = [
        (x.subject, x.name, None, x.onset, x.apex, x.apex_2, x.offset, None, x.action_units, x.emotion) for x in lines
    ]
    return write_sheet(path, [CASME1_HEADER, *cells])


def casme1_frames(top: Path, folders: Mapping[str, Iterable[int]], pattern: str = "{name}-{{}}.jpg") -> None:
    """Folders such as `sub01/EP01_12`, with the numbers of their frames."""
    for folder, numbers in folders.items():
        write_frames(top / folder, numbers, pattern.format(name=Path(folder).name))


def mmew_sheet(path: Path, lines: Iterable[Mmew]) -> Path:
    return write_sheet(path, [MMEW_HEADER, *((*x, None) for x in lines)])


def mmew_frames(
    top: Path, lines: Iterable[Mmew], *, by_subject: bool = False, others: str = "others", frames: int = 10
) -> None:
    for x in lines:
        emotion = others if x.emotion == "others" else x.emotion
        above = top / x.name.split("-")[0] / emotion if by_subject else top / emotion
        write_frames(above / x.name, range(1, frames + 1), "{}.jpg")


def dfme_sheet(path: Path, lines: Iterable[Dfme], header: Sequence[object] = DFME_HEADER) -> Path:
    cells = []
    for x in lines:
        number = DFME_EMOTIONS.index(x.emotion) if x.emotion in DFME_EMOTIONS else None
        cells.append(
            (x.name.split("_")[0], x.name, x.onset, x.apex, x.offset, x.emotion, number, x.fps, x.action_units)
        )
    return write_sheet(path, [header, *(row[: len(header)] for row in cells)])


def dfme_frames(top: Path, lines: Iterable[Dfme], frames: int = 7) -> None:
    for x in lines:
        write_frames(top / x.name, range(frames), "{:05d}.png")
