"""CASME, the first (Yan et al. 2013): 189 rows of 18 subjects at 60 fps, raw or cropped.

Images are `sub01/EP01_12/EP01_12-7.jpg` (raw) or `reg_EP01_12-7.jpg` (cropped), numbered with and without leading zeros.
Several rows may lie in one folder. Folders, columns and counts are known from other people's code and tables: merjax's authors
have not seen the release itself.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from merjax.datasets.annotations import Row, rows_of
from merjax.datasets.assemble import assemble, folded, named_apart, of_release
from merjax.datasets.clip import DATABASES, Discrepancy, Release
from merjax.datasets.folders import Folder, FolderLayout, find_folders, first_image, upwards
from merjax.datasets.overrides import Overrides
from merjax.datasets.sheets import CLIP_COLUMNS, COLUMNS, FilesBeside, choose_sheet, given_sheet
from merjax.system.columns import Column, Columns, Sheet
from merjax.system.paths import user_path

_FLAG = "--casme1-annotations"
_CLIP = re.compile(r"EP\d+\w*", re.IGNORECASE)
_OF_CASME2 = re.compile(r"(reg_)?img\d+\.", re.IGNORECASE)

_subject = DATABASES["casme1"].subject

# CASME II has the same names of clips: beside a release, only these titles tell the sheets apart.
_COLUMNS: Columns = {
    **COLUMNS,
    "onset": Column("OnsetF", ("onsetf",)),
    "apex": Column("ApexF1", ("apexf",)),
    "offset": Column("OffsetF", ("offsetf",)),
}
_GIVEN: Columns = {
    **_COLUMNS,
    **{name: Column(c.title, (*c.spellings, *COLUMNS[name].spellings)) for name, c in _COLUMNS.items()},
}

_LAYOUT = FolderLayout(
    flag="--casme1",
    example="sub01/EP01_12",
    subject=re.compile(r"sub\d+", re.IGNORECASE),
    clips=lambda subject, folders_in: folders_in(subject),
    key=lambda clip: (_subject(clip.parent.name) or "", clip.name),
    foreign=lambda base: bool(_OF_CASME2.match(first_image(base))),
)


def read_casme1(
    root: str | Path, *, annotations: str | Path | None = None, overrides: Overrides | None = None
) -> Release:
    """The clips of a release of the first CASME: what its sheet and folders say about them; no image is read.

    Where several rows lie in one folder, the name of each ends in its onset: "EP01_12@73". Of two apex columns, the first is
    used. What was assumed is said in `discrepancies`.

    >>> release = merjax.read_casme1("data/casme1")
    >>> release.clips[0].key, release.clips[0].emotion, release.clips[0].fps
    ('casme1/sub01/EP01_1', 'disgust', 60.0)

    Args:
        root: the folder of subjects (`sub01`, ...), or a folder above it.
        annotations: the sheet with the columns Subject, Filename, OnsetF, ApexF1, ApexF2, OffsetF, AU, Emotion; None looks for
            it in the clips' folder and above, up to the folder that holds `root`.
        overrides: corrections of annotated rows, as a YAML file or a mapping; see
            `merjax.datasets.overrides.read_overrides`.

    Returns:
        The usable clips, and every discrepancy with its reason; see `merjax.read_casme2`.

    Raises:
        MerjaxError: nothing usable was found; the message says where it was looked for and what to do.
    """
    root = user_path(root)
    base, folders, passed_over = find_folders(root, _LAYOUT)
    beside = FilesBeside(upwards(base, root), _COLUMNS)
    if annotations is None:
        sheet = choose_sheet(None, beside, CLIP_COLUMNS, _CLIP, _FLAG)
    else:
        sheet = given_sheet(annotations, CLIP_COLUMNS, _CLIP, _FLAG, _GIVEN)
    rows, discrepancies = rows_of(sheet, DATABASES["casme1"])
    discrepancies += of_release("casme1", [*_assumed(sheet), *passed_over, *beside.passed_over])
    rows, renamed = _in_their_folders(named_apart(rows), folders)
    return assemble("casme1", root, rows, folders, [*discrepancies, *renamed], overrides)


def _assumed(sheet: Sheet) -> list[str]:
    return [
        f"assumed: the apex is in column {sheet.titles['apex']} of {sheet.path.name}, the first if there are two; correct by "
        "--overrides (apex)",
        "assumed: a row's frame numbers are the last number in the names of its images, with or without leading zeros",
    ]


def _in_their_folders(rows: Sequence[Row], folders: Sequence[Folder]) -> tuple[list[Row], list[Discrepancy]]:
    """Rows whose folders are padded otherwise than the sheet writes them (EP01_5, EP01_05), with the folders' names."""
    there = {folded(folder.key) for folder in folders}
    loose = Counter(_loose(folder.key) for folder in folders)
    names = {_loose(folder.key): folder.key[1] for folder in folders}
    found, discrepancies = [], []
    for row in rows:
        key = _loose(row.place)
        if folded(row.place) in there or loose[key] != 1:
            found.append(row)
            continue
        reason = f"lies in the folder {names[key]}, which the sheet writes {row.place[1]}"
        discrepancies.append(Discrepancy("casme1", row.subject, row.name, reason, dropped=False))
        found.append(replace(row, folder=names[key]))
    return found, discrepancies


def _loose(key: tuple[str, str]) -> tuple[str, ...]:
    """A folder's key without leading zeros and case."""
    return key[0], *(part.lstrip("0") for part in re.split(r"[\W_]+", key[1].casefold().replace("ep", "ep_", 1)))
