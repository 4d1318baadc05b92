"""SAMM (Davison et al. 2018): 159 clips of 29 subjects at 200 fps, gray; `006/006_1_2/006_05562.jpg`."""

import re
from pathlib import Path

from merjax.datasets.annotations import rows_of
from merjax.datasets.assemble import assemble, of_release
from merjax.datasets.clip import DATABASES, Release
from merjax.datasets.folders import FolderLayout, FoldersIn, find_folders, upwards
from merjax.datasets.overrides import Overrides
from merjax.datasets.sheets import CLIP_COLUMNS, FilesBeside, choose_sheet
from merjax.system.paths import user_path

_CLIP = re.compile(r"\d{3}_\d+_\d+")


def _clips(subject: Path, folders_in: FoldersIn) -> list[Path]:
    return [folder for folder in folders_in(subject) if _CLIP.fullmatch(folder.name)]


_LAYOUT = FolderLayout(
    flag="--samm",
    example="006/006_1_2",
    subject=re.compile(r"\d{3}"),
    clips=_clips,
    key=lambda clip: (clip.parent.name, clip.name),
)


def read_samm(
    root: str | Path, *, annotations: str | Path | None = None, overrides: Overrides | None = None
) -> Release:
    """The clips of a SAMM release: what its sheet and folders say about them; no image is read.

    >>> release = merjax.read_samm("data/samm", overrides={"samm": {"001/001_1_1": {"emotion": "contempt"}}})
    >>> release.clips[0].key, release.clips[0].emotion, release.clips[0].fps
    ('samm/001/001_1_1', 'contempt', 200.0)

    Args:
        root: the folder of subjects (`006`, ...), or a folder above it.
        annotations: the sheet of FACS codes, which holds the objective classes as well; None looks for it in the clips' folder
            and above, up to the folder that holds `root`.
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
    sheet = choose_sheet(annotations, beside, CLIP_COLUMNS, _CLIP, "--samm-annotations")
    rows, discrepancies = rows_of(sheet, DATABASES["samm"])
    discrepancies += of_release("samm", [*passed_over, *beside.passed_over])
    class_sheet = sheet if "objective_class" in sheet.titles else None
    return assemble("samm", root, rows, folders, discrepancies, overrides, class_sheet=class_sheet)
