"""A user's own recordings: a list of labelled clips, each in a folder of frames or in a video file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from merjax.datasets.annotations import Row, frame_number, frame_rate, not_understood
from merjax.datasets.assemble import assemble, named_apart, of_release
from merjax.datasets.clip import Discrepancy, Release, database_named
from merjax.datasets.coded_units import coded_units
from merjax.datasets.folders import IMAGES, Folder, frames_of
from merjax.datasets.overrides import OWN, Overrides, content_of, section_of, source_of
from merjax.datasets.shown import several
from merjax.system.columns import Column, Sheet, read_sheet
from merjax.system.errors import MerjaxError, meant
from merjax.system.paths import lacks_file, lacks_folder, user_path
from merjax.system.videos import VIDEOS, facts_of, frame_path, is_video

_COLUMNS = {
    "path": Column("path", ("path",)),
    "subject": Column("subject", ("subject",)),
    "onset": Column("onset", ("onset", "onsetframe")),
    "apex": Column("apex", ("apex", "apexframe")),
    "offset": Column("offset", ("offset", "offsetframe")),
    "label": Column("label", ("label",)),
    "fps": Column("fps", ("fps",)),
    "database": Column("database", ("database",)),
    "action_units": Column("action units", ("actionunits", "actionunit", "aus", "au")),
}
_NEEDED = ("path", "subject", "onset", "apex", "offset", "label")


class _Place(NamedTuple):
    """Where clips lie: a key, since paths may differ in case only; the frames by number; and the rate that a video says."""

    key: str
    frames: dict[int, list[Path]]
    fps: float | None


class _Line(NamedTuple):
    """A row of the list.

    Attributes:
        database: the key of its database.
        path: the folder or the video in which its clip lies.
        row: what it says; the folder is the path as it is written.
        whole: which of onset and offset are empty, so that the first or last frame is meant.
        said: where it stands, for messages.
    """

    database: str
    path: Path
    row: Row
    whole: tuple[str, ...]
    said: str


def read_own(clips: str | Path, *, overrides: Overrides | None = None) -> list[Release]:
    """Clips of your own: what a list and its folders or videos say about them.

    The list is a table with a row per clip and the columns

    - path: a folder of frames, or a video; a relative path begins at the list's folder. Several clips may lie in one.
    - subject: who is seen, any text.
    - onset, apex, offset: frame numbers. In a folder, they are the last number in the names of the files; in a video, frames
      count from 0. An empty onset or offset means the first or last frame, an empty apex that there is none.
    - label: any text, such as an emotion. Case does not matter.

    and, if you like, fps (needed for folders of frames), database (a name for the data; "own" without it) and action units.

    >>> release, = merjax.read_own("data/own/clips.csv")
    >>> release.clips[0].key, release.clips[0].emotion, release.clips[0].n_frames
    ('own/anna/001_1_1', 'tense', 68)

    Args:
        clips: the list, as text (.csv, .tsv) or a workbook.
        overrides: corrections of its rows, as a YAML file or a mapping; see `merjax.datasets.overrides.read_overrides`.

    Returns:
        One release for each database that the list names, in alphabetical order. Where several clips lie in one folder or
        video, the name of each ends in its onset: "anna_1@73".

    Raises:
        MerjaxError: the list cannot be read or lacks a column, or none of its clips is usable.
    """
    path = user_path(clips)
    sheet = read_sheet(path, _COLUMNS, _NEEDED)
    lines, discrepancies = _lines(sheet)
    if not lines:
        told = f" ({discrepancies[0].reason})" if discrepancies else ""
        raise MerjaxError(f"{path}: lists no clip{told}; write a row for each below the header")
    places = {place: _place(place, str(n)) for n, place in enumerate(dict.fromkeys(line.path for line in lines))}
    _refuse_unknown(overrides, {line.database for line in lines})
    releases = []
    for database in sorted({line.database for line in lines}):
        own = [line for line in lines if line.database == database]
        told_before = [d for d in discrepancies if d.database == database]
        told_before += of_release(database, _told_of_namesakes(lines, database))
        releases.append(_release(database, path, own, places, told_before, overrides))
    return releases


def _refuse_unknown(overrides: Overrides | None, databases: Iterable[str]) -> None:
    """Refuse corrections of own data that the list does not name."""
    if overrides is None:
        return
    known = {section_of(database) for database in databases}
    for section in content_of(overrides):
        if str(section).partition(" ")[0] == OWN and section not in known:
            raise MerjaxError(
                f"{source_of(overrides)}: the list names no clip of '{section}'; write {', '.join(sorted(known))}"
                f"{meant(section, known)}"
            )


def _lines(sheet: Sheet) -> tuple[list[_Line], list[Discrepancy]]:
    lines, discrepancies = [], []
    for number, cells in sheet.rows:
        database = _database(sheet, number, cells.get("database", ""))
        empty = [name for name in ("path", "subject", "label") if not cells[name]]
        if empty:
            reason = (
                f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty in row {number} of {sheet.path.name}"
            )
            discrepancies.append(Discrepancy(database, cells["subject"], cells["path"], reason, dropped=True))
            continue
        row, reasons = _row(sheet, number, cells)
        place = (sheet.path.parent / user_path(row.folder)).absolute()
        whole = tuple(column for column in ("onset", "offset") if not cells[column])
        lines.append(_Line(database, place, row, whole, f"row {number} of {sheet.path.name}"))
        discrepancies += [Discrepancy(database, row.subject, row.name, reason, dropped=False) for reason in reasons]
    return lines, discrepancies


def _database(sheet: Sheet, number: int, written: str) -> str:
    """The key of a database: a known one's, or the name in small letters without blanks.

    Raises:
        MerjaxError: a name has other letters than the folds of a sweep can name.
    """
    if not written:
        return OWN
    if known := database_named(written):
        return known.name
    name = "_".join(written.lower().replace("-", " ").split())
    if not (name.isidentifier() and name.isascii()) or name == "together":  # as reports call all databases
        raise MerjaxError(
            f"{sheet.path}: database is '{written}' in {sheet.place(number, 'database')}; write a word of the letters a to z, "
            "digits and _, which begins with a letter"
        )
    return name


def _row(sheet: Sheet, number: int, cells: Mapping[str, str]) -> tuple[Row, list[str]]:
    """A row, and a sentence about each cell that cannot be understood."""
    written = cells["path"].replace("\\", "/")  # as Windows writes it
    row = Row(
        cells["subject"].replace("/", "_"),
        Path(written).stem if is_video(Path(written)) else Path(written).name,
        onset=frame_number(cells["onset"]),
        apex=frame_number(cells["apex"]),
        offset=frame_number(cells["offset"]),
        emotion=" ".join(cells["label"].lower().split()),
        action_units=cells.get("action_units", ""),
        objective_class=None,
        fps=frame_rate(cells.get("fps", "")),
        folder=written,
    )
    reasons = [
        not_understood(sheet, number, column, cells[column], ": read as no apex" * (column == "apex"))
        for column in ("onset", "apex", "offset", "fps")
        if cells.get(column) and getattr(row, column) is None
    ]
    if row.action_units and coded_units(row.action_units) is None:
        reasons.append(not_understood(sheet, number, "action_units", row.action_units, ": they give no class"))
    return row, reasons


def _place(path: Path, key: str) -> _Place | str:
    """The frames at a path, or the end of a sentence on what is wrong with it."""
    if is_video(path) and not path.is_dir():
        if lacking := lacks_file(path):
            return lacking
        try:
            facts = facts_of(path)
        except MerjaxError as error:
            return str(error).removeprefix(f"{path} ")
        rate = facts.fps if 0 < facts.fps < _FASTEST else None
        return _Place(key, {number: [frame_path(path, number)] for number in range(facts.frames)}, rate)
    if lacking := lacks_folder(path):
        return f"{lacking}; name a folder of frames, or a video ({', '.join(VIDEOS)})"
    frames = frames_of(path, [])
    return _Place(key, frames, None) if frames else f"holds no {', '.join(IMAGES)} file with a number in its name"


_FASTEST = 100_000  # frames per second that a camera may have; what some files say is no rate


def _release(
    database: str,
    path: Path,
    lines: Sequence[_Line],
    places: Mapping[Path, _Place | str],
    discrepancies: Sequence[Discrepancy],
    overrides: Overrides | None,
) -> Release:
    found, rows, folders = list(discrepancies), [], {}
    for line, row in zip(lines, _named(lines), strict=True):
        place = places[line.path]
        if isinstance(place, str):
            reason = f"'{row.folder}' of {line.said} {place}"
            found.append(Discrepancy(database, row.subject, row.name, reason, dropped=True))
            continue
        if row.fps and place.fps and abs(row.fps - place.fps) > 0.01 * place.fps:
            reason = f"{line.said} says {row.fps:g} fps, its video {place.fps:g}: the list's is used"
            found.append(Discrepancy(database, row.subject, row.name, reason, dropped=False))
        ends = {"onset": min(place.frames), "offset": max(place.frames)}
        row = replace(row, fps=row.fps or place.fps, folder=place.key)
        row = replace(row, **{end: ends[end] for end in line.whole})  # type: ignore[arg-type]
        rows.append(row)
        folders[row.place] = Folder(row.place, line.path, place.frames)
    if not rows:
        reasons = "; ".join(d.reason for d in found[:3])
        raise MerjaxError(f"{path}: no usable clip of {database} ({reasons})")
    found += of_release(database, _told_of_ends(lines))
    return assemble(database, path, named_apart(rows), list(folders.values()), found, overrides)


def _named(lines: Sequence[_Line]) -> Iterator[Row]:
    """The rows; where different places of a subject end alike, each clip has its whole path as its name."""
    ends: dict[tuple[str, str], set[Path]] = {}
    for line in lines:
        ends.setdefault((line.row.subject, line.row.name), set()).add(line.path)
    for line in lines:
        row = line.row
        alike = len(ends[row.subject, row.name]) > 1
        whole = "_".join(part for part in (*Path(row.folder).parent.parts, row.name) if part not in ("/", ".", ".."))
        yield replace(row, name=whole) if alike else row


def _told_of_namesakes(lines: Iterable[_Line], database: str) -> list[str]:
    """A sentence about each subject of a database whose name stands in another database of the list as well."""
    people: dict[str, set[str]] = {}
    for line in lines:
        people.setdefault(line.row.subject, set()).add(line.database)
    return [
        f"subject {subject} stands in the databases {', '.join(sorted(found))}: taken for as many people; if it is one, give "
        "all of these clips one database, or folds train on a person whom they test"
        for subject, found in sorted(people.items())
        if database in found and len(found) > 1
    ]


def _told_of_ends(lines: Iterable[_Line]) -> list[str]:
    counts = {end: sum(end in line.whole for line in lines) for end in ("onset", "offset")}
    which = {"onset": "first", "offset": "last"}
    return [
        f"{several(n, 'clip')} without {end} in the list: the {which[end]} frame of the folder or video is taken"
        for end, n in counts.items()
        if n
    ]
