"""Long recordings of empty image files for annotated intervals, laid out as the databases are; for the readers' tests."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from openpyxl import Workbook
from support.placeholder_releases import write_frames, write_sheet

from merjax.datasets import Release


class Interval(NamedTuple):
    """An annotated interval: where its recording lies below the release, and the numbers of its first and last picture."""

    recording: str
    first: int
    last: int


def write_recordings(top: Path, intervals: Iterable[Interval], pattern: str) -> None:
    """The pictures of all intervals; `pattern` is a format string of a picture's number, in which * is its folder's name."""
    numbers: dict[str, set[int]] = {}
    for recording, first, last in intervals:
        numbers.setdefault(recording, set()).update(range(first, last + 1))
    for recording, own in numbers.items():
        write_frames(top / recording, own, pattern.replace("*", Path(recording).name))


def remarks(found: Release) -> list[str]:
    """What is said about a release, each with the clip that it concerns."""
    return [f"{d.subject}/{d.name}: {d.reason}" if d.name else d.reason for d in found.discrepancies]


# CAS(ME)^2: invented rows with the traps of the real sheet
FOLDERS = {1: 15, 2: 16, 3: 7}  # index -> number of the folders
FILMS = {"disgust1": "0101", "anger1": "0401", "happy5": "0508"}


class SquaredRow(NamedTuple):
    """A row of CAS(ME)^2, which has no titles; cells are written as they are."""

    subject: object
    name: str
    onset: object
    apex: object
    offset: object
    action_units: object = "4+10"
    emotion: str = "negative"
    kind: str = "micro-expression"
    reported: str = "anger"


SQUARED = (
    SquaredRow(1, "anger1_1", 10, 12, 20),
    SquaredRow(1, "anger1_2", 30, 40, 60, 4, kind="macro-expression"),
    SquaredRow(2, "disgust1_1", 5, 8, 0, "38", "others", "macro-expression"),
    SquaredRow(2, "disgust1_3", 50, 58, 55, 12, "positive", "macro-expression"),
    SquaredRow(3, "happy5_1", 998, 1000, 1005, "R4B+T12", "surprise"),
)


def squared_workbook(path: Path, rows: Iterable[SquaredRow] = SQUARED) -> Path:
    """The workbook of three sheets without header rows; codes have lost their zeros in front."""
    book = Workbook()
    book.active.title = "CASFEcode_final"
    for row in rows:
        book.active.append(list(row))
    names = book.create_sheet("naming rule1")
    for index, folder in FOLDERS.items():
        names.append([folder, f"s{folder:02d}", index])
    films = book.create_sheet("naming rule2")
    for film, code in FILMS.items():
        films.append([int(code), film])
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def squared_release(root: Path, rows: Iterable[SquaredRow] = SQUARED, top: str = "rawpic") -> Path:
    """The recordings of these rows, with folders that end in anything, and the workbook."""
    intervals = []
    for row in rows:
        folder = FOLDERS[int(str(row.subject))]
        recording = f"{top}/s{folder:02d}/{folder:02d}_{FILMS[row.name.rpartition('_')[0]]}anyfilm"
        intervals.append(
            Interval(recording.lstrip("/"), int(str(row.onset)), int(str(row.offset)) or int(str(row.apex)) + 20)
        )
    write_recordings(root, intervals, "img{:03d}.jpg")
    squared_workbook(root / "code_final.xlsx", rows)
    return root


# SAMM Long Videos
LONG_HEADER = (
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset",
    "Apex",
    "Offset",
    "Duration",
    "Type",
    "Action Units",
    "Notes",
)


class LongRow(NamedTuple):
    """A row of SAMM Long Videos; cells are written as they are."""

    name: str
    onset: object
    apex: object
    offset: object
    kind: str = "Micro - 1/2"
    action_units: object = "4+7"


LONG = (
    LongRow("006_1_1", 10.4, 12.6, 20.8, "Macro", "4(B/C)+7B"),
    LongRow("006_1_2", 30, 33, 36),
    LongRow("007_3_1", 5, -1, 9),
    LongRow("007_3_2", 0, 40, 44.2, "Macro", "ref(7)+Chewing"),
    LongRow("037_4_1", 50, 52, 55),
    LongRow("037_4_1", 49, 53, 60, "Macro"),
)


def long_sheet(path: Path, rows: Iterable[LongRow] = LONG) -> Path:
    """Nine rows of prose, the header in row 10, a formula in the column Duration."""
    cells = [(x.name[:3], x.name, 1, x.onset, x.apex, x.offset, "=F1-D1+1", x.kind, x.action_units, None) for x in rows]
    prose = [("SAMM Long Videos, invented", None)] * 9
    return write_sheet(path, [*prose, LONG_HEADER, *cells], "FACS_Movement_Only")


def long_release(root: Path, rows: Iterable[LongRow] = LONG) -> Path:
    """The recordings of these rows, numbered from 1."""
    lasts: dict[str, int] = {}
    for row in rows:
        recording = row.name.rpartition("_")[0]
        lasts[recording] = max(lasts.get(recording, 0), round(float(str(row.offset))))
    write_recordings(root / "SAMM_longvideos", [Interval(r, 1, last) for r, last in lasts.items()], "*_{:04d}.jpg")
    long_sheet(root / "SAMM_LongVideos_V2_Release.xlsx", rows)
    return root


# CAS(ME)^3, part A
INDEX_HEADER = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
UNITS_HEADER = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Expression type", "Objective class")


class Casme3Row(NamedTuple):
    """An annotated interval of CAS(ME)^3; `other` has the frames that the sheet JpgIndex gives instead of these."""

    subject: str
    recording: str
    onset: object
    apex: object
    offset: object
    emotion: str = "disgust"
    kind: str = "Micro-expression"
    action_units: str = "4+L10"
    objective_class: str = "IV"
    other: tuple[object, object, object] | None = None


CASME3 = (
    Casme3Row("spNO.1", "a", 5, 9, 12),
    Casme3Row("spNO.1", "a", 20, 60, 90, kind="Macro-expression", objective_class="VII"),
    Casme3Row("spNO.1", "J", 100, 103, 108, "Others", action_units="B38", objective_class="VII"),
    Casme3Row("spNO.20", "d", 1647, 1655, 1660, "fear", other=(2647, 1655, 1660)),
    Casme3Row("spNO.20", "e", 30, 33, 38, "sad", other=(30, 33, 0)),
    Casme3Row("spNO.214", "c", 5, 5, 3460, "happy"),
    Casme3Row("spNO.216", "e", 0, 0, 12, "anger", objective_class="VII"),
)


def index_sheet(path: Path, rows: Iterable[Casme3Row] = CASME3) -> Path:
    """The sheet JpgIndex: numbers are text, and macro-expressions are not in it."""
    cells = []
    for x in (row for row in rows if row.kind.startswith("Micro")):
        frames = map(str, x.other or (x.onset, x.apex, x.offset))
        cells.append((x.subject, x.recording, *frames, x.action_units, x.objective_class, x.emotion))
    return write_sheet(path, [INDEX_HEADER, *cells], "label")


def units_sheet(path: Path, rows: Iterable[Casme3Row] = CASME3) -> Path:
    """The sheet AU+Emotion: both kinds, no emotion."""
    cells = [
        (x.subject, x.recording, x.onset, x.apex, x.offset, x.action_units, x.kind, x.objective_class) for x in rows
    ]
    return write_sheet(path, [UNITS_HEADER, *cells], "AU+Emotion")


def casme3_release(root: Path, rows: Iterable[Casme3Row] = CASME3, gap: int | None = 7) -> Path:
    """The recordings of these rows, which lack the picture `gap` and begin at 1; beside each folder of colours one of depth."""
    top = root / "part_A_split" / "part_A"
    own = [
        Interval(
            f"{x.subject}/{x.recording}/color",
            max(int(str(x.onset)), 1),
            min(int(str(x.offset)), int(str(x.onset)) + 99),
        )
        for x in rows
    ]
    write_recordings(top, own, "{}.jpg")
    write_recordings(top, [x._replace(recording=x.recording.replace("color", "depth")) for x in own], "{}.png")
    if gap is not None:
        (top / "spNO.1" / "a" / "color" / f"{gap}.jpg").unlink()
    index_sheet(root / "JpgIndex.xlsx", rows)
    units_sheet(root / "part_A.xlsx", rows)
    return root
