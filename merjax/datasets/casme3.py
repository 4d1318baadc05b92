"""CAS(ME)^3, part A (Li et al. 2023): 860 micro- and 3,346 macro-expressions (v2) in recordings of 98 subjects at 30 fps.

`part_A/spNO.1/a/color/355.jpg`, or ready-made clips, `frame/spNO.1_b_166/166.jpg`. The numbers in the sheets are the pictures'
names; the camera skipped some numbers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from merjax.datasets.annotations import Row
from merjax.datasets.assemble import folded, of_release
from merjax.datasets.casme3_sheets import by_emotion, damaged_pictures, find_sheets, read_annotations
from merjax.datasets.clip import DATABASES, Kind, Published, Release
from merjax.datasets.folders import FolderLayout, FoldersIn, upwards
from merjax.datasets.overrides import Overrides
from merjax.datasets.recordings import Kinds, Recordings, counted, cut_out, find_recordings
from merjax.datasets.sheets import FilesBeside
from merjax.system.paths import user_path

_PLACE = re.compile(r"spNO\.?(\d+)(?:_([a-z])_(\d+))?(?![\d_]).*", re.IGNORECASE)
_RECORDING = re.compile(r"[a-z](?![a-z\d]).*", re.IGNORECASE)
_COLOUR = "color"
_LONGEST = 900  # frames of a micro-expression, 30 s; the longest that is annotated has 730
_PUBLISHED: dict[str, dict[Kind, Published]] = {
    "v1": {"micro": Published(921, 95)},
    "v2": {"micro": Published(860, 94), "macro": Published(3346, 98)},
}
_ALL_OF_V2 = Published(4206, 98)
_OF_EMOTIONS: dict[str, Mapping[str, int]] = {
    "v1": {"disgust": 275, "surprise": 199, "others": 166, "fear": 91, "anger": 67, "sad": 63, "happy": 60},
    "v2": {"disgust": 250, "surprise": 187, "others": 161, "fear": 86, "anger": 64, "sad": 57, "happy": 55},
}
_VERSIONS = {of_kinds["micro"].clips: version for version, of_kinds in _PUBLISHED.items()}
# wrong in both sheets; these corrections are those of other people's code
_OFFERED = {
    "spNO.214/c_5": "{offset: 34}",
    "spNO.216/e_0": "{onset: 1, apex: 1}",
    "spNO.215/l_0": "{onset: 1}",
}

_subject = DATABASES["casme3"].subject


def read_casme3(
    root: str | Path,
    *,
    annotations: str | Path | Sequence[str | Path] | None = None,
    kind: Kinds = "micro",
    overrides: Overrides | None = None,
) -> Release:
    """The annotated intervals of CAS(ME)^3's part A as clips; no image is read.

    Emotions are those of the sheet JpgIndex, frames those of the sheet AU+Emotion, where both are there; rows on which they
    differ are listed. A clip is named after its recording and onset ("b_166"), as its owner names ready-made clips.
    `release.version` is "v1" or "v2", by the number of rows. What was assumed is said in `discrepancies`.

    >>> release = merjax.read_casme3("data/casme3")
    >>> release.clips[0].key, release.clips[0].emotion, release.clips[0].objective_class
    ('casme3/spNO.1/a_176', 'disgust', 3)

    Args:
        root: the folder of subjects (`spNO.1`, ...) or of ready-made clips (`spNO.1_b_166`, ...), or a folder above it.
        annotations: one of the two sheets, or both, told apart by their columns; None looks for them in the recordings' folder
            and above, up to the folder that holds `root`.
        kind: the expressions to take: "micro", "macro" or "all". Macro-expressions have no emotion in these sheets.
        overrides: corrections of annotated rows, as a YAML file or a mapping; see
            `merjax.datasets.overrides.read_overrides`.

    Returns:
        The usable clips, and every discrepancy with its reason; see `merjax.read_casme2`.

    Raises:
        MerjaxError: nothing usable was found; the message says where it was looked for and what to do.
    """
    root = user_path(root)
    recordings = find_recordings(root, _layout(kind))
    beside = FilesBeside(upwards(recordings.base, root))
    sheets = find_sheets(annotations, beside)
    annotated = read_annotations(sheets, kind)
    damaged, told = damaged_pictures(beside.folders)
    version = _VERSIONS.get(sum(row.kind == "micro" for row in annotated.rows), "")
    told += _versions_told(annotated.rows, version, kind, bool(sheets.emotions), bool(sheets.frames))
    release = cut_out(
        "casme3",
        root,
        [_placed(row, recordings) for row in annotated.rows],
        _without(recordings, damaged),
        of_release("casme3", told) + annotated.told + of_release("casme3", beside.passed_over),
        overrides,
        kind=kind,
        published=_ALL_OF_V2 if kind == "all" else _PUBLISHED.get(version, {}).get(kind, _PUBLISHED["v2"][kind]),
        class_sheet=annotated.class_sheet,
        counters=True,
        refuse=_wrong,
        named=lambda key: "" if "_" in key[1] else key[1],  # a ready-made clip is none
    )
    return replace(release, version=version)


def _layout(kind: Kinds) -> FolderLayout:
    return FolderLayout(
        flag="--casme3",
        example="spNO.1/a/color or spNO.1_b_166",
        subject=_PLACE,
        clips=_pictures,
        key=_key,
        foreign=partial(_is_foreign, kind),
    )


def _pictures(place: Path, folders_in: FoldersIn) -> list[Path]:
    """The folders of pictures of a subject, or a ready-made clip's own."""
    match = _PLACE.fullmatch(place.name)
    if match and match[2]:
        return [place]
    recordings = [folder for folder in folders_in(place) if _RECORDING.fullmatch(folder.name)]
    return [folder / _COLOUR if (folder / _COLOUR).is_dir() else folder for folder in recordings]


