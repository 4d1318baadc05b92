"""SAMM Long Videos (Yap et al. 2020): 343 macro- and 159 micro-expressions in 147 recordings of 30 subjects at 200 fps.

`006_1/006_1_0001.jpg`, numbered from 1. The sheet has no emotions; those of the micro-expressions stand in SAMM's own sheet.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from merjax.datasets.annotations import Row, rows_of
from merjax.datasets.assemble import named_apart, of_release
from merjax.datasets.clip import DATABASES, Discrepancy, Kind, Published, Release
from merjax.datasets.folders import FolderLayout, upwards
from merjax.datasets.overrides import Overrides
from merjax.datasets.recordings import Kinds, counted, cut_out, find_recordings, rows_of_kinds
from merjax.datasets.sheets import CLIP_COLUMNS, FilesBeside, choose_sheet, sheet_if_any
from merjax.system.columns import Sheet
from merjax.system.paths import user_path

_CLIP = re.compile(r"\d{3}_\d+_\d+")
_RECORDING = re.compile(r"(\d{3})_(\d+)(?![_\d]).*")  # an unzip program may have added " (1)" to its name
_NEEDED = ("subject", "clip", "onset", "apex", "offset", "action_units", "kind")
_EMOTIONS_FLAG = "--samm-long-emotions"
_FRAMES = ("onset", "apex", "offset")
_PUBLISHED: dict[Kind, Published] = {"micro": Published(159, 29), "macro": Published(343, 29)}
_ALL = Published(502, 30)


def _key(recording: Path) -> tuple[str, str]:
    match = _RECORDING.fullmatch(recording.name)
    return (match[1], f"{match[1]}_{match[2]}") if match else ("", recording.name)


_LAYOUT = FolderLayout(
    flag="--samm-long",
    example="SAMM_longvideos/006_1",
    subject=_RECORDING,  # there are no folders of subjects: recordings lie side by side
    clips=lambda recording, folders_in: [recording],
    key=_key,
)


def read_samm_long(
    root: str | Path,
    *,
    annotations: str | Path | None = None,
    emotions: str | Path | None = None,
    kind: Kinds = "micro",
    overrides: Overrides | None = None,
) -> Release:
    """The annotated intervals of SAMM Long Videos as clips; no image is read.

    Frame numbers with fractions are rounded. An interval that reaches beyond its recording begins or ends with it. Rows of the
    same name are named after their onsets too ("037_4_1@1488"). What was assumed is said in `discrepancies`.

    >>> release = merjax.read_samm_long("data/samm_long", kind="all")
    >>> release.clips[0].key, release.clips[0].kind, release.clips[0].fps
    ('samm_long/001/001_1_1', 'micro', 200.0)

    Args:
        root: the folder of recordings (`006_1`, ...), or a folder above it.
        annotations: the sheet with the columns Subject, Filename, Onset, Apex, Offset, Type and Action Units; None looks for it
            in the recordings' folder and above, up to the folder that holds `root`.
        emotions: SAMM's own sheet of FACS codes, for emotions and objective classes of the micro-expressions; None looks for it
            in the same places.
        kind: the expressions to take: "micro", "macro" or "all".
        overrides: corrections of annotated rows, as a YAML file or a mapping; see
            `merjax.datasets.overrides.read_overrides`.

    Returns:
        The usable clips, and every discrepancy with its reason; see `merjax.read_casme2`.

    Raises:
        MerjaxError: nothing usable was found; the message says where it was looked for and what to do.
    """
    root = user_path(root)
    recordings = find_recordings(root, _LAYOUT)
    beside = FilesBeside(upwards(recordings.base, root))
    sheet = choose_sheet(annotations, beside, _NEEDED, _CLIP, "--samm-long-annotations")
    whole, fractions = _rounded(sheet)
    rows, discrepancies = rows_of_kinds(whole, "samm_long", kind)
    rows = [replace(row, folder=row.name.rpartition("_")[0]) for row in rows]
    told = [counted(rows, _PUBLISHED), *fractions]
    told += ["macro-expressions have no emotion: no sheet gives one"] if kind != "micro" else []
    emotion_sheet = sheet_if_any(emotions, beside, CLIP_COLUMNS, _CLIP, _EMOTIONS_FLAG, "sheets of SAMM's emotions")
    if kind != "macro":
        rows, missing = _with_emotions(rows, emotion_sheet)
        discrepancies += missing
    discrepancies += of_release("samm_long", [*told, *beside.passed_over])
    class_sheet = emotion_sheet if emotion_sheet and "objective_class" in emotion_sheet.titles else None
    return cut_out(
        "samm_long",
        root,
        named_apart(rows),
        recordings,
        discrepancies,
        overrides,
        kind=kind,
        published=_ALL if kind == "all" else _PUBLISHED[kind],
        class_sheet=class_sheet,
        beyond=True,
    )


def _rounded(sheet: Sheet) -> tuple[Sheet, list[str]]:
    """A sheet whose frame numbers have no fractions, and a sentence about those that had."""
    rows = tuple((number, {**cells, **{name: _whole(cells[name]) for name in _FRAMES}}) for number, cells in sheet.rows)
    changed = sum(old != new for (_, old), (_, new) in zip(sheet.rows, rows, strict=True))
    told = f"{changed} rows of {sheet.path.name} have frame numbers with fractions, multiples of 0.2: they are rounded"
    return replace(sheet, rows=rows), [told] if changed else []


def _whole(text: str) -> str:
    match = re.fullmatch(r"(\d+)[.,](\d+)", text)
    if not match or (len(match[2]) == 3 and not int(match[2])):  # 1,000 may be a thousand
        return text
    return str(round(float(f"{match[1]}.{match[2]}")))


def _with_emotions(rows: Sequence[Row], sheet: Sheet | None) -> tuple[list[Row], list[Discrepancy]]:
    """Rows whose micro-expressions have the emotions and classes of a sheet, and what is to be said about it."""
    if sheet is None:
        reason = f"no sheet of emotions: clips have action units only; give SAMM's own sheet of FACS codes by {_EMOTIONS_FLAG}"
        return list(rows), of_release("samm_long", [reason])
    of_clips = {(row.subject, row.name): row for row in rows_of(sheet, DATABASES["samm"])[0]}
    joined, missing = [], []
    for row in rows:
        if row.kind == "micro" and (found := of_clips.get((row.subject, row.name))):
            row = replace(row, emotion=found.emotion, objective_class=found.objective_class)
        elif row.kind == "micro":
            missing.append(
                Discrepancy("samm_long", row.subject, row.name, f"has no emotion in {sheet.path.name}", dropped=False)
            )
        joined.append(row)
    told = f"assumed: emotions of micro-expressions are those of the clips of the same name in {sheet.path.name}"
    return joined, [*of_release("samm_long", [f"{told}; name another sheet by {_EMOTIONS_FLAG}"]), *missing]
