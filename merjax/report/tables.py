"""Tables for readers: a title, columns, rows of text and notes, as Markdown, as LaTeX and in a terminal."""

import unicodedata
from typing import NamedTuple

import pandas as pd
from pandas.io.formats.style import Styler
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

_NAMES = 18  # the least width, in characters, of the column of names in a narrow terminal


class TextTable(NamedTuple):
    """A table whose cells are text.

    Attributes:
        title: what it shows.
        columns: the heads of its columns.
        rows: its cells; the first column is left-aligned, all others are numbers.
        notes: sentences below the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def print_table(table: TextTable, console: Console) -> None:
    """Print a table in a terminal."""
    console.print(Text(f"\n{table.title}", style="bold"), soft_wrap=True)
    drawn = RichTable(box=box.SIMPLE_HEAD)
    names = min(_NAMES, max(len(row[0]) for row in table.rows))
    drawn.add_column(Text(table.columns[0]), min_width=names, overflow="fold")
    for column in table.columns[1:]:
        drawn.add_column(Text(column), justify="right")
    for row in table.rows:
        drawn.add_row(Text(row[0]), *(Text(cell.replace(" [", "\n[")) for cell in row[1:]))
    console.print(drawn)
    for note in table.notes:
        console.print(Text(note, style="dim"), soft_wrap=True)


def markdown(table: TextTable) -> str:
    """A table in GitHub's Markdown."""
    lines = [list(table.columns), ["---", *["---:"] * (len(table.columns) - 1)], *map(list, table.rows)]
    body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    notes = "".join(f"\n{note}\n" for note in table.notes)
    return f"**{table.title}**\n\n{body}\n{notes}"


def latex(table: TextTable, label: str) -> str:
    """A table in LaTeX, for the package booktabs: a `table` environment with its notes in the caption."""
    caption = " ".join([f"{table.title.rstrip('.')}.", *table.notes])
    written = _escaped(pd.DataFrame(table.rows, columns=table.columns)).to_latex(
        hrules=True,
        caption=_escaped(pd.DataFrame([[caption]])).hide(axis="columns").to_string().strip(),
        label=f"tab:{label}",
        column_format="l" + "r" * (len(table.columns) - 1),
        position_float="centering",
    )
    return written.translate(_SIGNS)


def _escaped(cells: pd.DataFrame) -> Styler:
    """Cells and heads with LaTeX's special characters escaped."""
    return cells.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")


_UNICODE = {"lambda": "lamda"}  # its name there
_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega"
_SIGNS = str.maketrans(  # signs in scores, differences and names, which Styler does not escape
    {
        **{
            unicodedata.lookup(f"GREEK SMALL LETTER {_UNICODE.get(name, name)}"): f"$\\{name}$"
            for name in _GREEK.split()
        },
        "[": "{[}",  # at the beginning of a row, `[` and `*` would be read as an argument of the row before
        "*": "{*}",
        "−": "$-$",
        "±": r"$\pm$",
        "→": r"$\rightarrow$",
        "×": r"$\times$",
        "<": "$<$",
        ">": "$>$",
        "≥": r"$\geq$",
        "–": "--",
    }
)
