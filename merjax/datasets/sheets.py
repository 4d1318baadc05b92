"""The sheets of a database, found beside its release by their columns or named by the user."""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from merjax.system.columns import Column, Columns, Sheet, known_titles, only_sheet, read_sheet
from merjax.system.errors import MerjaxError
from merjax.system.paths import is_foreign, lacks_own_content, user_path
from merjax.system.tables import SUFFIXES, Table, plain_name, read_tables

# What a column is called in the sheets in circulation.
COLUMNS = {
    "subject": Column("Subject", ("subject",)),
    "clip": Column("Filename", ("filename",)),
    "onset": Column("Onset Frame", ("onsetframe", "onset")),
    "apex": Column("Apex Frame", ("apexframe", "apex")),
    "offset": Column("Offset Frame", ("offsetframe", "offset")),
    "action_units": Column("Action Units", ("actionunits", "actionunit", "aus", "au")),
    "emotion": Column("Estimated Emotion", ("estimatedemotion", "emotion")),
    "objective_class": Column("Objective Class", ("objectiveclass", "objectiveclasses")),
    "kind": Column("Type", ("expressiontype", "type")),
    "fps": Column("Fps", ("fps",)),
}
CLIP_COLUMNS = ("subject", "clip", "onset", "apex", "offset", "action_units", "emotion")
CLASS_COLUMNS = ("subject", "clip", "objective_class")


class FilesBeside:
    """The files in some folders that may hold a sheet of a release; they are read once, when a sheet is first looked for."""

    def __init__(self, folders: Sequence[Path], columns: Columns = COLUMNS) -> None:
        self.folders = folders
        self.columns = columns
        self._copies: list[str] = []

    @cached_property
    def read(self) -> dict[Path, tuple[Table, ...] | MerjaxError]:
        """The tables of each file, or why it cannot be read; a folder that cannot be listed counts as such a file."""
        files: dict[Path, tuple[Table, ...] | MerjaxError] = {}
        for folder in self.folders:
            try:
                paths = [path for path in sorted(folder.iterdir()) if _may_be_sheet(path)]
            except OSError as error:
                files[folder] = MerjaxError(f"{folder}: cannot be listed ({error.strerror})")
                continue
            for path in paths:
                try:
                    if lacking := lacks_own_content(path):
                        raise MerjaxError(f"{path} {lacking}")
                    files[path] = read_tables(path, known_titles(self.columns))
                except MerjaxError as error:
                    files[path] = error
        return files

    def sheets(self, needed: Sequence[str]) -> list[Sheet | MerjaxError]:
        """For each file its one sheet with the needed columns, or why there is none."""
        found: list[Sheet | MerjaxError] = []
        for path, tables in self.read.items():
            try:
                if isinstance(tables, MerjaxError):
                    raise tables
                found.append(only_sheet(path, tables, self.columns, needed))
            except MerjaxError as error:
                found.append(error)
        return found

    def one_of(self, sheets: Sequence[Sheet], what: str, flag: str) -> Sheet:
        """The first of several sheets that say the same.

        Raises:
            MerjaxError: they do not.
        """
        first, *others = sheets
        for other in others:
            if [cells for _, cells in other.rows] != [cells for _, cells in first.rows]:
                raise MerjaxError(f"'{first.path}' and '{other.path}' are both {what}; choose one by {flag}")
            self._copies.append(f"{other.path}: says the same as {first.path}")
        return first

    def parts(self, sheets: Sequence[Sheet], flag: str) -> list[Sheet]:
        """Sheets that name different clips, the longest first; one whose rows all stand in another is a copy.

        Raises:
            MerjaxError: two name the same clips and differ.
        """
        kept: list[Sheet] = []
        for sheet in sorted(sheets, key=lambda sheet: (-len(sheet.rows), -len(sheet.titles))):
            rows = _by_clip(sheet)
            other = next((other for other in kept if rows.keys() & _by_clip(other).keys()), None)
            if other is None:
                kept.append(sheet)
            elif rows.items() <= _by_clip(other).items():
                self._copies.append(f"{sheet.path}: says the same as {other.path}")
            else:
                raise MerjaxError(f"'{sheet.path}' and '{other.path}' name the same clips and differ; choose by {flag}")
        return kept

    @property
    def passed_over(self) -> list[str]:
        """Sentences about the files that could not be read, if sheets were looked for, and about copies of those that were."""
        unreadable = [str(found) for found in self.__dict__.get("read", {}).values() if isinstance(found, MerjaxError)]
        return [f"passed over: {reason}" for reason in (*unreadable, *self._copies)]


_INTERVAL = ("onset", "apex", "offset", "emotion")


