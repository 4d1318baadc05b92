"""Annotation sheets, Excel workbooks and CSV files, found by the names of their columns."""

import contextlib
import csv
import re
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import openpyxl

from merjax.system.errors import MerjaxError
from merjax.system.paths import lacks_file, listed, user_path

# What a column is called in the sheets in circulation, in lower case and without blanks or punctuation.
SPELLINGS = {
    "subject": ("subject",),
    "clip": ("filename",),
    "onset": ("onsetframe", "onset"),
    "apex": ("apexframe", "apex"),
    "offset": ("offsetframe", "offset"),
    "action_units": ("actionunits", "actionunit", "aus", "au"),
    "emotion": ("estimatedemotion", "emotion"),
    "objective_class": ("objectiveclass", "objectiveclasses"),
}
CLIP_COLUMNS = ("subject", "clip", "onset", "apex", "offset", "action_units", "emotion")
CLASS_COLUMNS = ("subject", "clip", "objective_class")
TITLES = {
    "subject": "Subject",
    "clip": "Filename",
    "onset": "Onset Frame",
    "apex": "Apex Frame",
    "offset": "Offset Frame",
    "action_units": "Action Units",
    "emotion": "Estimated Emotion",
    "objective_class": "Objective Class",
}
_SUFFIXES = (".xlsx", ".xlsm", ".csv")
_MAX_BYTES = 5_000_000  # the largest sheet in circulation has 30 kB; what is longer than this is something else


@dataclass(frozen=True)
class Sheet:
    """The rows below a header that has the needed columns.

    Attributes:
        path: the file.
        columns: the known columns that it has, by the names of `SPELLINGS`.
        rows: (row number as a spreadsheet program counts, column -> text) for each row that is not empty.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_sheet(path: Path, needed: Sequence[str]) -> Sheet:
    """The one sheet of a file that has the needed columns.

    Args:
        path: an .xlsx, .xlsm or .csv file. Formulas are read as the values that were last calculated.
        needed: keys of `SPELLINGS`.

    Raises:
        MerjaxError: the file cannot be read, no sheet in it has the columns, or several have.
    """
    tables = _read_tables(path)
    found = [(title, sheet) for title, cells in tables if (sheet := _match(path, cells, needed)) is not None]
    if len(found) > 1:
        titles = ", ".join(f"'{title}'" for title, _ in found)
        raise MerjaxError(f"{path}: the sheets {titles} all have the needed columns; keep one of them")
    if not found:
        raise MerjaxError(f"{path}: {_what_is_missing(tables, needed)}")
    return found[0][1]


def choose_sheet(
    given: str | Path | None, folders: Iterable[Path], needed: Sequence[str], clip: re.Pattern[str], flag: str
) -> Sheet:
    """The sheet that the user gave, or else the only one beside the release.

    Args:
        given: the user's file, or None to look for one.
        folders: where to look.
        needed: keys of `SPELLINGS`.
        clip: how the database names its clips; a sheet of another database has the same columns.
        flag: the command-line flag for this sheet, for messages to the user.

    Raises:
        MerjaxError: the given sheet does not fit, or none or several were found.
    """
    if given is not None:
        sheet = read_sheet(user_path(given), needed)
        if not _names_clips(sheet, clip):
            names = ", ".join(cells["clip"] for _, cells in sheet.rows[:3]) or "none"
            raise MerjaxError(f"{given}: file names are not this database's (found {names}); give {flag} its own sheet")
        return sheet
    folders = list(folders)
    sheets = [sheet for sheet in find_sheets(folders, needed) if _names_clips(sheet, clip)]
    if len(sheets) == 1:
        return sheets[0]
    titles = ", ".join(TITLES[column] for column in needed)
    where = " or ".join(f"'{folder}'" for folder in folders)
    if not sheets:
        raise MerjaxError(f"no sheet of this database with the columns {titles} in {where}; give it by {flag}")
    paths = " and ".join(f"'{sheet.path}'" for sheet in sheets)
    raise MerjaxError(f"{paths} are both sheets of this database; choose one by {flag}")


def _names_clips(sheet: Sheet, clip: re.Pattern[str]) -> bool:
    fits = [bool(clip.fullmatch(cells["clip"])) for _, cells in sheet.rows]
    return 2 * sum(fits) > len(fits)


def find_sheets(folders: Iterable[Path], needed: Sequence[str]) -> list[Sheet]:
    """Every sheet with the needed columns that lies directly in one of the folders; other files are skipped."""
    sheets = []
    for folder in folders:
        for path in listed(folder, []):
            if path.suffix.lower() not in _SUFFIXES:
                continue
            if path.stat().st_size <= _MAX_BYTES:
                with contextlib.suppress(MerjaxError):
                    sheets.append(read_sheet(path, needed))
    return sheets


def _read_tables(path: Path) -> list[tuple[str, list[list[str]]]]:
    if lacking := lacks_file(path):
        raise MerjaxError(f"{path} {lacking}; give the database's annotation sheet")
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise MerjaxError(f"{path}: cannot read {suffix or 'this'} files; save the sheet as .xlsx or .csv")
    try:
        return _read_csv(path) if suffix == ".csv" else _read_workbook(path)
    except (zipfile.BadZipFile, KeyError, ValueError, csv.Error) as error:
        raise MerjaxError(f"{path}: not a readable {suffix} file ({error}); fetch it or save it again") from error


def _read_csv(path: Path) -> list[tuple[str, list[list[str]]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [("", [[_text(cell) for cell in row] for row in csv.reader(file)])]


def _read_workbook(path: Path) -> list[tuple[str, list[list[str]]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns about spreadsheet extensions that do not affect values
        workbook = openpyxl.load_workbook(path, data_only=True)
    return [
        (sheet.title, [[_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)])
        for sheet in workbook.worksheets
    ]


def _text(cell: object) -> str:
    """A cell as its reader sees it: the number 12.0, also as text of a CSV file, is "12"; an empty cell is ""."""
    text = "" if cell is None else str(cell).strip()
    return text.partition(".")[0] if re.fullmatch(r"\d+\.0+", text) else text


def _columns(cells: Sequence[str]) -> dict[str, int]:
    """Position of each known column in a header row; the first if several have the same spelling."""
    plain = [re.sub(r"[^a-z]", "", cell.lower()) for cell in cells]
    at = {}
    for column, spellings in SPELLINGS.items():
        hits = [plain.index(spelling) for spelling in spellings if spelling in plain]
        if hits:
            at[column] = hits[0]
    return at


def _match(path: Path, table: list[list[str]], needed: Sequence[str]) -> Sheet | None:
    for number, cells in enumerate(table, start=1):
        at = _columns(cells)
        if all(column in at for column in needed):
            below = enumerate(table[number:], start=number + 1)
            rows = ((i, {column: row[j] if j < len(row) else "" for column, j in at.items()}) for i, row in below)
            return Sheet(path, tuple(at), tuple((i, row) for i, row in rows if any(row.values())))
    return None


def _what_is_missing(tables: list[tuple[str, list[list[str]]]], needed: Sequence[str]) -> str:
    """A sentence about the row that comes closest to being the header."""
    rows = [row for _, table in tables for row in table if any(row)]
    best = max(rows, key=lambda row: len(set(_columns(row)) & set(needed)), default=[])
    missing = ", ".join(TITLES[column] for column in needed if column not in _columns(best))
    found = ", ".join(cell for cell in best if cell)[:200] or "nothing"
    return f"no sheet with the columns {missing} (found: {found}); give the database's own annotation sheet"
