"""Releases of clips in folders of their own: CASME II, SAMM, SMIC; and CASME, MMEW and DFME."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from merjax.synthesis.clip_plans import ClipPlan
from merjax.synthesis.release_layout import ReleaseLayout, save, unit_cell

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
        subject, name, units = f"{plan.subject:02d}", _casme2_name(plan), unit_cell(plan)
        coding.append((subject, name, None, plan.onset, plan.apex, plan.offset, None, units, plan.emotion))
        classes.append((subject, name, plan.objective_class))
    save(root / "CASME2-coding-20140508.xlsx", {"Sheet1": coding})
    save(root / "CASME2-ObjectiveClasses.xlsx", {"Sheet1": classes})


def _samm_name(plan: ClipPlan) -> str:
    return f"{plan.subject:03d}_{1 + (plan.number - 1) // 5}_{1 + (plan.number - 1) % 5}"


def _samm_clip(plan: ClipPlan) -> PurePath:
    return PurePath("SAMM", f"{plan.subject:03d}", _samm_name(plan))


def _samm_frame(plan: ClipPlan, number: int) -> str:
    return f"{plan.subject:03d}_{number:05d}.jpg"


def samm_sheet(root: Path, named: Iterable[tuple[str, ClipPlan]]) -> None:
    """SAMM_Micro_FACS_Codes_v2.xlsx: a preamble, the header in row 14, the duration as a formula.

    Args:
        root: the release's folder.
        named: the clips, each with its name.
    """
    rows: list[Sequence[Any]] = [("Synthetic clips in the layout of SAMM's Master FACS Codes", *[None] * 11)]
    rows += [[None] * 12] * 12 + [_SAMM_COLUMNS]
    for row, (name, plan) in enumerate(named, 15):
        emotion = "Other" if plan.emotion == "others" else plan.emotion.capitalize()
        frames = (plan.onset, plan.apex, plan.offset, f"=SUM(F{row}-D{row})+1")
        inducement = 1 + (plan.number - 1) // 5
        labels = ("Micro - 1/2", unit_cell(plan), emotion, plan.objective_class, None)
        rows.append((f"{plan.subject:03d}", name, inducement, *frames, *labels))
    save(root / "SAMM_Micro_FACS_Codes_v2.xlsx", {"MICRO_ONLY": rows})


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
    write_sheets=lambda root, plans: samm_sheet(root, [(_samm_name(plan), plan) for plan in plans]),
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

_CASME_COLUMNS = ("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU", "Emotion")
_MMEW_COLUMNS = (
    *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"),
    *("Action Units", "Estimated Emotion", "remarks"),
)
_DFME_COLUMNS = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Emotion", "EmotionId", "Fps", "AU")
_DFME_EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
# of each four subjects, two are in the training part and one in each of the others
_DFME_PARTS = ("DFME_test_B", "DFME_train", "DFME_train", "DFME_test_A")
_MMEW_EMOTIONS = ("happiness", "anger", "surprise", "disgust", "fear", "sadness", "others")
_NEGATIVE = ("disgust", "repression", "sadness", "fear", "contempt")


def _casme1_name(plan: ClipPlan) -> str:
    return f"EP{1 + (plan.number - 1) // 5:02d}_{1 + (plan.number - 1) % 5}"


def _casme1_sheet(root: Path, plans: Sequence[ClipPlan]) -> None:
    """With two blank columns and two apex columns; subjects are numbers."""
    rows: list[Sequence[Any]] = [_CASME_COLUMNS]
    for plan in plans:
        frames = (plan.onset, plan.apex, None, plan.offset)
        rows.append((plan.subject, _casme1_name(plan), None, *frames, None, unit_cell(plan), plan.emotion))
    save(root / "casme.xlsx", {"Sheet1": rows})


def _mmew_name(plan: ClipPlan) -> str:
    return f"S{plan.subject:02d}-{1 + _MMEW_EMOTIONS.index(plan.emotion):02d}-{plan.number:03d}"


def _mmew_sheet(root: Path, plans: Sequence[ClipPlan]) -> None:
    """Frames count from 1 in each clip's folder."""
    rows: list[Sequence[Any]] = [_MMEW_COLUMNS]
    for plan in plans:
        frames = (number - plan.first + 1 for number in (plan.onset, plan.apex, plan.offset))
        rows.append((f"{plan.subject:02d}", _mmew_name(plan), *frames, unit_cell(plan), plan.emotion, None))
    save(root / "MMEW_Micro_Exp.xlsx", {"Sheet1": rows})


def _dfme_part(plan: ClipPlan) -> str:
    return _DFME_PARTS[plan.subject % len(_DFME_PARTS)]


def _dfme_name(plan: ClipPlan) -> str:
    return f"sub{plan.subject:04d}_{plan.number:02d}"


def _dfme_sheets(root: Path, plans: Sequence[ClipPlan]) -> None:
    """A sheet per part, beside its folder; frames count from 0, which is each clip's onset."""
    for part in dict.fromkeys(map(_dfme_part, plans)):
        rows: list[Sequence[Any]] = [_DFME_COLUMNS]
        for plan in (plan for plan in plans if _dfme_part(plan) == part):
            frames = (0, plan.apex - plan.onset, plan.offset - plan.onset)
            emotion = (plan.emotion, _DFME_EMOTIONS.index(plan.emotion))
            rows.append((f"sub{plan.subject:04d}", _dfme_name(plan), *frames, *emotion, int(DFME.fps), unit_cell(plan)))
        save(root / f"{part.removeprefix('DFME_')}_with_AU.xlsx", {"Sheet1": rows})


CASME1 = ReleaseLayout(
    name="casme1",
    fps=60.0,
    gray=False,
    margins=True,
    groups={"negative": _NEGATIVE, "positive": ("happiness",), "surprise": ("surprise",)},
    clip=lambda plan: PurePath("CASME_raw_selected", f"sub{plan.subject:02d}", _casme1_name(plan)),
    frame=lambda plan, number: f"{_casme1_name(plan)}-{number}.jpg",
    write_sheets=_casme1_sheet,
)
MMEW = ReleaseLayout(
    name="mmew",
    fps=90.0,
    gray=False,
    margins=True,
    groups={
        "negative": ("disgust", "anger", "fear", "sadness"),
        "positive": ("happiness",),
        "surprise": ("surprise",),
        "unused": ("others",),
    },
    clip=lambda plan: PurePath("MMEW_Final", "Micro_Expression", plan.emotion, _mmew_name(plan)),
    frame=lambda plan, number: f"{number - plan.first + 1}.jpg",
    write_sheets=_mmew_sheet,
)
DFME = ReleaseLayout(
    name="dfme",
    fps=200.0,
    gray=False,
    margins=False,
    groups={
        "negative": ("anger", "contempt", "disgust", "fear", "sadness"),
        "positive": ("happiness",),
        "surprise": ("surprise",),
    },
    clip=lambda plan: PurePath(_dfme_part(plan), _dfme_name(plan)),
    frame=lambda plan, number: f"{number - plan.onset:05d}.png",
    write_sheets=_dfme_sheets,
)
