"""Annotated rows: a sheet's cells as subjects, frame numbers and classes, corrected by the user's overrides."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from merjax.datasets.clip import DATABASES, Database, Discrepancy, Kind, database_of
from merjax.datasets.coded_units import coded_units
from merjax.system import values
from merjax.system.columns import Sheet
from merjax.system.errors import MerjaxError, meant
from merjax.system.paths import lacks_file, user_path
from merjax.system.tables import whole_cell
from merjax.system.values import LARGEST, is_nothing, read_yaml, shown, text, whole


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
Overrides = str | Path | Mapping[str, Any]  # a YAML file, or its content: database -> "subject/clip" -> field -> value
Value = int | float | str | None  # what a correction may set a field to
CORRECTABLE = ("onset", "apex", "offset", "emotion", "action_units", "objective_class", "fps")
_ALL = "all"  # in place of a clip, for what is said of all clips of a database


class Corrections(NamedTuple):
    """The user's corrections of one database's rows: where they were read from; what they change in all rows, and in each."""

    source: str
    of_all: Mapping[str, Value]
    of_clips: Mapping[Key, Mapping[str, Value]]

    @property
    def written(self) -> dict[str, Mapping[str, Value]]:
        """What they change, by the keys of `read_overrides`."""
        of_all = {_ALL: self.of_all} if self.of_all else {}
        return of_all | {"/".join(key): fields for key, fields in self.of_clips.items()}


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


def read_overrides(overrides: Overrides | None, database: str) -> Corrections:
    """Corrections of one database's rows, from a YAML file such as

        samm:
          028/028_4_1: {apex: 1113}
        casme2:
          sub04/EP12_01f: {apex: 290, emotion: disgust}
        mmew:
          all: {fps: 90}

    or from a mapping of the same form. Subjects and clips are written as in the MEGC lists; `apex: null` removes an apex; `all`
    sets the frame rate of all clips.

    Raises:
        MerjaxError: they do not have that form, name an unknown database or field, or give a value that no sheet may hold.
    """
    if overrides is None:
        return Corrections("", {}, {})
    source = "overrides" if isinstance(overrides, Mapping) else str(overrides)
    content = overrides if isinstance(overrides, Mapping) else _read(user_path(overrides))
    if not all(isinstance(section, Mapping) or is_nothing(section) for section in content.values()):
        raise MerjaxError(
            f"{source}: expected databases ({', '.join(DATABASES)}) with 'subject/clip: {{field: value}}' below"
        )
    for section in content:
        if section not in {**DATABASES, database: None}:
            raise MerjaxError(f"{source}: '{section}' is not a database; expected {', '.join(DATABASES)}")
    of_all: Mapping[str, Value] = {}
    of_clips = {}
    own = content.get(database)
    for key, fields in ({} if own is None or is_nothing(own) else own).items():
        subject, slash, name = str(key).partition("/")
        if (not slash and key != _ALL) or not isinstance(fields, Mapping):
            raise MerjaxError(
                f"{source}: '{key}' must read like 028/028_4_1: {{apex: 1113}}, a subject, a clip and fields"
            )
        read = {field: _checked(source, database_of(database), key, field, value) for field, value in fields.items()}
        if slash:
            of_clips[subject, name] = read
        elif {*read} <= {"fps"}:
            of_all = read
        else:
            raise MerjaxError(
                f"{source}: all clips of {database} can have the same fps and nothing else; name the clips"
            )
    return Corrections(source, of_all, of_clips)


def _read(path: Path) -> Mapping[str, Any]:
    if lacking := lacks_file(path):
        raise MerjaxError(f"{path} {lacking}; --overrides takes a YAML file of corrections")
    return read_yaml(path)


def _checked(source: str, database: Database, key: object, field: str, value: Any) -> Value:
    if field not in CORRECTABLE:
        raise MerjaxError(f"{source}: {key} corrects '{field}'; the fields are {', '.join(CORRECTABLE)}")
    if value == "" and is_nothing(value):
        raise MerjaxError(f"{source}: {key} gives {field} no value; write one, or leave {field} out")
    if is_nothing(value) and field in ("apex", "objective_class"):
        return None
    try:
        if field == "fps":
            return _rate(value)
        return _word(database, field, value) if field in ("emotion", "action_units") else _number(field, value)
    except _Expected as wanted:
        raise MerjaxError(f"{source}: {key} sets {field} to {shown(value)!r}; expected {wanted}") from None


class _Expected(Exception):
    """What a field takes: the end of a sentence about another value."""


def _number(field: str, value: Any) -> int:
    least, most, which = (1, 7, "from 1 to 7") if field == "objective_class" else (0, LARGEST, "that is not negative")
    try:
        if least <= (found := whole(value)) <= most:
            return found
    except ValueError:
        pass
    raise _Expected(f"a whole number {which}")


def _rate(value: Any) -> float:
    try:
        if (found := values.number(value)) > 0:
            return float(found)
    except ValueError:
        pass
    raise _Expected("frames per second, a number above 0")


def _word(database: Database, field: str, value: Any) -> str:
    try:
        written = text(value)
    except ValueError:
        raise _Expected("text") from None
    if field == "action_units":
        if written and coded_units(written) is None:
            raise _Expected("action units such as 4+7 or AU12")
        return written
    if (emotion := written.lower()) not in (database.emotions or (emotion,)):
        raise _Expected(f"one of {', '.join(database.emotions)}{meant(emotion, database.emotions)}")
    return emotion


def correct(rows: Iterable[Row], corrections: Corrections, database: str) -> tuple[list[Row], list[Discrepancy]]:
    """Rows after the user's corrections, and a discrepancy that records each.

    Raises:
        MerjaxError: a correction names a clip that has no row.
    """
    corrected, discrepancies, left = [], [], dict(corrections.of_clips)
    if corrections.of_all:
        reason = f"all clips have {corrections.of_all['fps']:g} fps, says {corrections.source}"
        discrepancies.append(Discrepancy(database, "", "", reason, dropped=False))
    for row in rows:
        fields = corrections.of_clips.get((row.subject, row.name), {})
        left.pop((row.subject, row.name), None)
        new = replace(row, **{**corrections.of_all, **fields})  # type: ignore[arg-type]
        changes = [f"{field} {getattr(row, field)!r} -> {value!r}" for field, value in fields.items()]
        if changes:
            reason = f"corrected by {corrections.source}: {', '.join(changes)}"
            discrepancies.append(Discrepancy(database, row.subject, row.name, reason, dropped=False))
        corrected.append(new)
    for subject, name in left:
        known = [f"{row.subject}/{row.name}" for row in corrected]
        hint = meant(f"{subject}/{name}", known) or (f"; keys read like {known[0]}" if known else "")
        raise MerjaxError(f"{corrections.source}: {database} has no clip {subject}/{name}{hint}")
    return corrected, discrepancies
