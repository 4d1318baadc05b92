"""Tables that people hand in: the cells of workbooks and of separated text, however they were saved.

A file is judged by its content, not by its name: exports called .xls are often text. Workbooks are read without their styles,
which do not change values and are what damaged workbooks most often have wrong.
"""

import codecs
import csv
import io
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from python_calamine import CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum

from merjax.system.at_work import at_work
from merjax.system.errors import MerjaxError

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".csv", ".tsv", ".txt")
PREAMBLE = 100  # rows in which a header may stand; the longest preamble in circulation has 13
_MAX_BYTES = 5_000_000  # the largest table in circulation has 230 kB; what is longer than this is something else
_MAX_UNPACKED = 200_000_000
_MAX_CELLS = 5_000_000  # a workbook's reader takes memory for each cell up to the last one, used or not
_ZIP, _CFB = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"  # how .xlsx and .xls begin
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# Blanks, the last, separate where nothing else does. Of equally good readings the first is taken: cells hold commas (decimal
# numbers, lists of action units) more often than semicolons, and next to never tabs.
_SEPARATORS = ("\t", ";", ",", " ")
_REFERENCE = re.compile(rb"""\br=["']([A-Z]{1,3})([0-9]{1,7})["']""")

Row = tuple[str, ...]


class Table(NamedTuple):
    """The cells of one sheet, from its first row and column on; a text file is one sheet without a title.

    Whole numbers of a workbook have no decimals ("12"), dates are written as 2026-04-07, and merged cells are filled.
    """

    title: str
    rows: tuple[Row, ...]


def read_tables(path: Path, known: Collection[str] = ()) -> tuple[Table, ...]:
    """The sheets of a workbook, or the one of a text file in UTF-8, UTF-16 or Windows-1252.

    Args:
        path: .xlsx, .xlsm, .xls, or text whose cells are separated by tabs, semicolons, commas or blanks.
        known: what the header's cells may be called (see `plain_title`). The separator is the one that shows most of them;
            among those, the one that gives most rows the same number of cells.

    Raises:
        MerjaxError: "PATH: " and why the file cannot be read.
    """
    with at_work("reading", path):
        content = _content(path)
        if content.startswith((_ZIP, _CFB)) or path.suffix.lower() in (".xlsx", ".xlsm"):
            return _workbook(path, content)
        return (Table("", _separated(path, _decoded(path, content), known)),)


def text_of(path: Path) -> str:
    """The text of a file in UTF-8 with or without its mark, UTF-16 with its mark, or Windows-1252.

    Raises:
        MerjaxError: "PATH: " and why the file cannot be read.
    """
    return _decoded(path, _content(path))


def plain_title(title: str) -> str:
    """A column's title without case, blanks and punctuation: "Onset Frame" is "onsetframe"."""
    return re.sub(r"[^a-z]", "", title.lower())


def plain_name(name: str) -> str:
    """A name in narrow letters and without blanks, as people meant it: "EP01_1２ " is "EP01_12"."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", name))


def whole_cell(text: str) -> int | None:
    """The whole number that a cell holds; None if it holds none, or if it could be two different ones.

    >>> [whole_cell(text) for text in ("12", "012", "12.0", "12,0", "-1", "1,000", "4.7", "")]
    [12, 12, 12, 12, -1, None, None, None]
    """
    written = unicodedata.normalize("NFKC", text).strip().replace("\N{MINUS SIGN}", "-")
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}[.,]000", written):  # one, or a thousand
        return None
    match = re.fullmatch(r"([+-]?\d{1,18})(?:\.0*|,0+)?", written)
    return int(match[1]) if match else None


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise MerjaxError(f"{path}: is a folder; name the file")
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise MerjaxError(f"{path}: has {size / 1e6:.0f} MB, too many for a table of clips")
        return path.read_bytes()
    except FileNotFoundError:
        raise MerjaxError(f"{path}: no such file") from None
    except OSError as error:
        raise MerjaxError(f"{path}: cannot be read ({error.strerror})") from None


def _decoded(path: Path, content: bytes) -> str:
    encodings: tuple[str, ...] = ("utf-8", "cp1252")
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            content, encodings = content[len(mark) :], (encoding,)
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            if not _NO_TEXT.search(text):
                return text
    raise MerjaxError(f"{path}: is neither a workbook nor a text in UTF-8, UTF-16 or Windows-1252; save it as UTF-8")


class _Reading(NamedTuple):
    """A text's rows by one separator, up to where it can be read so; `fault` says what ended it."""

    rows: list[Row]
    fault: str


