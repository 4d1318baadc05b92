"""Releases of empty image files and invented sheets, laid out as the databases are; for the readers' tests."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from openpyxl import Workbook

CASME2_HEADER = ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None)
CASME2_HEADER += ("Action Units", "Estimated Emotion")
SAMM_HEADER = ("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration")
SAMM_HEADER += ("Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes")


class Line(NamedTuple):
    """A row of an invented sheet; cells are written as they are."""

    subject: object
    name: str
    onset: object = 5
    apex: object = 8
    offset: object = 12
    action_units: object = "4+L10"
    emotion: str = "disgust"
    objective_class: object = 4


def write_sheet(path: Path, rows: Iterable[Sequence[object]], title: str = "Sheet1") -> Path:
    """A workbook with one filled sheet and, as Excel leaves it, an empty one."""
    book = Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(list(row))
    book.create_sheet("Sheet2")
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def casme2_sheet(path: Path, lines: Iterable[Line]) -> Path:
    """The coding sheet of 2014, with its two blank columns."""
    cells = [(x.subject, x.name, None, x.onset, x.apex, x.offset, None, x.action_units, x.emotion) for x in lines]
    return write_sheet(path, [CASME2_HEADER, *cells])


def class_sheet(path: Path, lines: Iterable[Line]) -> Path:
    return write_sheet(
        path, [("Subject", "Filename", "Objective Class"), *((x.subject, x.name, x.objective_class) for x in lines)]
    )


def samm_sheet(path: Path, lines: Iterable[Line], preamble: int = 13) -> Path:
    """The sheet of FACS codes: rows of prose, then the header, a formula in the column Duration."""
    prose = [("Notes for users", None, None, None, "please cite")] * preamble
    cells = []
    for x in lines:
        frames = (x.onset, x.apex, x.offset, "=SUM(F2-D2)+1")
        cells.append((x.subject, x.name, 1, *frames, "Micro - 1/2", x.action_units, x.emotion, x.objective_class, None))
    return write_sheet(path, [*prose, SAMM_HEADER, *cells], "MICRO_ONLY")


def write_frames(folder: Path, numbers: Iterable[int], pattern: str) -> Path:
    """Empty files named by `pattern`, a format string of the frame number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / pattern.format(number)).touch()
    return folder


def casme2_frames(top: Path, lines: Iterable[Line], pattern: str = "img{}.jpg") -> None:
    for x in lines:
        write_frames(top / f"sub{x.subject}" / x.name, range(int(str(x.onset)), int(str(x.offset)) + 1), pattern)


def samm_frames(top: Path, lines: Iterable[Line], digits: int = 5) -> None:
    for x in lines:
        numbers = range(int(str(x.onset)), int(str(x.offset)) + 1)
        write_frames(top / str(x.subject) / x.name, numbers, f"{x.subject}_{{:0{digits}d}}.jpg")


def smic_frames(
    hs: Path, subject: int, emotion: str, number: int, frames: Iterable[int] = range(99998, 100003)
) -> Path:
    """A clip of SMIC-HS; by default its camera counter grows a digit on the way."""
    code = {"negative": "ne", "positive": "po", "surprise": "sur"}[emotion]
    folder = hs / f"s{subject}" / "micro" / emotion / f"s{subject}_{code}_{number:02d}"
    return write_frames(folder, frames, "image{:06d}.bmp")
