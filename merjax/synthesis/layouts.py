"""How a database's release lies on disk: names of folders and frames, image files, annotation sheets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from openpyxl import Workbook

from merjax.synthesis.plan import ClipPlan


@dataclass(frozen=True)
class Layout:
    """One database's way to store clips.

    Attributes:
        name: of the database, as merjax's readers call it.
        fps: frames per second of its camera.
        groups: its emotions, by their class in the three-class protocol of MEGC 2019 ("unused" where it leaves them
            out).
        clip: a clip's folder, relative to the release.
        frame: file name of a frame by its number on disk.
        write_sheets: writes the annotation sheets into the release's folder.
    """

    name: str
    fps: float
    groups: Mapping[str, tuple[str, ...]]
    clip: Callable[[ClipPlan], PurePath]
    frame: Callable[[ClipPlan, int], str]
    write_sheets: Callable[[Path, Sequence[ClipPlan]], None]


_CASME2_COLUMNS: tuple[Any, ...] = (
    *("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame"),
    *(None, "Action Units", "Estimated Emotion"),
)


def _casme2_name(plan: ClipPlan) -> str:
    return f"EP{1 + (plan.number - 1) // 5:02d}_{1 + (plan.number - 1) % 5:02d}" + ("f" if plan.first % 3 == 0 else "")


def _casme2_clip(plan: ClipPlan) -> PurePath:
    return PurePath("CASME2_RAW_selected", f"sub{plan.subject:02d}", _casme2_name(plan))


def _casme2_frame(plan: ClipPlan, number: int) -> str:
    return f"img{number}.jpg"


def _casme2_sheets(root: Path, plans: Sequence[ClipPlan]) -> None:
    """CASME2-coding-20140508.xlsx with its two blank columns, CASME2-ObjectiveClasses.xlsx; subjects are text."""
    coding = [_CASME2_COLUMNS]
    classes: list[tuple[Any, ...]] = [("Subject", "Filename", "Objective Class")]
    for plan in plans:
        subject, name, units = f"{plan.subject:02d}", _casme2_name(plan), plan.action_units
        # The original's cells hold a number where a single unit was coded.
        cell = int(units) if units.isdecimal() else units
        coding.append((subject, name, None, plan.onset, plan.apex, plan.offset, None, cell, plan.emotion))
        classes.append((subject, name, plan.objective_class))
    _save(root / "CASME2-coding-20140508.xlsx", "Sheet1", coding)
    _save(root / "CASME2-ObjectiveClasses.xlsx", "Sheet1", classes)


def _save(path: Path, sheet: str, rows: Iterable[Sequence[Any]]) -> None:
    book = Workbook(write_only=True)
    page = book.create_sheet(sheet)
    for row in rows:
        page.append(row)
    book.save(path)


CASME2 = Layout(
    name="casme2",
    fps=200.0,
    groups={
        "negative": ("disgust", "repression"),
        "positive": ("happiness",),
        "surprise": ("surprise",),
        "unused": ("others", "sadness", "fear"),
    },
    clip=_casme2_clip,
    frame=_casme2_frame,
    write_sheets=_casme2_sheets,
)
LAYOUTS = {layout.name: layout for layout in (CASME2,)}
