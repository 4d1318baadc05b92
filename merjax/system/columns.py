"""Rows of a table by the names of its columns, and the place of each cell, for messages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from merjax.system.errors import MerjaxError
from merjax.system.tables import PREAMBLE, Row, Table, plain_title, read_tables, whole_cell


class Column(NamedTuple):
    """A column: its title in messages, and what it is called in files, each as `plain_title` writes it."""

    title: str
    spellings: tuple[str, ...]


Columns = Mapping[str, Column]


@dataclass(frozen=True)
class Sheet:
    """The rows below a header that has the needed columns.

    Attributes:
        path: the file.
        titles: the known columns that it has, each with its title in the file.
        rows: (row number as a spreadsheet program counts, column -> text) for each row that is not empty. Whole numbers are
            written without decimals.
    """

    path: Path
    titles: Mapping[str, str]
    rows: tuple[tuple[int, dict[str, str]], ...]

    def place(self, row: int, column: str) -> str:
        """Where in the file a cell is: "row 31, column ApexFrame"."""
        return f"row {row}, column {self.titles[column]}"


def read_sheet(path: Path, columns: Columns, needed: Sequence[str]) -> Sheet:
    """The one sheet of a file that has the needed columns.

    Args:
        path: see `merjax.system.tables.read_tables`. Formulas are read as the values that were last calculated.
        columns: all columns that it may have.
        needed: those that it must have.

    Raises:
        MerjaxError: "PATH: " and why: the file cannot be read, no sheet in it has the columns, or several have.
    """
    return only_sheet(path, read_tables(path, known_titles(columns)), columns, needed)


def known_titles(columns: Columns) -> frozenset[str]:
    """What the cells of a header may be called; see `read_tables`."""
    return frozenset(spelling for column in columns.values() for spelling in column.spellings)


def only_sheet(path: Path, tables: Sequence[Table], columns: Columns, needed: Sequence[str]) -> Sheet:
    """`read_sheet`, of tables that were read from `path`."""
    found = [(t.title, sheet) for t in tables if (sheet := _below_header(path, t.rows, columns, needed)) is not None]
    if len(found) > 1:
        titles = ", ".join(f"'{title}'" for title, _ in found)
        raise MerjaxError(f"{path}: the sheets {titles} all have the needed columns; keep one of them")
    if not found:
        raise MerjaxError(f"{path}: {_what_is_missing(tables, columns, needed)}")
    return found[0][1]


def _below_header(path: Path, rows: Sequence[Row], columns: Columns, needed: Sequence[str]) -> Sheet | None:
    for number, header in enumerate(rows[:PREAMBLE], start=1):
        at = _positions(header, columns)
        if all(column in at for column in needed):
            below = [
                (i, {column: _cell(row[j]) if j < len(row) else "" for column, j in at.items()})
                for i, row in enumerate(rows[number:], start=number + 1)
            ]
            titles = {column: header[j] for column, j in at.items()}
            return Sheet(path, titles, tuple((i, row) for i, row in below if any(row.values())))
    return None


def _positions(header: Row, columns: Columns) -> dict[str, int]:
    """Position of each known column; the first if several have the same spelling."""
    titles = [plain_title(cell) for cell in header]
    hits = {
        name: [titles.index(spelling) for spelling in column.spellings if spelling in titles]
        for name, column in columns.items()
    }
    return {name: found[0] for name, found in hits.items() if found}


def _cell(text: str) -> str:
    decimals = re.fullmatch(r"\d+[.,]0+", text) and whole_cell(text)
    return text if decimals is None else str(decimals)


def _what_is_missing(tables: Sequence[Table], columns: Columns, needed: Sequence[str]) -> str:
    """A sentence about the row that comes closest to being the header."""
    rows = [row for table in tables for row in table.rows[:PREAMBLE] if any(row)]
    best = max(rows, key=lambda row: len(set(_positions(row, columns)) & set(needed)), default=())
    missing = ", ".join(columns[name].title for name in needed if name not in _positions(best, columns))
    found = ", ".join(cell for cell in best if cell)[:200] or "nothing"
    return f"no sheet with the columns {missing} (found: {found})"