def _key(pictures: Path) -> tuple[str, str]:
    """(subject, recording) of a folder of pictures, or (subject, recording_onset) of a ready-made clip."""
    match = _PLACE.fullmatch(pictures.name)
    if match and match[2]:
        return _subject(match[1]) or "", f"{match[2]}_{match[3]}"
    recording = pictures.parent if pictures.name == _COLOUR else pictures
    match = _PLACE.fullmatch(recording.parent.name)
    return (_subject(match[1]) if match else None) or "", recording.name[0]


def _is_foreign(kind: Kinds, base: Path) -> bool:
    """Whether a folder holds pictures of depth, or ready-made clips of the other kind."""
    names = f"{base.parent.name} {base.name}".lower()
    of_kind = "micro" if "me_clip" in names and "mae_clip" not in names else "macro" if "mae_clip" in names else kind
    return "depth" in names or (kind != "all" and of_kind != kind)


def _placed(row: Row, recordings: Recordings) -> Row:
    """A row with the folder that is there: its recording, or a ready-made clip, which either sheet's onset may name."""
    names = (row.folder, row.name, f"{row.folder}_{row.onset}")
    there = [name for name in names if folded((row.subject, name)) in recordings.folders]
    return replace(row, folder=there[0] if there else row.folder)


def _without(recordings: Recordings, damaged: Mapping[tuple[str, str], set[int]]) -> Recordings:
    of_folders = {
        path: damaged.get((subject, name.partition("_")[0]), set())
        for (subject, name), paths in recordings.folders.items()
        for path in paths
    }
    return replace(recordings, damaged=of_folders)


def _wrong(row: Row) -> str:
    """Why a row cannot be right."""
    key = f"{row.subject}/{row.name}"
    hint = "; correct it by --overrides"
    if key in _OFFERED:
        hint += f", as other people's code does: casme3: {{{key}: {_OFFERED[key]}}}"
    if row.onset == 0:
        return f"onset 0 has no picture, since the names of pictures begin at 1{hint}"
    length = 0 if row.onset is None or row.offset is None else row.offset - row.onset + 1
    if row.kind == "micro" and length > _LONGEST:
        return f"lasts {length} frames, {length / 30:.0f} s, which no micro-expression does{hint}"
    return ""


def _versions_told(rows: Sequence[Row], version: str, kind: Kinds, emotions: bool, frames: bool) -> list[str]:
    """Which version of the annotations it is, and how many rows it has."""
    published = _PUBLISHED.get(version, _PUBLISHED["v2"])
    there = {kind: numbers for kind, numbers in published.items() if kind == "micro" or frames}
    told = [f"version {version} of the annotations" if version else
            "assumed: a version of the annotations that is neither v1 (921 micro-expressions) nor v2 (860)"]  # fmt: skip
    told.append(counted(rows, there))
    if frames and kind != "micro":
        told.append("macro-expressions have no emotion: these sheets give emotions of micro-expressions only")
    if emotions:
        told.append(by_emotion(rows, _OF_EMOTIONS.get(version, _OF_EMOTIONS["v2"])))
    return told
