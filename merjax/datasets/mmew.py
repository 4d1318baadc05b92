"""MMEW, the micro-expressions (Ben et al. 2021): 300 rows, with or without folders of subjects.

`Micro_Expression/disgust/S13-07-001/1.jpg`, or `S13/disgust/S13-07-001/1.jpg`. Folders, columns and counts are known from
other people's code and tables: merjax's authors have not seen the release itself.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from merjax.datasets.annotations import Row, rows_of
from merjax.datasets.assemble import assemble, folded, of_release
from merjax.datasets.clip import DATABASES, Release
from merjax.datasets.folders import Folder, FolderLayout, FoldersIn, find_folders, upwards
from merjax.datasets.overrides import Overrides
from merjax.datasets.sheets import CLIP_COLUMNS, FilesBeside, choose_sheet
from merjax.datasets.shown import several
from merjax.system.paths import user_path

_FLAG = "--mmew-annotations"
_EMOTIONS = ("happiness", "surprise", "disgust", "repression", "others", "fear", "sadness", "anger")
_CLIP = re.compile(r"S(\d+)-(\d+)-(\d+)", re.IGNORECASE)
_FOLDER = re.compile(rf"{_CLIP.pattern}(?!\d).*", re.IGNORECASE)  # an unzip program may have added " (1)" to its name
_SUBJECT = re.compile(r"S\d{1,3}", re.IGNORECASE)

_subject = DATABASES["mmew"].subject


def _clips(folder: Path, folders_in: FoldersIn) -> list[Path]:
    """The clips below a subject's folder, or below an emotion's."""
    emotions = [folder]
    if _SUBJECT.fullmatch(folder.name):
        emotions = [entry for entry in folders_in(folder) if entry.name.lower() in _EMOTIONS]
    return [clip for emotion in emotions for clip in folders_in(emotion) if _FOLDER.fullmatch(clip.name)]


_LAYOUT = FolderLayout(
    flag="--mmew",
    example="disgust/S13-07-001 or S13/disgust/S13-07-001",
    subject=re.compile(f"{_SUBJECT.pattern}|{'|'.join(_EMOTIONS)}", re.IGNORECASE),
    clips=_clips,
    key=lambda clip: (_subject(clip.name.partition("-")[0]) or "", clip.name),
    foreign=lambda base: "macro" in base.name.lower(),
)


def read_mmew(
    root: str | Path, *, annotations: str | Path | None = None, overrides: Overrides | None = None
) -> Release:
    """The micro-expressions of an MMEW release: what its sheet and folders say about them; no image is read.

    What was assumed is said in `discrepancies`: the frame rate, and that the sheet's numbers are file names.

    >>> release = merjax.read_mmew("data/mmew")
    >>> release.clips[0].key, release.clips[0].emotion, release.clips[0].fps
    ('mmew/S01/S01-04-001', 'disgust', 90.0)

    Args:
        root: the folder of emotions, or of subjects, or a folder above it (`MMEW_Final`).
        annotations: the sheet with the columns Subject, Filename, OnsetFrame, ApexFrame, OffsetFrame, Action Units, Estimated
            Emotion; None looks for it in the clips' folder and above, up to the folder that holds `root`.
        overrides: corrections of annotated rows, as a YAML file or a mapping; see
            `merjax.datasets.overrides.read_overrides`.

    Returns:
        The usable clips, and every discrepancy with its reason; see `merjax.read_casme2`.

    Raises:
        MerjaxError: nothing usable was found; the message says where it was looked for and what to do.
    """
    root = user_path(root)
    base, folders, passed_over = find_folders(root, _LAYOUT)
    beside = FilesBeside(upwards(base, root))
    sheet = choose_sheet(annotations, beside, CLIP_COLUMNS, _CLIP, _FLAG)
    rows, discrepancies = rows_of(sheet, DATABASES["mmew"])
    told = [*_ASSUMED, *_other_emotions(rows, folders), *passed_over, *beside.passed_over]
    discrepancies += of_release("mmew", told)
    return assemble("mmew", root, rows, folders, discrepancies, overrides)


_ASSUMED = (
    f"assumed: {DATABASES['mmew'].fps:g} frames per second; set another rate by --overrides, as mmew: {{all: {{fps: 60}}}}",
    "assumed: the sheet's frame numbers are the names of the files in a clip's folder; a clip that lacks them is left out",
)


def _other_emotions(rows: Sequence[Row], folders: Sequence[Folder]) -> list[str]:
    """Sentences about clips that lie in the folder of another emotion than the sheet gives them."""
    lie_in = {folded(folder.key): folder.path.parent.name.lower() for folder in folders}
    found = Counter((row.emotion, lie_in.get(folded(row.place), row.emotion)) for row in rows)
    return [
        f"the sheet says '{emotion}' of {several(n, 'clip')} in the folder '{folder}': the sheet's word is used; correct it "
        "by --overrides (emotion)"
        for (emotion, folder), n in sorted(found.items())
        if emotion != folder
    ]
