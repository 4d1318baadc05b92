"""How a database's release lies on disk: names of folders and frames, image files, annotation sheets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from openpyxl import Workbook

from merjax.synthesis.clip_plans import ClipPlan

LayoutName = Literal["casme2", "samm", "smic"]


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
    """

    name: LayoutName
    fps: float
    gray: bool
    margins: bool
    groups: Mapping[str, tuple[str, ...]]
    clip: Callable[[ClipPlan], PurePath]
    frame: Callable[[ClipPlan, int], str]
    write_sheets: Callable[[Path, Sequence[ClipPlan]], None]


_CASME2_COLUMNS: tuple[Any, ...] = (
    *("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame"),
    *(None, "Action Units", "Estimated Emotion"),
)
_SAMM_COLUMNS: tuple[Any, ...] = (
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro"),
    *("Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
)


def _casme2_name(plan: ClipPlan) -> str:
    return f"EP{1 + (plan.number - 1) // 5:02d}_{1 + (plan.number - 1) % 5:02d}" + ("f" if plan.first % 3 == 0 else "")


def _casme2_clip(plan: ClipPlan) -> PurePath:
    return PurePath("CASME2_RAW_selected", f"sub{plan.subject:02d}", _casme2_name(plan))


def _casme2_frame(plan: ClipPlan, number: int) -> str:
    return f"img{number}.jpg"


def _casme2_sheets(root: Path, plans: Sequence[ClipPlan]) -> None:
    """CASME2-coding-20140508.xlsx with its two blank columns, and CASME2-ObjectiveClasses.xlsx; subjects are text."""
    coding = [_CASME2_COLUMNS]
    classes: list[tuple[Any, ...]] = [("Subject", "Filename", "Objective Class")]
    for plan in plans:
        subject, name, units = f"{plan.subject:02d}", _casme2_name(plan), _unit_cell(plan)
        coding.append((subject, name, None, plan.onset, plan.apex, plan.offset, None, units, plan.emotion))
        classes.append((subject, name, plan.objective_class))
    _save(root / "CASME2-coding-20140508.xlsx", "Sheet1", coding)
    _save(root / "CASME2-ObjectiveClasses.xlsx", "Sheet1", classes)


def _samm_name(plan: ClipPlan) -> str:
    return f"{plan.subject:03d}_{1 + (plan.number - 1) // 5}_{1 + (plan.number - 1) % 5}"


def _samm_clip(plan: ClipPlan) -> PurePath:
    return PurePath("SAMM", f"{plan.subject:03d}", _samm_name(plan))


def _samm_frame(plan: ClipPlan, number: int) -> str:
    return f"{plan.subject:03d}_{number:05d}.jpg"


def _samm_sheet(root: Path, plans: Sequence[ClipPlan]) -> None:
    """SAMM_Micro_FACS_Codes_v2.xlsx: a preamble, the header in row 14, the duration as a formula."""
    rows: list[Sequence[Any]] = [("Synthetic clips in the layout of SAMM's Master FACS Codes", *[None] * 11)]
    rows += [[None] * 12] * 12 + [_SAMM_COLUMNS]
    for row, plan in enumerate(plans, 15):
        emotion = "Other" if plan.emotion == "others" else plan.emotion.capitalize()
        frames = (plan.onset, plan.apex, plan.offset, f"=SUM(F{row}-D{row})+1")
        name, inducement = _samm_name(plan), 1 + (plan.number - 1) // 5
        labels = ("Micro - 1/2", _unit_cell(plan), emotion, plan.objective_class, None)
        rows.append((f"{plan.subject:03d}", name, inducement, *frames, *labels))
    _save(root / "SAMM_Micro_FACS_Codes_v2.xlsx", "MICRO_ONLY", rows)


def _smic_class(plan: ClipPlan) -> str:
    return next(name for name, emotions in SMIC.groups.items() if plan.emotion in emotions)


def _smic_clip(plan: ClipPlan) -> PurePath:
    emotion, subject = _smic_class(plan), f"s{plan.subject}"
    code = {"negative": "ne", "positive": "po", "surprise": "sur"}[emotion]
    return PurePath("SMIC_all_raw", "HS", subject, "micro", emotion, f"{subject}_{code}_{plan.number:02d}")


def _smic_frame(plan: ClipPlan, number: int) -> str:
    return f"image{number:06d}.bmp"


def _no_sheets(root: Path, plans: Sequence[ClipPlan]) -> None:
    """SMIC has no sheets: its folders hold all annotations."""


def _unit_cell(plan: ClipPlan) -> int | str:
    """The originals' cells hold a number where a single unit was coded."""
    return int(plan.action_units) if plan.action_units.isdecimal() else plan.action_units


def _save(path: Path, sheet: str, rows: Iterable[Sequence[Any]]) -> None:
    book = Workbook(write_only=True)
    page = book.create_sheet(sheet)
    for row in rows:
        page.append(row)
    book.save(path)


CASME2 = ReleaseLayout(
    name="casme2",
    fps=200.0,
    gray=False,
    margins=True,
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
SAMM = ReleaseLayout(
    name="samm",
    fps=200.0,
    gray=True,
    margins=True,
    groups={
        "negative": ("anger", "contempt", "disgust", "fear", "sadness"),
        "positive": ("happiness",),
        "surprise": ("surprise",),
        "unused": ("others",),
    },
    clip=_samm_clip,
    frame=_samm_frame,
    write_sheets=_samm_sheet,
)
SMIC = ReleaseLayout(
    name="smic",
    fps=100.0,
    gray=False,
    margins=False,
    groups={
        "negative": ("disgust", "sadness", "fear", "anger"),
        "positive": ("happiness",),
        "surprise": ("surprise",),
    },
    clip=_smic_clip,
    frame=_smic_frame,
    write_sheets=_no_sheets,
)
LAYOUTS: dict[LayoutName, ReleaseLayout] = {layout.name: layout for layout in (CASME2, SAMM, SMIC)}
