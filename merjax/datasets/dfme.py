"""DFME (Zhao et al. 2023), the subset that the challenge of 2024 handed out: 2,629 clips of 259 people in three parts.

`DFME_train/sub0003_01/00000.png`; frames count from 0, and an onset of 0 is valid. Each clip has its own frame rate. Folders,
columns and counts are known from other people's code and tables: merjax's authors have not seen the release itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from merjax.datasets.annotations import Row, rows_of
from merjax.datasets.assemble import assemble, folded, of_release
from merjax.datasets.clip import DATABASES, Discrepancy, Published, Release
from merjax.datasets.folders import Folder, FolderLayout, find_parts, upwards
from merjax.datasets.overrides import Overrides
from merjax.datasets.sheets import FilesBeside, choose_sheets
from merjax.system.columns import Sheet
from merjax.system.paths import user_path

_FLAG = "--dfme-annotations"
_NEEDED = ("subject", "clip", "onset", "apex", "offset", "emotion")
_CLIP = re.compile(r"sub\d+_\d+", re.IGNORECASE)
_FOLDER = re.compile(rf"{_CLIP.pattern}(?!\d).*", re.IGNORECASE)  # an unzip program may have added " (1)" to its name
_TEST = re.compile(r"test[\W_]*(?:data|set)?[\W_]*([ab])(?![a-z])", re.IGNORECASE)
_PARTS = {"train": (1856, 176), "test A": (474, 42), "test B": (299, 41)}  # published clips and people

_subject = DATABASES["dfme"].subject

_LAYOUT = FolderLayout(
    flag="--dfme",
    example="DFME_train/sub0003_01",
    subject=_FOLDER,  # there are no folders of subjects: clips lie side by side
    clips=lambda clip, folders_in: [clip],
    key=lambda clip: (_subject(clip.name.partition("_")[0]) or "", clip.name),
)


def read_dfme(
    root: str | Path,
    *,
    annotations: str | Path | Sequence[str | Path] | None = None,
    overrides: Overrides | None = None,
) -> Release:
    """The clips of DFME's challenge subset: what its sheets and folders say about them; no image is read.

    One, two or all three parts may be there. A clip's part is "train", "test A" or "test B", by the names of its folders or
    of its sheet; `discrepancies` say how many clips and people each part has, and what was assumed.

    >>> release = merjax.read_dfme("data/dfme")
    >>> release.clips[0].key, release.clips[0].onset, release.clips[0].fps, release.clips[0].part
    ('dfme/sub0001/sub0001_01', 0, 200.0, 'train')

    Args:
        root: the folder of clips, or a folder above the parts.
        annotations: the sheet of each part, with the columns Subject, Filename, OnsetFrame, ApexFrame, OffsetFrame, Emotion,
            Fps and AU, or one sheet of all; None looks for them in the clips' folders and above, up to the folder that holds
            `root`.
        overrides: corrections of annotated rows, as a YAML file or a mapping; see
            `merjax.datasets.overrides.read_overrides`.

    Returns:
        The usable clips, and every discrepancy with its reason; see `merjax.read_casme2`.

    Raises:
        MerjaxError: nothing usable was found; the message says where it was looked for and what to do.
    """
    root = user_path(root)
    bases, folders, passed_over = find_parts(root, _LAYOUT)
    beside = FilesBeside(list(dict.fromkeys(place for base in bases for place in upwards(base, root))))
    given = [annotations] if isinstance(annotations, str | Path) else annotations
    rows: list[Row] = []
    discrepancies = of_release("dfme", passed_over)
    lie_in = {folded(folder.key): _part_of(folder, root) for folder in folders}
    for sheet in choose_sheets(given, beside, _NEEDED, _CLIP, _FLAG):
        of_sheet, told = rows_of(sheet, DATABASES["dfme"])
        rows += [replace(row, part=lie_in.get(folded(row.place)) or _part_named(sheet.path.stem)) for row in of_sheet]
        discrepancies += [*told, *_without_rates(sheet)]
    discrepancies += of_release("dfme", [*beside.passed_over, *_told_of_parts(rows)])
    there = {row.part for row in rows} & _PARTS.keys()
    published = Published(*(sum(_PARTS[part][i] for part in there) for i in (0, 1))) if there else None
    return assemble("dfme", root, rows, folders, discrepancies, overrides, published=published)


def _part_of(folder: Folder, root: Path) -> str:
    """The part that a folder lies in, by the names of the folders around it, up to the one that the user named."""
    above = folder.path.parents
    names = [place.name for place in above if place == root.resolve() or root.resolve() in place.parents]
    return next((part for name in names if (part := _part_named(name))), "")


def _part_named(name: str) -> str:
    """The part that a name tells: "test_data_B" is test B."""
    if found := _TEST.search(name):
        return f"test {found[1].upper()}"
    return "train" if "train" in name.lower() else ""


def _without_rates(sheet: Sheet) -> list[Discrepancy]:
    if "fps" in sheet.titles:
        return []
    told = f"{sheet.path.name} has no column Fps, and DFME has clips of 200, 300 and 500 fps"
    return of_release("dfme", [f"{told}: write the rates into the sheet, or set them by --overrides (fps)"])


def _told_of_parts(rows: Sequence[Row]) -> list[str]:
    by_part: Mapping[str, list[Row]] = {part: [row for row in rows if row.part == part] for part in (*_PARTS, "")}
    told = []
    for part, own in by_part.items():
        clips, people = len(own), len({row.subject for row in own})
        if not own:
            continue
        if not part:
            told.append(
                f"{clips} clips lie in no part that can be told: name their folder or sheet train, testA or testB, or the "
                "official split leaves them out"
            )
        elif (clips, people) == _PARTS[part]:
            told.append(f"{part}: {clips:,} clips of {people} people are annotated, as published")
        else:
            published, all_people = _PARTS[part]
            told.append(
                f"{part}: {clips:,} clips of {people} people are annotated, NOT the published {published:,} of {all_people}"
            )
    return told
