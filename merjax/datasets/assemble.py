"""Rows and folders joined: the clips, and everything on which rows and folders do not agree."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from merjax.datasets.annotations import Key, Row, unique
from merjax.datasets.clip import Clip, Discrepancy, Published, Release, database_of
from merjax.datasets.folders import Folder, number_ranges
from merjax.datasets.overrides import Overrides, correct, read_overrides
from merjax.system.columns import Sheet
from merjax.system.errors import MerjaxError
from merjax.system.paths import lacks_own_content
from merjax.system.tables import plain_name

Frames = Mapping[int, list[Path]]


def assemble(
    database: str,
    root: Path,
    rows: Sequence[Row],
    folders: Sequence[Folder],
    discrepancies: Sequence[Discrepancy],
    overrides: Overrides | None,
    *,
    class_sheet: Sheet | None = None,
    counters: bool = False,
    published: Published | None = None,
    wanted: Callable[[Row], bool] = lambda row: True,
    beyond: bool = False,
    refuse: Callable[[Row], str] = lambda row: "",
) -> Release:
    """The release of a database: its corrected rows joined with its folders.

    Args:
        database: a key of `DATABASES`, or the name of the user's own data.
        root: the folder that the user gave.
        rows: the annotations.
        folders: the clip folders; their names match the rows' in any case.
        discrepancies: those found earlier.
        overrides: see `read_overrides`.
        class_sheet: the sheet that gave the rows' objective classes, if any did.
        counters: frame numbers are a camera's counters, so a skipped number does not mean a missing file.
        published: what is published of what was asked for; None means all of the database's clips.
        wanted: whether a clip is to be made of a row; other rows may be corrected, and no more.
        beyond: an annotated interval may reach beyond the pictures of its folder: the clip then begins or ends with them.
        refuse: why a row cannot be right, although its pictures may be there; "" if it may be.

    Raises:
        MerjaxError: the overrides do not fit, or not one row has a usable folder.
    """
    corrections = read_overrides(overrides, database)
    corrected, applied = correct(rows, corrections, database)
    by_key, repeated = unique([row for row in corrected if wanted(row)], database)
    found = [*discrepancies, *applied, *repeated]
    places = _places(folders)
    clips = []
    for key in sorted(by_key):
        row = by_key[key]
        own = places.get(folded(row.place), [])
        wrong = refuse(row)
        clip, remarks = (None, [wrong]) if wrong else _joined(database, row, own, counters, beyond)
        if remarks == [_NO_FOLDER]:
            remarks = [_NO_FOLDER + _renamed(row, folders)]
        clips += [clip] if clip else []
        found += [Discrepancy(database, *key, remark, dropped=clip is None) for remark in remarks]
    annotated = {folded(row.place) for row in rows}
    for place in sorted(set(places) - annotated):
        found.append(Discrepancy(database, *places[place][0].key, "folder without row", dropped=True))
    synthetic = synthetic_statement(folders[0].path)
    title = database_of(database).title
    published = published or Published(database_of(database).n_clips, database_of(database).n_subjects)
    if published.clips is not None and len(by_key) != published.clips and not synthetic:
        reason = f"sheet version: {len(by_key)} clips are annotated, {published.clips} in the published {title}"
        found.append(Discrepancy(database, "", "", reason, dropped=False))
    if not clips:
        reasons = "; ".join(f"{d.subject}/{d.name}: {d.reason}" for d in [d for d in found if d.dropped][:3])
        hint = "check that sheet and images belong together"
        raise MerjaxError(f"{root}: no usable clip of {title}; {hint} ({reasons})")
    source = _class_source(class_sheet)
    return Release(database, root, tuple(clips), tuple(found), synthetic, corrections.written, source, published)


def _class_source(sheet: Sheet | None) -> str:
    return "" if sheet is None else f"{sheet.path}, column {sheet.titles['objective_class']}"


def of_release(database: str, remarks: Sequence[str]) -> list[Discrepancy]:
    """What is to be told about a release as a whole, such as folders that were passed over."""
    return [Discrepancy(database, "", "", remark, dropped=False) for remark in remarks]


def folded(key: Key) -> Key:
    """A key by which rows and folders are joined: in any case, in wide or narrow letters, with or without blanks."""
    return key[0], plain_name(key[1]).casefold()


def _places(folders: Sequence[Folder]) -> dict[Key, list[Folder]]:
    places: dict[Key, list[Folder]] = {}
    for folder in folders:
        places.setdefault(folded(folder.key), []).append(folder)
    return places


def named_apart(rows: Sequence[Row]) -> list[Row]:
    """The rows; those whose subject and name are alike, though they say different things, are named after their onsets too."""
    said: dict[Key, set[Row]] = {}
    for row in rows:
        said.setdefault(folded((row.subject, row.name)), set()).add(row)
    return [
        replace(row, name=f"{row.name}@{row.onset}", folder=row.place[1])
        if len(said[folded((row.subject, row.name))]) > 1
        else row
        for row in rows
    ]


_NO_FOLDER = "row without folder"


def _renamed(row: Row, folders: Sequence[Folder]) -> str:
    """The end of a sentence about a row without a folder: which one may have been its own, before a program renamed it."""
    own = re.compile(rf"{re.escape(folded(row.place)[1])}(\W|copy|_copy).*")
    near = [
        folder.path.name for folder in folders if folder.key[0] == row.subject and own.fullmatch(folded(folder.key)[1])
    ]
    return f": give '{near[0]}' its name back, if it is this one" if near else ""


def _joined(
    database: str, row: Row, folders: Sequence[Folder], counters: bool, beyond: bool
) -> tuple[Clip | None, list[str]]:
    if not folders:
        return None, [_NO_FOLDER]
    if len(folders) > 1:
        return None, [f"duplicate key: folders {' and '.join(str(folder.path) for folder in folders)}"]
    frames = folders[0].frames
    cut: list[str] = []
    if beyond and frames:
        row, cut = _within(row, min(frames), max(frames))
    clip, remarks = _clip(database, row, frames, counters)
    return clip, cut + remarks


def _clip(database: str, row: Row, frames: Frames, counters: bool) -> tuple[Clip | None, list[str]]:
    """The clip of a row, or None, and the discrepancies to report about it."""
    if (fps := row.fps or database_of(database).fps) is None:
        return None, ["there is no frame rate: give it in a column fps, or as fps by --overrides"]
    if row.onset is None or row.offset is None or row.onset >= row.offset:
        return None, [f"onset {row.onset} and offset {row.offset} are not an interval"]
    interval, late = _without_missing_last_frame(_Interval(row.onset, row.apex, row.offset), frames)
    interval, outside = _with_apex_inside(interval)
    numbers = list(range(interval.onset, interval.offset + 1))
    if missing := [number for number in numbers if number not in frames]:
        where = f"{number_ranges(missing)} of {interval.onset}-{interval.offset}"
        if not counters or not {interval.onset, interval.offset} <= frames.keys():
            return None, [f"missing frames {where}"]
        numbers = [number for number in numbers if number in frames]
        late += [f"the camera's counter skips {where}: the clip has the {len(numbers)} frames that are there"]
        if interval.apex in missing:
            late += [f"apex {interval.apex} has no picture: read as no apex; correct it by --overrides"]
            interval = interval._replace(apex=None)
    if twice := [number for number in numbers if len(frames[number]) > 1]:
        names = " and ".join(path.name for path in frames[twice[0]])
        return None, [f"several images of frames {number_ranges(twice)}, such as {names}"]
    clip = Clip(
        database,
        row.subject,
        row.name,
        frames=tuple(frames[number][0] for number in numbers),
        **interval._asdict(),
        emotion=row.emotion,
        action_units=row.action_units,
        objective_class=row.objective_class,
        fps=fps,
        part=row.part,
        kind=row.kind,
        skipped=sum(number < (interval.apex or 0) for number in missing),
    )
    return clip, late + outside


class _Interval(NamedTuple):
    onset: int
    apex: int | None
    offset: int


def _within(row: Row, first: int, last: int) -> tuple[Row, list[str]]:
    """A row whose interval ends with its recording, if it reaches beyond the recording's first or last picture."""
    remarks = []
    if row.onset is not None and row.onset < first:
        remarks.append(f"onset {row.onset} is before the recording's first picture, {first}: the clip begins there")
        row = replace(row, onset=first)
    if row.offset is not None and row.offset > last:
        remarks.append(f"offset {row.offset} is beyond the recording's last picture, {last}: the clip ends there")
        row = replace(row, offset=last)
    return row, remarks


