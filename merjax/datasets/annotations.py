"""Annotated rows: a sheet's cells as subjects, frame numbers and classes, corrected by the user's overrides."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from merjax.datasets.clip import Database, Discrepancy, Kind
from merjax.datasets.coded_units import coded_units
from merjax.system.columns import Sheet
from merjax.system.errors import meant
from merjax.system.tables import whole_cell


@dataclass(frozen=True)
class Row:
    """The annotations of one clip; `Clip` describes the fields. A field is None where its cell holds no number.

    `folder` is the name of its folder, where that is not the clip's own.
    """

    subject: str
    name: str
    onset: int | None
    apex: int | None
    offset: int | None
    emotion: str
    action_units: str
    objective_class: int | None
    fps: float | None = None
    part: str = ""
    folder: str = ""
    kind: Kind = "micro"

    @property
    def place(self) -> "Key":
        """(subject, folder), by which the row and its folder are joined."""
        return self.subject, self.folder or self.name


Key = tuple[str, str]


def rows_of(sheet: Sheet, database: Database) -> tuple[list[Row], list[Discrepancy]]:
    """The rows of a sheet that has `CLIP_COLUMNS`; it may lack action units and emotions, and have a column `fps`.

    Returns:
        The rows, and a discrepancy for each row without subject or file name and for each cell that cannot be understood.
    """
    rows, discrepancies = [], []
    for number, cells in sheet.rows:
        subject, name = database.subject(cells["subject"]), cells["clip"]
        if subject is None or not name:
            reason = (
                f"row {number} of {sheet.path.name} has no subject and file name: '{cells['subject']}', '{name}'"
                f"{'' if cells['subject'] or not name else _LOST_MERGE}"
            )
            discrepancies.append(Discrepancy(database.name, subject or "", name, reason, dropped=True))
            continue
        row, reasons = _row(sheet, number, cells, subject, database)
        rows.append(row)
        discrepancies += [Discrepancy(database.name, subject, name, reason, dropped=False) for reason in reasons]
    return rows, discrepancies


_LOST_MERGE = "; if it stands in the row above, in merged cells that were lost, write it in each row"


def _row(
    sheet: Sheet, number: int, cells: Mapping[str, str], subject: str, database: Database
) -> tuple[Row, list[str]]:
    """A row, and a sentence about each cell that cannot be understood."""
    objective_class, reason = class_of(sheet, number, cells)
    row = Row(
        subject,
        cells["clip"],
        onset=frame_number(cells["onset"]),
        apex=frame_number(cells["apex"]),
        offset=frame_number(cells["offset"]),
        emotion=cells.get("emotion", "").lower(),
        action_units=cells.get("action_units", ""),
        objective_class=objective_class,
        fps=frame_rate(cells.get("fps", "")),
    )
    reasons = [
        not_understood(sheet, number, column, cells[column], ": read as no apex" * (column == "apex"))
        for column in ("onset", "apex", "offset")
        if getattr(row, column) is None
    ]
    if row.action_units and coded_units(row.action_units) is None:
        reasons.append(not_understood(sheet, number, "action_units", row.action_units, ": they give no class"))
    if "emotion" in cells and row.emotion not in database.emotions:
        then = meant(row.emotion, database.emotions) or ": the database has no such emotion" * bool(row.emotion)
        reasons.append(not_understood(sheet, number, "emotion", cells["emotion"], then))
    if row.fps is None and "fps" in cells:
        reasons.append(not_understood(sheet, number, "fps", cells["fps"]))
    return row, [*reasons, *filter(None, [reason])]


def class_of(sheet: Sheet, number: int, cells: Mapping[str, str]) -> tuple[int | None, str]:
    """The objective class in a row of a sheet, or None and a sentence about the cell; "" if the sheet has no such column."""
    if "objective_class" not in cells:
        return None, ""
    text = cells["objective_class"]
    if (found := whole_cell(text)) is not None and 1 <= found <= 7:
        return found, ""
    return None, not_understood(sheet, number, "objective_class", text, ": the AU rule is used instead")


def frame_number(text: str) -> int | None:
    """The frame number that a cell holds, or None."""
    number = whole_cell(text)
    return None if number is None or number < 0 else number


def frame_rate(text: str) -> float | None:
    """The frames per second that a cell holds, or None: "200", "29.97" or "29,97"."""
    written = unicodedata.normalize("NFKC", text).strip()
    found = float(written.replace(",", ".")) if re.fullmatch(r"\d{1,6}([.,]\d*)?", written) else 0.0
    return found or None


def not_understood(sheet: Sheet, number: int, column: str, text: str, then: str = "") -> str:
    """A sentence about a cell that cannot be understood, with its row, column and file; `then` is its end."""
    cell = (
        f"'{text}'" if text else "empty (or a formula without its value: save the sheet again in a spreadsheet program)"
    )
    what = column.replace("_", " ") + (" are" if column == "action_units" else " is")
    return f"{what} {cell} in {sheet.place(number, column)} of {sheet.path.name}{then}"


def unique(rows: Iterable[Row], database: str) -> tuple[dict[Key, Row], list[Discrepancy]]:
    """Rows by (subject, clip); a repeated row counts once, and rows that contradict each other are left out."""
    by_key: dict[Key, list[Row]] = {}
    for row in rows:
        by_key.setdefault((row.subject, row.name), []).append(row)
    kept, discrepancies = {}, []
    for (subject, name), same in by_key.items():
        agree = len(set(same)) == 1
        if agree:
            kept[subject, name] = same[0]
        if len(same) > 1:
            how = "all alike: counted once" if agree else "which contradict each other; correct one by --overrides"
            reason = f"duplicate key: {len(same)} rows, {how}"
            discrepancies.append(Discrepancy(database, subject, name, reason, dropped=not agree))
    return kept, discrepancies
