"""CAS(ME)^2 (Qu et al. 2018): 300 macro- and 57 micro-expressions in 98 recordings of 22 subjects at 30 fps.

`rawpic/s15/15_0101disgustingteeth/img001.jpg`, numbered from 1; cropped releases have the same folders. Folders are found by
subject and the four digits of the film: what follows differs between copies.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from merjax.datasets.annotations import Row
from merjax.datasets.assemble import named_apart, of_release
from merjax.datasets.casme_squared_sheet import find_coding
from merjax.datasets.clip import Discrepancy, Kind, Published, Release
from merjax.datasets.folders import FolderLayout, upwards
from merjax.datasets.overrides import Overrides
from merjax.datasets.recordings import Kinds, counted, cut_out, find_recordings, rows_of_kinds
from merjax.datasets.sheets import FilesBeside
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path

Offsets = Literal["apex", "mirrored", "later"]  # what an offset that was not coded becomes
_LATER = 20  # frames, two thirds of a second
_RULES: Mapping[str, Callable[[int, int], int]] = {
    "apex": lambda onset, apex: apex,
    "mirrored": lambda onset, apex: 2 * apex - onset,
    "later": lambda onset, apex: apex + _LATER,
}
_RECORDING = re.compile(r"(\d+)_(\d{4})(?!\d).*")
_PUBLISHED: dict[Kind, Published] = {"micro": Published(57, 14), "macro": Published(300, 20)}
_ALL = Published(357, 22)
_RECORDINGS = 98  # in the list of MEGC 2020


def _key(recording: Path) -> tuple[str, str]:
    match = _RECORDING.fullmatch(recording.name)
    return (f"s{int(match[1]):02d}", match[2]) if match else ("", recording.name)


_LAYOUT = FolderLayout(
    flag="--casme-squared",
    example="s15/15_0101disgustingteeth",
    subject=re.compile(r"s\d+(?!\d).*", re.IGNORECASE),
    clips=lambda subject, folders_in: [folder for folder in folders_in(subject) if _RECORDING.fullmatch(folder.name)],
    key=_key,
)


def read_casme_squared(
    root: str | Path,
    *,
    annotations: str | Path | None = None,
    offsets: Offsets = "apex",
    kind: Kinds = "micro",
    overrides: Overrides | None = None,
) -> Release:
    """The annotated intervals of CAS(ME)^2 as clips; no image is read.

    The emotions are the estimated ones: "positive", "negative", "surprise", "others". What was assumed is said in
    `discrepancies`.

    >>> release = merjax.read_casme_squared("data/casme_squared", kind="all")
    >>> release.clips[0].key, release.clips[0].emotion, release.clips[0].kind
    ('casme_squared/s15/disgust1_1', 'negative', 'micro')

    Args:
        root: the folder of subjects (`s15`, ...), or a folder above it.
        annotations: the workbook `CAS(ME)^2code_final` with its three sheets; None looks for it in the recordings' folder and
            above, up to the folder that holds `root`.
        offsets: what an offset of 0, which was not coded, becomes: "apex", the apex (as in MEGC); "mirrored", as long after the
            apex as the onset is before it; "later", two thirds of a second after the apex.
        kind: the expressions to take: "micro", "macro" or "all".
        overrides: corrections of annotated rows, as a YAML file or a mapping; see
            `merjax.datasets.overrides.read_overrides`.

    Returns:
        The usable clips, and every discrepancy with its reason; see `merjax.read_casme2`.

    Raises:
        MerjaxError: nothing usable was found; the message says where it was looked for and what to do.
    """
    if offsets not in _RULES:
        raise MerjaxError(f"offsets: {offsets!r} is not one of {', '.join(get_args(Offsets))}")
    root = user_path(root)
    recordings = find_recordings(root, _LAYOUT)
    beside = FilesBeside(upwards(recordings.base, root))
    coding = find_coding(annotations, beside)
    read, discrepancies = rows_of_kinds(coding.sheet, "casme_squared", kind)
    placed = [replace(row, folder=coding.films.get(row.name.rpartition("_")[0].lower(), "")) for row in read]
    rows, changed = _with_offsets(placed, offsets, kind)
    told = [counted(placed, _PUBLISHED), *coding.told, *_recordings_told(len(recordings.folders))]
    discrepancies += of_release("casme_squared", told) + changed + of_release("casme_squared", beside.passed_over)
    return cut_out(
        "casme_squared",
        root,
        named_apart(rows),
        recordings,
        discrepancies,
        overrides,
        kind=kind,
        published=_ALL if kind == "all" else _PUBLISHED[kind],
        beyond=True,
        named=lambda key: f"{key[0].removeprefix('s')}_{key[1]}",
    )


def _with_offsets(rows: Sequence[Row], offsets: Offsets, kind: Kinds) -> tuple[list[Row], list[Discrepancy]]:
    """Rows whose offset was not coded with one by a rule, and what is to be said about it."""
    changed, told = [], []
    for row in rows:
        if row.offset == 0 and row.onset is not None and row.apex is not None:
            row = replace(row, offset=_RULES[offsets](row.onset, row.apex))
            if kind in (row.kind, "all"):
                reason = f"offset 0 was not coded: {row.offset} by the rule '{offsets}'"
                told.append(Discrepancy("casme_squared", row.subject, row.name, reason, dropped=False))
        changed.append(row)
    if told:
        others = " or ".join(rule for rule in get_args(Offsets) if rule != offsets)
        as_in = " (as in MEGC)" if offsets == "apex" else ""
        assumed = (
            f"assumed: {len(told)} offsets of 0 were not coded and are set by the rule '{offsets}'{as_in}; choose {others} by "
            "--casme-squared-offsets"
        )
        told = [*of_release("casme_squared", [assumed]), *told]
    return changed, told


def _recordings_told(found: int) -> list[str]:
    """Sources disagree on the number of recordings: 98 in the list of MEGC 2020, 97 on the page of MEGC 2024."""
    if found in (_RECORDINGS, _RECORDINGS - 1):
        return [f"{found} recordings; lists of others name {_RECORDINGS} (MEGC 2020) or {_RECORDINGS - 1} (MEGC 2024)"]
    return [f"{found} recordings, NOT the {_RECORDINGS} of MEGC 2020's list or the {_RECORDINGS - 1} of MEGC 2024"]
