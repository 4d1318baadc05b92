"""The user's corrections of annotated rows, from a YAML file or a mapping."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from merjax.datasets.annotations import Key, Row
from merjax.datasets.clip import DATABASES, Database, Discrepancy, database_of
from merjax.datasets.coded_units import coded_units
from merjax.system import values
from merjax.system.errors import MerjaxError, meant
from merjax.system.paths import lacks_file, user_path
from merjax.system.values import LARGEST, is_nothing, read_yaml, shown, text, whole

Overrides = str | Path | Mapping[str, Any]  # a YAML file, or its content: database -> "subject/clip" -> field -> value
Value = int | float | str | None  # what a correction may set a field to
CORRECTABLE = ("onset", "apex", "offset", "emotion", "action_units", "objective_class", "fps")
OWN = "own"  # the user's own data that has no name
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


def read_overrides(overrides: Overrides | None, database: str) -> Corrections:
    """Corrections of one database's rows, from a YAML file such as

        samm:
          028/028_4_1: {apex: 1113}
        casme2:
          sub04/EP12_01f: {apex: 290, emotion: disgust}
        mmew:
          all: {fps: 90}

    or from a mapping of the same form. Subjects and clips are written as in the MEGC lists; `apex: null` removes an apex; `all`
    sets the frame rate of all clips. The user's own data is `own`, or `own NAME` if the list names it.

    Raises:
        MerjaxError: they do not have that form, name an unknown database or field, or give a value that no sheet may hold.
    """
    if overrides is None:
        return Corrections("", {}, {})
    source, content = source_of(overrides), content_of(overrides)
    if not all(isinstance(section, Mapping) or is_nothing(section) for section in content.values()):
        raise MerjaxError(
            f"{source}: expected databases ({', '.join(DATABASES)}) with 'subject/clip: {{field: value}}' below"
        )
    for section in content:
        if section not in DATABASES and str(section).partition(" ")[0] != OWN:
            raise MerjaxError(f"{source}: '{section}' is not a database; expected {', '.join(DATABASES)}")
    of_all: Mapping[str, Value] = {}
    of_clips = {}
    own = content.get(section_of(database))
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


def source_of(overrides: Overrides) -> str:
    """What messages call overrides: their file, if they are one."""
    return "overrides" if isinstance(overrides, Mapping) else str(overrides)


def content_of(overrides: Overrides) -> Mapping[str, Any]:
    """What overrides hold: a section for each database.

    Raises:
        MerjaxError: they are a file that cannot be read.
    """
    if isinstance(overrides, Mapping):
        return overrides
    path = user_path(overrides)
    if lacking := lacks_file(path):
        raise MerjaxError(f"{path} {lacking}; --overrides takes a YAML file of corrections")
    return read_yaml(path)


def section_of(database: str) -> str:
    """The section of overrides that corrects a database: its name; "own", or "own NAME" for the user's own data of a name."""
    return database if database in (*DATABASES, OWN) else f"{OWN} {database}"


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
