"""How databases of long videos lie on disk: CAS(ME)^2 and SAMM Long Videos, their folders, frames and sheets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple

import pandas as pd
from openpyxl import Workbook

from merjax.synthesis.long_scripts import Expression, LongScript
from merjax.synthesis.movements import coded

LongLayoutName = Literal["casme_squared", "samm_long"]
_Sheets = dict[str, Sequence[Sequence[Any]]]  # rows by a sheet's title


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
        who: subject and video of a video by their positions, as its tables name them.
        folder: a video's folder, relative to the release.
        frame: file name of a frame by its number.
        write_sheet: writes the workbook of annotations into the release's folder.
    """

    name: LongLayoutName
    fps: float
    gray: bool
    subjects: int
    videos: int
    who: Callable[[int, int], tuple[str, str]]
    folder: Callable[[int, int], PurePath]
    frame: Callable[[int, int, int], str]
    write_sheet: Callable[[Path, Sequence[MadeVideo]], None]


def interval_table(layout: LongLayout, videos: Sequence[MadeVideo]) -> pd.DataFrame:
    """The true intervals as `merjax rescore --truth` takes them; frames are numbered from 1."""
    rows = [
        (layout.name, *layout.who(v.subject, v.number), e.onset + 1, e.apex + 1, e.offset + 1, e.kind, e.emotion)
        for v in videos
        for e in v.script.expressions
    ]
    return pd.DataFrame(rows, columns=["database", "subject", "video", "onset", "apex", "offset", "kind", "class"])


def video_table(layout: LongLayout, videos: Sequence[MadeVideo]) -> pd.DataFrame:
    """All videos, those without expressions too, as `merjax rescore --videos` takes them."""
    rows = [(layout.name, *layout.who(v.subject, v.number), v.script.frames, layout.fps) for v in videos]
    return pd.DataFrame(rows, columns=["database", "subject", "video", "frames", "fps"])


# Numbers of the subjects' folders; and of each film the number, the sheet's name and the end of the folder's.
_FOLDERS = (15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 40)
_FILMS = (
    *(("0101", "disgust1", "disgustingteeth"), ("0102", "disgust2", "eatingworms"), ("0401", "anger1", "girlcrashing")),
    *(("0402", "anger2", "beatingpregnantwoman"), ("0502", "happy1", "funnyerrors"), ("0503", "happy2", "unnyfarting")),
    *(("0505", "happy3", "funnyinnovations"), ("0507", "happy4", "climbingthewall"), ("0508", "happy5", "funnydunkey")),
)
_EMOTIONS = {"happiness": "positive", "surprise": "surprise", "disgust": "negative", "anger": "negative"}
_SAMM_COLUMNS = (
    *("Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type", "Action Units", "Notes"),
)


def _casme_who(subject: int, number: int) -> tuple[str, str]:
    folder = _FOLDERS[subject - 1]
    return f"s{folder}", f"{folder}_{_FILMS[number - 1][0]}"


def _casme_folder(subject: int, number: int) -> PurePath:
    folder, video = _casme_who(subject, number)
    return PurePath("rawpic", folder, f"{video}{_FILMS[number - 1][2]}")


def _casme_frame(subject: int, number: int, frame: int) -> str:
    return f"img{frame:03d}.jpg"


def _casme_sheet(root: Path, videos: Sequence[MadeVideo]) -> None:
    """CAS(ME)^2code_final.xlsx: three sheets without a header row, one of intervals and two of names."""
    rows: list[Sequence[Any]] = [
        (
            *(v.subject, f"{_FILMS[v.number - 1][1]}_{n}", e.onset + 1, e.apex + 1, e.offset + 1, _units(e)),
            *(_EMOTIONS.get(e.emotion, "others"), f"{e.kind}-expression", e.emotion),
        )
        for v in videos
        for n, e in enumerate(v.script.expressions, 1)
    ]
    folders = [(folder, f"s{folder}", index) for index, folder in enumerate(_FOLDERS, 1)]
    films = [film[:2] for film in _FILMS]
    sheets: _Sheets = {"CASFEcode_final": rows, "naming rule1": folders, "naming rule2": films}
    _save(root / "CAS(ME)^2code_final.xlsx", sheets)


def _samm_who(subject: int, number: int) -> tuple[str, str]:
    return f"{subject + 5:03d}", f"{subject + 5:03d}_{number}"


def _samm_folder(subject: int, number: int) -> PurePath:
    return PurePath("SAMM_longvideos", _samm_who(subject, number)[1])


def _samm_frame(subject: int, number: int, frame: int) -> str:
    return f"{_samm_who(subject, number)[1]}_{frame:04d}.jpg"


def _samm_sheet(root: Path, videos: Sequence[MadeVideo]) -> None:
    """SAMM_LongVideos_V2_Release.xlsx: nine rows of preamble, then the header."""
    rows: list[Sequence[Any]] = [
        ("Made videos in the layout of SAMM Long Videos - FACS Codes",),
        *[()] * 8,
        _SAMM_COLUMNS,
    ]
    for v in videos:
        subject, video = _samm_who(v.subject, v.number)
        for n, e in enumerate(v.script.expressions, 1):
            frames = (e.onset + 1, e.apex + 1, e.offset + 1, e.offset - e.onset + 1)
            kind = "Micro - 1/2" if e.kind == "micro" else "Macro"
            rows.append((subject, f"{video}_{n}", v.number, *frames, kind, _units(e), None))
    _save(root / "SAMM_LongVideos_V2_Release.xlsx", {"FACS_Movement_Only": rows})


def _units(expression: Expression) -> int | str:
    """Action units as coders write them; a number where there is one."""
    written = coded(expression.movements)
    return int(written) if written.isdecimal() else written


def _save(path: Path, sheets: _Sheets) -> None:
    book = Workbook(write_only=True)
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(row)
    book.save(path)


CASME_SQUARED = LongLayout("casme_squared", 30.0, False, 22, 9, _casme_who, _casme_folder, _casme_frame, _casme_sheet)
SAMM_LONG = LongLayout("samm_long", 200.0, True, 30, 7, _samm_who, _samm_folder, _samm_frame, _samm_sheet)
LONG_LAYOUTS: dict[LongLayoutName, LongLayout] = {layout.name: layout for layout in (CASME_SQUARED, SAMM_LONG)}
