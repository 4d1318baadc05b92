"""Releases of recordings, in which clips are annotated intervals: CAS(ME)^2, CAS(ME)^3 and SAMM Long Videos. Made recordings
hold one expression each."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from merjax.synthesis.clip_layouts import samm_sheet
from merjax.synthesis.clip_plans import ClipPlan
from merjax.synthesis.release_layout import ReleaseLayout, save, unit_cell

_GROUPS = {
    "negative": ("disgust", "fear", "anger", "sadness"),
    "positive": ("happiness",),
    "surprise": ("surprise",),
    "unused": ("others",),
}
# CAS(ME)^2's two tables of names: subjects by their index, films by their codes.
_SUBJECTS = (15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 40)
_FILMS = {
    101: ("disgust1", "disgustingteeth"),
    102: ("disgust2", "eatingworms"),
    401: ("anger1", "girlcrashing"),
    402: ("anger2", "beatingpregnantwoman"),
    502: ("happy1", "funnyerrors"),
    503: ("happy2", "unnyfarting"),
    505: ("happy3", "funnyinnovations"),
    507: ("happy4", "climbingthewall"),
    508: ("happy5", "funnydunkey"),
}
_ESTIMATED = {"happiness": "positive", "surprise": "surprise", "others": "others"}
_RECORDINGS = "abcdefghijklm"  # of a subject of CAS(ME)^3
_OBJECTIVE = ("I", "II", "III", "IV", "V", "VI", "VII")
_WORDS = {"happiness": "happy", "sadness": "sad"}


def _film(plan: ClipPlan) -> int:
    return [*_FILMS][plan.number - 1]


def _casme_squared_clip(plan: ClipPlan) -> PurePath:
    subject, code = _SUBJECTS[plan.subject - 1], _film(plan)
    return PurePath("rawpic", f"s{subject}", f"{subject}_{code:04d}{_FILMS[code][1]}")


def _casme_squared_sheets(root: Path, plans: Sequence[ClipPlan]) -> None:
    """CAS(ME)^2code_final.xlsx: three sheets without headers; the codes have lost their leading zeros."""
    coding = [
        (
            *(plan.subject, f"{_FILMS[_film(plan)][0]}_1", plan.onset, plan.apex, plan.offset, unit_cell(plan)),
            *(_ESTIMATED.get(plan.emotion, "negative"), "micro-expression", plan.emotion),
        )
        for plan in plans
    ]
    subjects = [(number, f"s{number}", index) for index, number in enumerate(_SUBJECTS, 1)]
    films = [(code, name) for code, (name, _) in _FILMS.items()]
    save(
        root / "CAS(ME)^2code_final.xlsx",
        {"CASFEcode_final": coding, "naming rule1": subjects, "naming rule2": films},
    )


def _casme3_clip(plan: ClipPlan) -> PurePath:
    return PurePath("part_A", f"spNO.{plan.subject}", _RECORDINGS[plan.number - 1], "color")


def _casme3_sheets(root: Path, plans: Sequence[ClipPlan]) -> None:
    """The sheet of emotions, whose frames are text, and that of the frames, which has no emotions."""
    emotions: list[Sequence[Any]] = [
        ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
    ]
    frames: list[Sequence[Any]] = [
        ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Expression type", "Objective class")
    ]
    for plan in plans:
        recording = (f"spNO.{plan.subject}", _RECORDINGS[plan.number - 1])
        numbers, units = (plan.onset, plan.apex, plan.offset), str(unit_cell(plan))
        objective = _OBJECTIVE[plan.objective_class - 1]
        emotions.append((*recording, *map(str, numbers), units, objective, _WORDS.get(plan.emotion, plan.emotion)))
        frames.append((*recording, *numbers, units, "Micro-expression", objective))
    save(root / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", {"label": emotions})
    save(root / "CAS(ME)3_part_A_v2.xlsx", {"AU+Emotion": frames})


def _samm_long_name(plan: ClipPlan) -> str:
    return f"{plan.subject:03d}_{plan.number}_1"


def _samm_long_sheets(root: Path, plans: Sequence[ClipPlan]) -> None:
    """SAMM_LongVideos_V2_Release.xlsx: a preamble, the header in row 10, no emotions; and SAMM's own sheet, which has them."""
    columns = ("Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type")
    rows: list[Sequence[Any]] = [("Synthetic recordings in the layout of SAMM Long Videos", *[None] * 9)]
    rows += [[None] * 10] * 8 + [(*columns, "Action Units", "Notes")]
    for row, plan in enumerate(plans, 11):
        frames = (plan.onset, plan.apex, plan.offset, f"=F{row}-D{row}+1")
        rows.append((f"{plan.subject:03d}", _samm_long_name(plan), 1, *frames, "Micro - 1/2", unit_cell(plan), None))
    save(root / "SAMM_LongVideos_V2_Release.xlsx", {"FACS_Movement_Only": rows})
    samm_sheet(root, plans, _samm_long_name)


CASME_SQUARED = ReleaseLayout(
    name="casme_squared",
    fps=30.0,
    gray=False,
    margins=True,
    groups=_GROUPS,
    clip=_casme_squared_clip,
    frame=lambda plan, number: f"img{number:03d}.jpg",
    write_sheets=_casme_squared_sheets,
    subjects=len(_SUBJECTS),
    clips=len(_FILMS),
)
CASME3 = ReleaseLayout(
    name="casme3",
    fps=30.0,
    gray=False,
    margins=True,
    groups=_GROUPS,
    clip=_casme3_clip,
    frame=lambda plan, number: f"{number}.jpg",
    write_sheets=_casme3_sheets,
    clips=len(_RECORDINGS),
)
SAMM_LONG = ReleaseLayout(
    name="samm_long",
    fps=200.0,
    gray=True,
    margins=True,
    groups=_GROUPS | {"negative": (*_GROUPS["negative"], "contempt")},
    clip=lambda plan: PurePath("SAMM_longvideos", f"{plan.subject:03d}_{plan.number}"),
    frame=lambda plan, number: f"{plan.subject:03d}_{plan.number}_{number:04d}.jpg",
    write_sheets=_samm_long_sheets,
)