def _separated(path: Path, text: str, known: Collection[str]) -> tuple[Row, ...]:
    readings = [_reading(text, separator) for separator in _SEPARATORS if separator in text or separator == " "]
    best = max(readings, key=lambda reading: _fit(reading.rows, known))
    if best.fault:
        raise MerjaxError(f"{path}: {best.fault}; close or delete the quotation mark")
    return tuple(best.rows)


def _reading(text: str, separator: str) -> _Reading:
    if separator == " ":
        return _Reading([tuple(line.split()) for line in io.StringIO(text, newline=None)], "")
    # strict: without it, all rows after a quotation mark that is never closed would be lost in one cell
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    rows: list[Row] = []
    try:
        rows.extend(tuple(cell.strip() for cell in row) for row in reader)
    except csv.Error as error:
        return _Reading(rows, f"row {len(rows) + 1} cannot be read ({error})")
    return _Reading(rows, "")


def _fit(rows: Sequence[Row], known: Collection[str]) -> tuple[int, int]:
    """How many titles the best header shows, and how many rows have as many cells as most have."""
    titles = max((len({plain_title(cell) for cell in row} & set(known)) for row in rows[:PREAMBLE]), default=0)
    widths = Counter(len(row) for row in rows if len(row) > 1)
    return titles, max(widths.values(), default=0)


def _workbook(path: Path, content: bytes) -> tuple[Table, ...]:
    _refuse_what_takes_all_memory(path, content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        return tuple(Table(name, _filled(book.get_sheet_by_name(name))) for name in names)
    except PasswordError:
        raise MerjaxError(f"{path}: is protected by a password; save it without one") from None
    except (
        BaseException
    ) as error:  # what its reader does not foresee in a damaged file ends in a panic, which is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split()) or "it is damaged"
        raise MerjaxError(f"{path}: not a readable workbook ({reason}); fetch it or save it again") from None


def _refuse_what_takes_all_memory(path: Path, content: bytes) -> None:
    """Refuse a workbook with a cell far from all others, for which its reader would end this process."""
    cells = set()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
            if unpacked > _MAX_UNPACKED:
                raise MerjaxError(f"{path}: unpacks to {unpacked / 1e6:.0f} MB, too many for a table of clips")
            for name in archive.namelist():
                if "worksheets/" in name and name.endswith(".xml"):
                    found = _REFERENCE.findall(archive.read(name))
                    columns, rows = {column for column, _ in found}, {int(row) for _, row in found}
                    cells.add((max(map(_column, columns), default=0), max(rows, default=0)))
    except MerjaxError:
        raise
    except Exception:  # damaged, or no archive: the workbook's reader says what is wrong
        return
    for column, row in cells:
        if column * row > _MAX_CELLS:
            raise MerjaxError(
                f"{path}: its cells reach to row {row} and column {column}; delete those far from the table"
            )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _filled(sheet: CalamineSheet) -> tuple[Row, ...]:
    """A sheet's cells as text; each cell of a merged range holds what is written in the range's first."""
    rows = [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        if top < len(rows) and left < len(rows[top]):
            for row in rows[top : bottom + 1]:
                row[left : right + 1] = [rows[top][left]] * len(row[left : right + 1])
    return tuple(map(tuple, rows))


def _text(cell: object) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