def _by_clip(sheet: Sheet) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(c["subject"], c["clip"]): tuple(c.get(name, "") for name in _INTERVAL) for _, c in sheet.rows}


def _may_be_sheet(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not is_foreign(path.name)


def choose_sheet(
    given: str | Path | None, beside: FilesBeside, needed: Sequence[str], clip: re.Pattern[str], flag: str
) -> Sheet:
    """The sheet that the user gave, or else the only one beside the release.

    Args:
        given: the user's file, or None to look for one.
        beside: where to look.
        needed: keys of `COLUMNS`.
        clip: how the database names its clips; a sheet of another database has the same columns.
        flag: the command-line flag for this sheet, for messages to the user.

    Raises:
        MerjaxError: the given sheet does not fit, or none was found, or several that differ.
    """
    if sheet := sheet_if_any(given, beside, needed, clip, flag, "sheets of this database"):
        return sheet
    raise _no_sheet(beside, needed, clip, flag)


def sheet_if_any(
    given: str | Path | None,
    beside: FilesBeside,
    needed: Sequence[str],
    clip: re.Pattern[str],
    flag: str,
    what: str,
) -> Sheet | None:
    """The sheet that the user gave, or else the only one beside the release, or None if there is none.

    Args:
        given, beside, needed, clip, flag: see `choose_sheet`.
        what: what several sheets that differ are called in the message.

    Raises:
        MerjaxError: the given sheet does not fit, or there are several that differ.
    """
    if given is not None:
        return given_sheet(given, needed, clip, flag, beside.columns)
    sheets = sheets_beside(beside, needed, clip)
    return beside.one_of(sheets, what, flag) if sheets else None


def choose_sheets(
    given: Sequence[str | Path] | None,
    beside: FilesBeside,
    needed: Sequence[str],
    clip: re.Pattern[str],
    flag: str,
) -> list[Sheet]:
    """The sheets of a release in parts: those that the user gave, or else all beside the release; see `choose_sheet`.

    Raises:
        MerjaxError: a given sheet does not fit, none was found, or two differ in what they say of the same clips.
    """
    if given is not None:
        return beside.parts([given_sheet(path, needed, clip, flag, beside.columns) for path in given], flag)
    if sheets := sheets_beside(beside, needed, clip):
        return beside.parts(sheets, flag)
    raise _no_sheet(beside, needed, clip, flag)


def _no_sheet(beside: FilesBeside, needed: Sequence[str], clip: re.Pattern[str], flag: str) -> MerjaxError:
    titles = ", ".join(beside.columns[column].title for column in needed)
    where = " or ".join(f"'{folder}'" for folder in beside.folders)
    files = "; ".join(map(str, _looked_at(beside, needed, clip))) or f"no {', '.join(SUFFIXES)} file"
    return MerjaxError(
        f"no sheet of this database with the columns {titles} in {where}; give it by {flag} (looked at: {files})"
    )


def given_sheet(
    path: str | Path, needed: Sequence[str], clip: re.Pattern[str], flag: str, columns: Columns = COLUMNS
) -> Sheet:
    """The sheet with the needed columns in a file that the user named by a flag; see `choose_sheet`.

    Raises:
        MerjaxError: it is another database's, or see `merjax.system.columns.read_sheet`.
    """
    try:
        sheet = read_sheet(user_path(path), columns, needed)
    except MerjaxError as error:
        raise MerjaxError(f"{error}; give {flag} the database's own sheet") from None
    if another := _of_another_database(sheet, clip):
        raise MerjaxError(f"{another}; give {flag} its own sheet")
    return sheet


def sheets_beside(beside: FilesBeside, needed: Sequence[str], clip: re.Pattern[str]) -> list[Sheet]:
    """The sheets of this database in the files beside a release; see `choose_sheet`."""
    return [found for found in _looked_at(beside, needed, clip) if isinstance(found, Sheet)]


def _looked_at(beside: FilesBeside, needed: Sequence[str], clip: re.Pattern[str]) -> list[Sheet | MerjaxError]:
    """For each file beside a release its one sheet of this database, or why there is none."""
    return [
        found if isinstance(found, MerjaxError) else _of_another_database(found, clip) or found
        for found in beside.sheets(needed)
    ]


def _of_another_database(sheet: Sheet, clip: re.Pattern[str]) -> MerjaxError | None:
    """What is wrong with a sheet if not most of its rows name clips as the database does; a few odd rows do not matter."""
    fits = [bool(clip.fullmatch(plain_name(cells["clip"]))) for _, cells in sheet.rows]
    if 2 * sum(fits) > len(fits):
        return None
    names = ", ".join(cells["clip"] for _, cells in sheet.rows[:3]) or "none"
    return MerjaxError(f"{sheet.path}: file names are not this database's (found {names})")
