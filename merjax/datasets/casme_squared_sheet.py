"""CAS(ME)^2's workbook: three sheets without a header row, told apart by what stands in their columns."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merjax.datasets.sheets import FilesBeside
from merjax.system.columns import Sheet
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path
from merjax.system.tables import Row, Table, read_tables, whole_cell

_FLAG = "--casme-squared-annotations"
_NAME = re.compile(r"([a-z]+\d+)_\d+", re.IGNORECASE)  # anger1_12: the film's name, and a number
_KIND = re.compile(r"m(i|a)cro\W?expressions?", re.IGNORECASE)
# Columns by their distance from the name's: the first is the subject's index, the last the self-reported emotion.
_COLUMNS = {"subject": -1, "clip": 0, "onset": 1, "apex": 2, "offset": 3, "action_units": 4, "emotion": 5, "kind": 6}
_ORDER = "subject, name, onset, apex, offset, action units, emotion, type"


@dataclass(frozen=True)
class Coding:
    """The annotated intervals, and the two tables of names.

    Attributes:
        sheet: a row per interval; subjects are the numbers of their folders.
        films: by a film's name in the sheet ("disgust1") the four digits of its folders ("0101").
        told: sentences on what was assumed.
    """

    sheet: Sheet
    films: Mapping[str, str]
    told: tuple[str, ...]


def find_coding(given: str | Path | None, beside: FilesBeside) -> Coding:
    """The workbook that the user gave, or else the only one beside the release.

    The three tables may also lie in three files, as exports of the workbook do; what a given file lacks is looked for beside
    the release.

    Raises:
        MerjaxError: a given file cannot be read or is another database's; a table is missing, or there are two that differ.
    """
    own = _tables_of(user_path(given)) if given is not None else []
    around = [(path, tables) for path, tables in beside.read.items() if not isinstance(tables, MerjaxError)]
    every = [(path, table) for path, tables in around for table in tables]
    intervals = [sheet for path, table in own or every if (sheet := _intervals(path, table))]
    if not intervals:
        where = str(own[0][0]) if own else " or ".join(f"'{folder}'" for folder in beside.folders)
        raise MerjaxError(
            f"{where}: no sheet of CAS(ME)^2's intervals (without a header row; in order {_ORDER}); give the workbook "
            f"CAS(ME)^2code_final by {_FLAG}"
        )
    sheet = beside.one_of(intervals, "sheets of this database's intervals", _FLAG)
    tables = [table for _, table in [*own, *every]]
    folders, films = _first(map(_folders, tables)), _first(map(_films, tables))
    for missing, what in ((folders, "naming rule1 (15, s15, 1)"), (films, "naming rule2 (0101, disgust1)")):
        if not missing:
            raise MerjaxError(
                f"{sheet.path}: the workbook's sheet {what} is neither in it nor beside the release; give the whole workbook "
                f"by {_FLAG}, or put an export of that sheet beside the release"
            )
    return _named(sheet, folders, films)


def _tables_of(path: Path) -> list[tuple[Path, Table]]:
    return [(path, table) for table in read_tables(path)]


def _first(found: Iterator[dict[str, str]]) -> dict[str, str]:
    return next(filter(None, found), {})


def _intervals(path: Path, table: Table) -> Sheet | None:
    """The sheet of a table most of whose rows are intervals; None if it is another one."""
    at = _name_column(table.rows)
    if at is None:
        return None
    columns = {name: at + distance for name, distance in _COLUMNS.items()}
    rows = [
        (number, {name: row[column] if column < len(row) else "" for name, column in columns.items()})
        for number, row in enumerate(table.rows, start=1)
    ]
    rows = [(number, {**cells, "clip": _plain(cells["clip"])}) for number, cells in rows]
    kept = tuple((number, cells) for number, cells in rows if any(cells.values()) and not _is_header(number, cells))
    titles = {name: f"{chr(ord('A') + column)} ({name.replace('_', ' ')})" for name, column in columns.items()}
    return Sheet(path, titles, kept)


def _name_column(rows: Sequence[Row]) -> int | None:
    """The column of the names, if six columns further most rows have a type of expression."""
    last = max(map(len, rows), default=0) - _COLUMNS["kind"]
    filled = [row for row in rows if any(row)]
    for at in range(1, last):
        fits = [
            len(row) > at + 6 and bool(_NAME.fullmatch(_plain(row[at])) and _KIND.fullmatch(row[at + 6]))
            for row in filled
        ]
        if 2 * sum(fits) > len(filled):
            return at
    return None


def _plain(name: str) -> str:
    """A name without blanks, in narrow letters and digits."""
    return "".join(unicodedata.normalize("NFKC", name).split())


def _is_header(number: int, cells: Mapping[str, str]) -> bool:
    """Whether the first row holds titles that somebody added."""
    return number == 1 and not any(map(str.isdecimal, "".join(cells[name] for name in ("subject", "onset", "offset"))))


def _folders(table: Table) -> dict[str, str]:
    """By a subject's index the number of its folders, from rows such as 15, s15, 1."""
    found = {}
    for row in _filled_cells(table):
        if len(row) == 3 and (match := re.fullmatch(r"s(\d+)", row[1], re.IGNORECASE)) and whole_cell(row[2]):
            found[str(whole_cell(row[2]))] = match[1]
    return found


def _films(table: Table) -> dict[str, str]:
    """By a film's name the four digits of its folders, from rows such as 101, disgust1: spreadsheets drop the zero in front."""
    rows = [row for row in _filled_cells(table) if len(row) == 2 and re.fullmatch(r"[a-z]+\d+", row[1], re.IGNORECASE)]
    return {row[1].lower(): f"{code:04d}" for row in rows if (code := whole_cell(row[0])) is not None}


def _filled_cells(table: Table) -> Iterator[tuple[str, ...]]:
    return (tuple(filter(None, row)) for row in table.rows)


def _named(sheet: Sheet, folders: Mapping[str, str], films: Mapping[str, str]) -> Coding:
    """The coding with the subjects of folders in place of the sheet's own index."""
    told = []
    rows = []
    for number, cells in sheet.rows:
        index = whole_cell(cells["subject"])
        folder = folders.get(str(index), "")
        film = _NAME.fullmatch(cells["clip"])
        if not folder:
            told.append(
                f"row {number} of {sheet.path.name}: subject {cells['subject']!r} has no folder in naming rule1"
            )
        if film and film[1].lower() not in films:
            told.append(f"row {number} of {sheet.path.name}: film {film[1]!r} has no number in naming rule2")
        rows.append((number, {**cells, "subject": folder}))
    return Coding(Sheet(sheet.path, sheet.titles, tuple(rows)), films, tuple(told))