def _without_missing_last_frame(interval: _Interval, frames: Frames) -> tuple[_Interval, list[str]]:
    """The interval, ending one frame earlier if only its last frame is missing.

    Copies of CASME II lack the last frame of sub12/EP09_06. A clip of the MEGC list should not be lost for one frame of
    neutral face. An apex on that frame moves with it.
    """
    onset, apex, offset = interval
    missing = [number for number in range(onset, offset + 1) if number not in frames]
    if missing != [offset] or offset - onset < 2:
        return interval, []
    at_end = apex == offset
    shorter = _Interval(onset, offset - 1 if at_end else apex, offset - 1)
    return shorter, [
        f"last frame {offset} is missing: the clip{' and its apex' if at_end else ''} ends at {offset - 1}"
    ]


def _with_apex_inside(interval: _Interval) -> tuple[_Interval, list[str]]:
    """The interval, without its apex if that lies outside: nobody can know which of the three numbers is wrong."""
    onset, apex, offset = interval
    if apex is None or onset <= apex <= offset:
        return interval, []
    reason = f"apex {apex} outside the interval {onset}-{offset}: read as no apex; correct it by --overrides"
    return _Interval(onset, None, offset), [reason]


def synthetic_statement(folder: Path) -> str:
    """The statement of the SYNTHETIC.json in or above a folder; "" if there is none.

    A note that cannot be read still makes the release synthetic: it must never pass for a real one.
    """
    for place in (folder, *folder.parents):
        note = place / "SYNTHETIC.json"
        lacking = lacks_own_content(note)
        if lacking != "does not exist":
            try:
                statement = None if lacking else json.loads(note.read_text(encoding="utf-8")).get("statement")
            except (OSError, ValueError, AttributeError):
                statement = None
            return statement if isinstance(statement, str) and statement else f"synthetic, says {note}"
    return ""
