"""SMIC-HS (Li et al. 2013): 164 clips of 16 subjects at 100 fps, three classes, no sheet.

The folders hold all annotations: `HS/s1/micro/negative/s1_ne_01/image072643.bmp`. `non_micro` lies beside `micro`, and the
other cameras' `VIS` and `NIR` lie beside `HS`; none of these belongs to the 164.
"""

import os
import re
from pathlib import Path

from merjax.datasets.annotations import Key, Row
from merjax.datasets.assemble import assemble, of_release
from merjax.datasets.clip import Discrepancy, Release
from merjax.datasets.folders import Folder, FolderLayout, FoldersIn, find_folders
from merjax.datasets.overrides import Overrides
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path

_CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
_SUBJECT = re.compile(r"s\d+", re.IGNORECASE)
_CLIP = re.compile(r"s(\d+)_(ne|po|sur)_(\d+)", re.IGNORECASE)
_LONG_RELEASE = re.compile(r"(HS|VIS|NIR)_long|SMIC[-_]((HS|VIS|NIR)[-_])?E([-_ ].*)?", re.IGNORECASE)


def _clips(subject: Path, folders_in: FoldersIn) -> list[Path]:
    return [
        clip
        for micro in folders_in(subject)
        if micro.name.lower() == "micro"
        for emotion in folders_in(micro)
        if emotion.name.lower() in _CODES
        for clip in folders_in(emotion)
    ]


def _key(clip: Path) -> tuple[str, str]:
    """(subject, clip) as the MEGC list writes them: s1, s1_ne_01 are s01, s01_ne_01."""
    subject = f"s{int(clip.parents[2].name[1:]):02d}"
    match = _CLIP.fullmatch(clip.name)
    return subject, f"s{int(match[1]):02d}_{match[2].lower()}_{int(match[3]):02d}" if match else clip.name


_LAYOUT = FolderLayout(
    flag="--smic",
    example="HS/s1/micro/negative/s1_ne_01",
    subject=_SUBJECT,
    clips=_clips,
    key=_key,
    foreign=lambda base: base.name.upper() in ("VIS", "NIR"),
)


def read_smic(root: str | Path, *, overrides: Overrides | None = None) -> Release:
    """The clips of a SMIC-HS release; onset and offset are the first and last file, and there is no apex.

    SMIC has no sheet: its folders hold all annotations. The frame numbers are the camera's counters. Where they skip numbers,
    the clip has the frames that are there, and a discrepancy says so.

    >>> release = merjax.read_smic("data/smic")
    >>> release.clips[0].key, release.clips[0].emotion, release.clips[0].apex
    ('smic/s01/s01_ne_01', 'negative', None)

    Args:
        root: the folder of subjects (`HS`), or a folder above it.
        overrides: corrections of these annotations, as a YAML file or a mapping, which may give apexes; see
            `merjax.datasets.overrides.read_overrides`.

    Returns:
        The usable clips, and every discrepancy with its reason; see `merjax.read_casme2`.

    Raises:
        MerjaxError: nothing usable was found, or `root` holds the long clips of SMIC-E.
    """
    root = user_path(root)
    try:
        _, folders, passed_over = find_folders(root, _LAYOUT)
    except MerjaxError:
        if root.is_dir() and _is_long_release(root):
            raise MerjaxError(
                f"{root}: this is SMIC-E, the release of long clips: its 157 clips are cut "
                "differently and cannot give the 164 of MEGC 2019; point --smic at SMIC_all_raw or SMIC_all_cropped"
            ) from None
        raise
    rows: dict[Key, Row] = {}
    kept, discrepancies = [], of_release("smic", passed_over)
    for folder in folders:
        emotion = folder.path.parent.name.lower()
        if remark := _contradiction(folder, emotion):
            discrepancies.append(Discrepancy("smic", *folder.key, remark, dropped=True))
        else:
            first, last = min(folder.frames), max(folder.frames)
            rows[folder.key] = Row(*folder.key, first, None, last, emotion, "", None)
            kept.append(folder)
    return assemble("smic", root, list(rows.values()), kept, discrepancies, overrides, counters=True)


def _contradiction(folder: Folder, emotion: str) -> str:
    """Why a folder is not a clip of its emotion; "" if it is."""
    subject, name = folder.key
    if not folder.frames:
        return "folder without images"
    if not name.startswith(f"{subject}_{_CODES[emotion]}_"):
        return f"lies in '{emotion}' of {subject}, where names begin with {subject}_{_CODES[emotion]}_"
    return ""


def _is_long_release(root: Path) -> bool:
    """Whether SMIC-E lies at or below a folder: by its names, or by clips right below the subjects."""
    if any(_LONG_RELEASE.fullmatch(part) for part in root.resolve().parts[-3:]):
        return True
    for folder, names, files in os.walk(root):
        if any(_LONG_RELEASE.fullmatch(name) for name in names + [os.path.splitext(file)[0] for file in files]):
            return True
        if _SUBJECT.fullmatch(os.path.basename(folder)) and any(_CLIP.fullmatch(name) for name in names):
            return True
    return False
