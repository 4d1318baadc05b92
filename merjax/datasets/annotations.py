"""Annotated rows: a sheet's cells as subjects, frame numbers and classes, corrected by the user's overrides."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from merjax.datasets.clip import DATABASES, Discrepancy
from merjax.datasets.sheets import Sheet
from merjax.system.errors import MerjaxError, meant
from merjax.system.paths import lacks_file, user_path


@dataclass(frozen=True)
class Row:
    """The annotations of one clip; `Clip` describes the fields. A field is None where its cell holds no number."""

    subject: str
    name: str
    onset: int | None
    apex: int | None
    offset: int | None
    emotion: str
    action_units: str
    objective_class: int | None


Key = tuple[str, str]
Overrides = str | Path | Mapping[str, Any]  # a YAML file, or its content: database -> "subject/clip" -> field -> value
CORRECTABLE = ("onset", "apex", "offset", "emotion", "action_units", "objective_class")


class Corrections(NamedTuple):
    """The user's corrections of one database's rows: where they were read from, and what they change."""

    source: str
    of_clips: Mapping[Key, Mapping[str, int | str | None]]


def rows_of(
    sheet: Sheet, database: str, subject_of: Callable[[str], str | None]
) -> tuple[list[Row], list[Discrepancy]]:
    """The rows of a sheet.

    Args:
        sheet: has `CLIP_COLUMNS`.
        database: for the discrepancies.
        subject_of: turns a Subject cell into the subject as the MEGC lists write it, or None if it is not a subject.

    Returns:
        The rows, and a discrepancy for each row without subject or file name and for each cell that should hold a number but
        does not.
    """
    rows, discrepancies = [], []
    for number, cells in sheet.rows:
        subject, name = subject_of(cells["subject"]), cells["clip"]
        if subject is None or not name:
            reason = f"row {number} of {sheet.path.name} has no subject and file name: '{cells['subject']}', '{name}'"
            discrepancies.append(Discrepancy(database, subject or "", name, reason, dropped=True))
            continue
        rows.append(_row(subject, name, cells))
        for column in ("onset", "apex", "offset", "objective_class"):
            if column in cells and _integer(cells[column]) is None:
                reason = _no_number(column, cells[column], f"row {number} of {sheet.path.name}")
                discrepancies.append(Discrepancy(database, subject, name, reason, dropped=False))
    return rows, discrepancies


def _row(subject: str, name: str, cells: dict[str, str]) -> Row:
    return Row(
        subject,
        name,
        onset=_integer(cells["onset"]),
        apex=_integer(cells["apex"]),
        offset=_integer(cells["offset"]),
        emotion=cells["emotion"].lower(),
        action_units=cells["action_units"],
        objective_class=_integer(cells.get("objective_class", "")),
    )


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d+", text) else None


def _no_number(column: str, text: str, where: str) -> str:
    cell = (
        f"'{text}'" if text else "empty (or a formula without its value: save the sheet again in a spreadsheet program)"
    )
    read_as = {"apex": ": read as no apex", "objective_class": ": the AU rule is used instead"}
    return f"{column.replace('_', ' ')} is {cell} in {where}{read_as.get(column, '')}"


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

    or from a mapping of the same form. Subjects and clips are written as in the MEGC lists; `apex: null` removes an apex.

    Raises:
        MerjaxError: they do not have that form, or name an unknown database or field.
    """
    if overrides is None:
        return Corrections("", {})
    source = "overrides" if isinstance(overrides, Mapping) else str(overrides)
    content = overrides if isinstance(overrides, Mapping) else _load_yaml(user_path(overrides))
    if not isinstance(content, Mapping) or not all(isinstance(s, Mapping | None) for s in content.values()):
        raise MerjaxError(
            f"{source}: expected databases ({', '.join(DATABASES)}) with 'subject/clip: {{field: value}}' below"
        )
    for section in content:
        if section not in DATABASES:
            raise MerjaxError(f"{source}: '{section}' is not a database; expected {', '.join(DATABASES)}")
    of_clips = {}
    for key, fields in (content.get(database) or {}).items():
        subject, slash, name = str(key).partition("/")
        if not slash or not isinstance(fields, Mapping):
            raise MerjaxError(
                f"{source}: '{key}' must read like 028/028_4_1: {{apex: 1113}}, a subject, a clip and fields"
            )
        of_clips[subject, name] = {field: _checked(source, key, field, value) for field, value in fields.items()}
    return Corrections(source, of_clips)


def _load_yaml(path: Path) -> object:
    if lacking := lacks_file(path):
        raise MerjaxError(f"{path} {lacking}; --overrides takes a YAML file of corrections")
    try:
        return OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
        raise MerjaxError(f"{path}: not a readable YAML file: {' '.join(str(error).split())}") from error


def _checked(source: str, key: object, field: str, value: object) -> int | str | None:
    if field not in CORRECTABLE:
        raise MerjaxError(f"{source}: {key} corrects '{field}'; the fields are {', '.join(CORRECTABLE)}")
    if field in ("emotion", "action_units"):
        return str(value).lower() if field == "emotion" else str(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number or (value is None and field in ("apex", "objective_class")):
        return value  # type: ignore[return-value]
    raise MerjaxError(f"{source}: {key} sets {field} to {value!r}; expected a whole number")


def correct(rows: Iterable[Row], corrections: Corrections, database: str) -> tuple[list[Row], list[Discrepancy]]:
    """Rows after the user's corrections, and a discrepancy that records each.

    Raises:
        MerjaxError: a correction names a clip that has no row.
    """
    corrected, discrepancies, left = [], [], dict(corrections.of_clips)
    for row in rows:
        fields = corrections.of_clips.get((row.subject, row.name), {})
        left.pop((row.subject, row.name), None)
        new = replace(row, **fields)  # type: ignore[arg-type]
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
