"""The sheets of CAS(ME)^3, part A: one with the emotions of the micro-expressions (JpgIndex), one with the frames of both kinds
(AU+Emotion); and the owner's list of damaged pictures."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from merjax.datasets.annotations import Key, Row
from merjax.datasets.assemble import of_release
from merjax.datasets.clip import DATABASES, Discrepancy
from merjax.datasets.recordings import Kinds, rows_of_kinds
from merjax.datasets.sheets import COLUMNS, FilesBeside, choose_sheet, given_sheet, sheets_beside
from merjax.system.columns import Sheet, read_sheet
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path
from merjax.system.tables import text_of

FLAG = "--casme3-annotations"
_RECORDING = re.compile(r"[a-z]", re.IGNORECASE)
_FRAMES = ("subject", "clip", "onset", "apex", "offset", "action_units", "kind")
_EMOTIONS = ("subject", "clip", "onset", "apex", "offset", "action_units", "emotion")
_CLASSES = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5", "VI": "6", "VII": "7"}
_DAMAGED = re.compile(r"(spNO\.\d+)\s+([a-z])\s+(\d+)\.(?:jpe?g|png)\b.*", re.IGNORECASE)


class Sheets(NamedTuple):
    """The sheet of the emotions and that of the frames; one of them may be None."""

    emotions: Sheet | None
    frames: Sheet | None


@dataclass(frozen=True)
class Annotations:
    """What the sheets say.

    Attributes:
        rows: of all kinds, each with its recording as folder.
        told: what is to be said about the sheets and rows.
        class_sheet: the sheet that gave the objective classes.
    """

    rows: list[Row]
    told: list[Discrepancy]
    class_sheet: Sheet | None


def find_sheets(given: str | Path | Sequence[str | Path] | None, beside: FilesBeside) -> Sheets:
    """The sheets that the user gave, told apart by their columns; what was not given is looked for beside the release.

    Raises:
        MerjaxError: a given file is none of the two, both are the same one, none is there, or there are several that differ.
    """
    paths = [] if given is None else [given] if isinstance(given, str | Path) else list(given)
    found: dict[str, list[Sheet]] = {"emotions": [], "frames": []}
    for path in map(user_path, paths):
        role, needed = _role(path)
        found[role].append(given_sheet(path, needed, _RECORDING, FLAG))
    for role, needed in (("emotions", _EMOTIONS), ("frames", _FRAMES)):
        if not found[role]:
            found[role] = sheets_beside(beside, needed, _RECORDING)
    sheets = Sheets(*(beside.one_of(own, f"sheets of {role}", FLAG) if own else None for role, own in found.items()))
    return sheets if any(sheets) else Sheets(choose_sheet(None, beside, _EMOTIONS, _RECORDING, FLAG), None)


def _role(path: Path) -> tuple[str, tuple[str, ...]]:
    """Which of the two sheets a file holds, and the columns that it needs."""
    try:
        read_sheet(path, COLUMNS, _FRAMES)
    except MerjaxError:
        return "emotions", _EMOTIONS
    return "frames", _FRAMES


def read_annotations(sheets: Sheets, kind: Kinds) -> Annotations:
    """The rows of both sheets: emotions of the one, frames of the other.

    Raises:
        MerjaxError: macro-expressions are asked for, and the sheet that has them is not there.
    """
    told: list[Discrepancy] = []
    rows: dict[str, list[Row]] = {"emotions": [], "frames": []}
    for name, sheet in zip(rows, sheets, strict=True):
        if sheet is not None:
            read, discrepancies = rows_of_kinds(_as_others(sheet), "casme3", kind)
            rows[name] = [_named(row) for row in read]
            told += discrepancies
    emotions, frames = sheets
    if emotions is None or frames is None:
        if frames is None and kind != "micro":
            raise MerjaxError(
                "macro-expressions stand in the sheet AU+Emotion (Subject, Filename, Onset, Apex, Offset, AU, Expression type) "
                f"of CAS(ME)3_part_A_v2.xls, which was not found; give it by {FLAG}"
            )
        told += of_release("casme3", [_alone(emotions)])
        return Annotations(rows["emotions"] or rows["frames"], told, emotions or frames)
    macro = [row for row in rows["frames"] if row.kind == "macro"]
    micro = [row for row in rows["frames"] if row.kind == "micro"]
    if len(micro) != len(rows["emotions"]):
        reason = (
            f"{emotions.path.name} has {len(rows['emotions'])} micro-expressions and {frames.path.name} {len(micro)}: they are "
            f"of different versions, and all is taken from the former; give two sheets of one version by {FLAG}"
        )
        return Annotations([*rows["emotions"], *macro], told + of_release("casme3", [reason]), emotions)
    joined, differing = _joined(rows["emotions"], micro, emotions, frames)
    return Annotations([*joined, *macro], told + differing, emotions)


def _alone(emotions: Sheet | None) -> str:
    """What is to be said where only one of the two sheets is there."""
    if emotions is None:
        return f"no sheet JpgIndex: micro-expressions have no emotion; give it by {FLAG}"
    return (
        f"no sheet AU+Emotion: frames are those of {emotions.path.name}, of which v2 is known to be wrong in four rows; "
        f"give CAS(ME)3_part_A_v2.xls by {FLAG} as well"
    )


def _as_others(sheet: Sheet) -> Sheet:
    """A sheet with its classes as numbers, its recordings without blanks, and a kind in each row."""
    rows = []
    for number, cells in sheet.rows:
        changed = {"kind": "micro"} | cells | {"clip": "".join(cells["clip"].split())}
        if "objective_class" in cells:
            changed["objective_class"] = _CLASSES.get(cells["objective_class"].upper(), cells["objective_class"])
        rows.append((number, changed))
    return replace(sheet, rows=tuple(rows))


def _named(row: Row) -> Row:
    """A row named as the owner names the folders of ready-made clips: recording and onset."""
    return replace(row, name=f"{row.name}_{row.onset}", folder=row.name)


def _joined(
    emotions: Sequence[Row], micro: Sequence[Row], sheet: Sheet, frames: Sheet
) -> tuple[list[Row], list[Discrepancy]]:
    """Rows of the emotions with frames of the other sheet, paired in order within each recording; and where they differ."""
    waiting: dict[Key, list[Row]] = {}
    for row in micro:
        waiting.setdefault(_recording(row), []).append(row)
    expected = Counter(map(_recording, emotions))
    joined, told = [], []
    for row in emotions:
        own = waiting.get(_recording(row), [])
        if len(own) != expected[_recording(row)]:
            reason = f"{frames.path.name} has another number of rows of this recording: frames are those of {sheet.path.name}"
            told.append(Discrepancy("casme3", row.subject, row.name, reason, dropped=False))
            joined.append(row)
            continue
        expected[_recording(row)] -= 1
        other = own.pop(0)
        for name in ("onset", "apex", "offset"):
            ours, theirs = getattr(row, name), getattr(other, name)
            if ours != theirs:
                reason = f"{name} {ours} in {sheet.path.name}, but {theirs} in {frames.path.name}, which is used"
                told.append(Discrepancy("casme3", row.subject, row.name, reason, dropped=False))
        joined.append(replace(row, onset=other.onset, apex=other.apex, offset=other.offset))
    return joined, told


def _recording(row: Row) -> Key:
    return row.subject, row.folder.casefold()


def damaged_pictures(folders: Sequence[Path]) -> tuple[dict[Key, set[int]], list[str]]:
    """The pictures that the owner lists as damaged, by (subject, recording), and a sentence about each list.

    The list is found by its lines, such as "spNO.3 J 498.jpg  the image cannot open".
    """
    found: dict[Key, set[int]] = {}
    told = []
    for path, lines in _lists(folders):
        for line in lines:
            key = DATABASES["casme3"].subject(line[1]) or "", line[2].casefold()
            found.setdefault(key, set()).add(int(line[3]))
        told.append(f"{len(lines)} pictures are damaged, says {path.name}: they are passed over")
    return found, told


def _lists(folders: Sequence[Path]) -> Iterator[tuple[Path, list[re.Match[str]]]]:
    for path in sorted(path for folder in folders for path in folder.glob("*.txt")):
        try:
            lines = [line for line in map(str.strip, text_of(path).splitlines()) if line]
        except MerjaxError:  # said among the files that may hold a sheet
            continue
        if 2 * len(matches := [match for line in lines if (match := _DAMAGED.fullmatch(line))]) > len(lines):
            yield path, matches


def by_emotion(rows: Sequence[Row], published: Mapping[str, int]) -> str:
    """A sentence about how many rows each emotion has, and whether as many are published."""
    there = Counter(row.emotion for row in rows if row.kind == "micro")
    as_published = "as published" if there == published else f"NOT the published {_in_words(published)}"
    return f"micro-expressions: {_in_words(there)}; {as_published}"


def _in_words(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{n} {emotion or 'without emotion'}" for emotion, n in ordered)
