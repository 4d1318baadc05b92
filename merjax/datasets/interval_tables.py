"""Tables of intervals and of videos that people hand in, read by the names of their columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from merjax.datasets.clip import Kind
from merjax.system import values
from merjax.system.columns import Column, Sheet, read_sheet
from merjax.system.errors import MerjaxError
from merjax.system.tables import whole_cell

KINDS: tuple[Kind, ...] = get_args(Kind)
_VIDEO = {
    "database": Column("database", ("database", "data", "dataset")),
    "subject": Column("subject", ("subject", "subjectid", "sub", "participant")),
    "video": Column("video", ("video", "videoname", "videoid", "vid", "filename", "clip")),
}
_INTERVAL = _VIDEO | {
    "onset": Column("onset", ("onset", "onsetframe", "startframe", "start")),
    "apex": Column("apex", ("apex", "apexframe")),
    "offset": Column("offset", ("offset", "offsetframe", "endframe", "end")),
    "kind": Column("kind", ("kind", "type", "expressiontype")),
    "emotion": Column("class", ("class", "emotion", "estimatedemotion", "label")),
    "confidence": Column("confidence", ("confidence", "score", "probability")),
}
_LISTED = _VIDEO | {
    "frames": Column("frames", ("frames", "numberofframes", "nframes", "duration", "length")),
    "path": Column("path", ("path", "file", "folder")),
    "fps": Column("fps", ("fps", "framespersecond", "framerate")),
}
_MADE_OF: dict[str, Any] = {
    "kind": str,
    "emotion": str,
    "confidence": float,
    "frames": int,
    "apex": "Int64",
    "fps": float,
}


def read_intervals(path: Path) -> pd.DataFrame:
    """The intervals of a table, a row each in its order.

    A column class whose cells all say micro or macro is taken for the kind, if there is no column kind.

    Returns:
        video (text), onset, offset (frames, both in the interval); database, subject (text), apex (missing where its cell is
        empty), kind ("micro" or "macro"), emotion (lower case) and confidence where the table has them.

    Raises:
        MerjaxError: the table cannot be read or lacks columns, a cell is empty or holds something else, an offset lies before
            its onset, or a row occurs twice.
    """
    sheet = read_sheet(path, _INTERVAL, ("video", "onset", "offset"))
    renamed = _kind_for_class(sheet)
    rows = [_interval(sheet, number, cells) for number, cells in sheet.rows]
    table = pd.DataFrame(rows, columns=[name for name in _INTERVAL if name in sheet.titles])
    if renamed:
        table = table.rename(columns={"emotion": "kind"}).assign(kind=lambda t: t["kind"].map(_kind))
    _refuse_repeated(table, sheet, [name for name in _INTERVAL if name in table and name != "confidence"])
    return table.astype({"onset": int, "offset": int} | {k: t for k, t in _MADE_OF.items() if k in table})


def read_videos(path: Path) -> pd.DataFrame:
    """The videos of a list: video, and database, subject, frames (their number), path and fps (missing where the cell is empty)
    where it has them.

    Raises:
        MerjaxError: the table cannot be read or has no column video, a cell is empty or holds something else, or a video occurs
            twice.
    """
    sheet = read_sheet(path, _LISTED, ("video",))
    rows = []
    for number, cells in sheet.rows:
        row: dict[str, Any] = {name: _filled(sheet, number, name, cells) for name in _VIDEO if name in cells}
        if "frames" in cells:
            row["frames"] = _whole(sheet, number, "frames", cells)
        if "path" in cells:
            row["path"] = _filled(sheet, number, "path", cells)
        if "fps" in cells:
            row["fps"] = _number(sheet, number, "fps", cells) if cells["fps"].strip() else float("nan")
        rows.append(row)
    table = pd.DataFrame(rows, columns=[name for name in _LISTED if name in sheet.titles])
    _refuse_repeated(table, sheet, [name for name in _VIDEO if name in table])
    return table


def _interval(sheet: Sheet, number: int, cells: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {name: _filled(sheet, number, name, cells) for name in _VIDEO if name in cells}
    row |= {name: _whole(sheet, number, name, cells) for name in ("onset", "offset")}
    if row["offset"] < row["onset"]:
        raise MerjaxError(
            f"{sheet.path}, {sheet.place(number, 'offset')}: the offset {row['offset']} lies before the onset {row['onset']}; "
            "correct it, or write the apex where the offset was not coded"
        )
    if "apex" in cells:
        row["apex"] = _whole(sheet, number, "apex", cells) if cells["apex"].strip() else pd.NA
    if "emotion" in cells:
        row["emotion"] = _filled(sheet, number, "emotion", cells).lower()
    if "kind" in cells:
        written = _filled(sheet, number, "kind", cells)
        row["kind"] = _kind(written)
        if not row["kind"]:
            raise MerjaxError(_fault(sheet, number, "kind", written, "micro or macro"))
    if "confidence" in cells:
        row["confidence"] = _number(sheet, number, "confidence", cells)
    return row


def _kind_for_class(sheet: Sheet) -> bool:
    """Whether a column class tells micro- from macro-expressions."""
    written = [cells["emotion"] for _, cells in sheet.rows if "emotion" in cells]
    return "kind" not in sheet.titles and bool(written) and all(map(_kind, written))


def _kind(written: str) -> str:
    """ "micro" of "Micro - 1/2" and of "micro-expression"; "" of other words."""
    return next((kind for kind in KINDS if written.lower().startswith(kind)), "")


def _filled(sheet: Sheet, number: int, column: str, cells: Mapping[str, str]) -> str:
    if not cells[column].strip():
        raise MerjaxError(f"{sheet.path}, {sheet.place(number, column)} is empty; fill it in or remove the row")
    return cells[column].strip()


def _whole(sheet: Sheet, number: int, column: str, cells: Mapping[str, str]) -> int:
    written = _filled(sheet, number, column, cells)
    frame = whole_cell(written)
    if frame is None:
        raise MerjaxError(_fault(sheet, number, column, written, "a whole number of frames"))
    return frame


def _number(sheet: Sheet, number: int, column: str, cells: Mapping[str, str]) -> float:
    try:
        return float(values.number(cells[column]))
    except ValueError:
        raise MerjaxError(_fault(sheet, number, column, cells[column], "a number")) from None


def _fault(sheet: Sheet, number: int, column: str, written: str, wanted: str) -> str:
    return f'{sheet.path}, {sheet.place(number, column)} is "{written}"; write {wanted}'


def _refuse_repeated(table: pd.DataFrame, sheet: Sheet, columns: Sequence[str]) -> None:
    again = table.duplicated(list(columns)).to_numpy().nonzero()[0]
    if len(again):
        first = (table[list(columns)] == table[list(columns)].iloc[again[0]]).all(axis=1).to_numpy().argmax()
        numbers = [number for number, _ in sheet.rows]
        raise MerjaxError(
            f"{sheet.path}: row {numbers[again[0]]} says the same as row {numbers[first]}; remove one of them"
        )
