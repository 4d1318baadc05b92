"""CASME II (Yan et al. 2014): 255 clips of 26 subjects at 200 fps, raw or cropped.

Images are `sub01/EP02_01f/img46.jpg` (raw) or `reg_img46.jpg` (cropped). They come with the coding sheet and, in a file of
their own, the objective classes of Davison et al. 2017.
"""

import re
from dataclasses import replace
from pathlib import Path

from merjax.datasets.annotations import Key, Row, class_of, rows_of
from merjax.datasets.assemble import assemble, of_release
from merjax.datasets.clip import DATABASES, Discrepancy, Release
from merjax.datasets.folders import FolderLayout, find_folders, first_image, upwards
from merjax.datasets.overrides import Overrides
from merjax.datasets.sheets import CLASS_COLUMNS, CLIP_COLUMNS, FilesBeside, choose_sheet, sheet_if_any
from merjax.system.columns import Sheet
from merjax.system.paths import user_path

_CLIP = re.compile(r"EP\d+\w*", re.IGNORECASE)
_OF_CASME = re.compile(r"(reg_)?EP\w*-\d+\.", re.IGNORECASE)  # the first CASME has the same folders, but such images
_CLASSES_FLAG = "--casme2-classes"

_subject = DATABASES["casme2"].subject

_LAYOUT = FolderLayout(
    flag="--casme2",
    example="sub01/EP02_01f",
    subject=re.compile(r"sub\d+", re.IGNORECASE),
    clips=lambda subject, folders_in: folders_in(subject),
    key=lambda clip: (_subject(clip.parent.name) or "", clip.name),
    foreign=lambda base: bool(_OF_CASME.match(first_image(base))),
)


def read_casme2(
    root: str | Path,
    *,
    annotations: str | Path | None = None,
    classes: str | Path | None = None,
    overrides: Overrides | None = None,
) -> Release:
    """The clips of a CASME II release: what its sheets and folders say about them; no image is read.

    >>> release = merjax.read_casme2("data/casme2")
    >>> clip = release.clips[0]
    >>> clip.key, clip.emotion, clip.onset, clip.apex, clip.offset, len(clip.frames)
    ('casme2/sub01/EP01_01', 'happiness', 76, 93, 117, 42)

    Args:
        root: the folder of subjects (`sub01`, ...), or a folder above it.
        annotations: the coding sheet (2014 or newer); None looks for it in the clips' folder and above, up to the folder that
            holds `root`.
        classes: the sheet of objective classes; None takes the coding sheet's own column, or looks for such a sheet.
            Without either, clips have no objective class, and the AU rule is used instead. Where this sheet and the coding
            sheet's own column give a clip different classes, this one's is taken, and the clip is listed.
        overrides: corrections of annotated rows, as a YAML file or a mapping such as
            `{"casme2": {"sub04/EP12_01f": {"apex": 290}}}`; see `merjax.datasets.overrides.read_overrides`.

    Returns:
        The usable clips and every discrepancy with its reason. Onset, apex and offset are frame numbers. The clips that are
        left out are in `release.dropped`.

    Raises:
        MerjaxError: nothing usable was found; the message says where it was looked for and what to do.
    """
    root = user_path(root)
    base, folders, passed_over = find_folders(root, _LAYOUT)
    beside = FilesBeside(upwards(base, root))
    sheet = choose_sheet(annotations, beside, CLIP_COLUMNS, _CLIP, "--casme2-annotations")
    rows, discrepancies = rows_of(sheet, DATABASES["casme2"])
    discrepancies += of_release("casme2", passed_over)
    class_sheet: Sheet | None = sheet
    if classes is not None or "objective_class" not in sheet.titles:
        class_sheet = sheet_if_any(classes, beside, CLASS_COLUMNS, _CLIP, _CLASSES_FLAG, "sheets of objective classes")
        joined, more = _with_classes(rows, class_sheet)
        discrepancies += more
        if class_sheet is not None:
            discrepancies += _other_classes(rows, joined, sheet, class_sheet)
        rows = joined
    discrepancies += of_release("casme2", beside.passed_over)
    return assemble("casme2", root, rows, folders, discrepancies, overrides, class_sheet=class_sheet)


def _with_classes(rows: list[Row], sheet: Sheet | None) -> tuple[list[Row], list[Discrepancy]]:
    """Rows with the classes of a sheet, and a discrepancy for each row that has no match."""
    if sheet is None:
        reason = f"no sheet of objective classes: the AU rule is used instead; give one by {_CLASSES_FLAG}"
        return rows, of_release("casme2", [reason])
    classes: dict[Key, int | None] = {}
    coded = {(row.subject, row.name) for row in rows}
    joined, discrepancies, told = [], [], set()
    for number, cells in sheet.rows:
        key = _subject(cells["subject"]) or "", cells["clip"]
        if key not in coded and not (key[0] and _CLIP.fullmatch(key[1])):
            reason = f"row {number} of {sheet.path.name} names no clip: '{cells['subject']}', '{cells['clip']}'"
            discrepancies.append(Discrepancy("casme2", *key, reason, dropped=False))
            continue
        classes[key], reason = class_of(sheet, number, cells)
        if reason:
            told.add(key)
            discrepancies.append(Discrepancy("casme2", *key, reason, dropped=False))
    for row in rows:
        key = row.subject, row.name
        if classes.get(key) is None and key not in told:
            reason = f"no objective class in {sheet.path.name}: the AU rule is used instead"
            discrepancies.append(Discrepancy("casme2", *key, reason, dropped=False))
        joined.append(replace(row, objective_class=classes.get(key)))
    for subject, name in sorted(set(classes) - coded):
        reason = f"objective class in {sheet.path.name} without a row in the coding sheet"
        discrepancies.append(Discrepancy("casme2", subject, name, reason, dropped=False))
    return joined, discrepancies


def _other_classes(own: list[Row], joined: list[Row], coding: Sheet, classes: Sheet) -> list[Discrepancy]:
    """A discrepancy for each row to which the coding sheet's own column gives another class than the sheet of classes."""
    return [
        Discrepancy(
            "casme2",
            row.subject,
            row.name,
            f"objective class {row.objective_class} in {coding.path.name}, but {taken.objective_class} in {classes.path.name}, "
            "which is used",
            dropped=False,
        )
        for row, taken in zip(own, joined, strict=True)
        if None not in (row.objective_class, taken.objective_class) and row.objective_class != taken.objective_class
    ]
