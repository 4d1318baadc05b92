"""What a layout is: one database's names of folders and frames, image files, annotation sheets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from openpyxl import Workbook

from merjax.synthesis.clip_plans import ClipPlan

LayoutName = Literal["casme2", "samm", "smic", "casme_squared", "casme3", "samm_long", "casme1", "mmew", "dfme"]


@dataclass(frozen=True)
class ReleaseLayout:
    """One database's way to store clips.

    Attributes:
        name: the database's name, as merjax's readers call it.
        fps: frames per second of its camera.
        groups: its emotions, by their class in the three-class protocol of MEGC 2019 ("unused" for emotions that it leaves
            out).
        gray: whether frames are gray instead of colour.
        margins: whether frames before the onset and after the offset are kept.
        clip: a clip's folder, relative to the release.
        frame: file name of a frame by its number on disk; its ending names the image format.
        write_sheets: writes the annotation sheets into the release's folder.
        subjects, clips: the largest number of subjects, and of clips of each, for which the database has names; None: any.
    """

    name: LayoutName
    fps: float
    gray: bool
    margins: bool
    groups: Mapping[str, tuple[str, ...]]
    clip: Callable[[ClipPlan], PurePath]
    frame: Callable[[ClipPlan, int], str]
    write_sheets: Callable[[Path, Sequence[ClipPlan]], None]
    subjects: int | None = None
    clips: int | None = None


def unit_cell(plan: ClipPlan) -> int | str:
    """The originals' cells hold a number where a single unit was coded."""
    return int(plan.action_units) if plan.action_units.isdecimal() else plan.action_units


def save(path: Path, sheets: Mapping[str, Iterable[Sequence[Any]]]) -> None:
    """Write a workbook: by name its sheets, each a row after another."""
    book = Workbook(write_only=True)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    book.save(path)
