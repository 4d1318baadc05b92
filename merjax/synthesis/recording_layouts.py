"""Releases of recordings, in which clips are annotated intervals: CAS(ME)^2, CAS(ME)^3 and SAMM Long Videos.

Recordings of a release of clips hold one expression each; those of `merjax.synthesis.long_layouts` hold several.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from merjax.datasets.clip import Kind
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


class Annotated(NamedTuple):
    """An expression of a recording.

    Attributes:
        plan: the expression as a clip; its number is the recording's among its subject's.
        position: which expression of its recording it is, from 1.
        kind: "micro" or "macro".
    """

    plan: ClipPlan
    position: int
    kind: Kind


def _alone(plans: Sequence[ClipPlan]) -> list[Annotated]:
    return [Annotated(plan, 1, "micro") for plan in plans]


def casme_squared_names(subject: int, number: int) -> tuple[str, str, PurePath]:
    """Subject and video of a recording as tables name them, and its folder, by its subject's position and its own."""
    folder, code = _SUBJECTS[subject - 1], [*_FILMS][number - 1]
    video = f"{folder}_{code:04d}"
    return f"s{folder}", video, PurePath("rawpic", f"s{folder}", f"{video}{_FILMS[code][1]}")


def casme_squared_sheets(root: Path, annotated: Sequence[Annotated]) -> None:
    """CAS(ME)^2code_final.xlsx: three sheets without headers; the codes have lost their leading zeros."""
    films = [name for name, _ in _FILMS.values()]
    coding = [
        (
            *(
                plan.subject,
                f"{films[plan.number - 1]}_{position}",
                plan.onset,
                plan.apex,
                plan.offset,
                unit_cell(plan),
            ),
            *(_ESTIMATED.get(plan.emotion, "negative"), f"{kind}-expression", plan.emotion),
        )
        for plan, position, kind in annotated
    ]
    subjects = [(number, f"s{number}", index) for index, number in enumerate(_SUBJECTS, 1)]
    codes = [(code, name) for code, (name, _) in _FILMS.items()]
    save(
        root / "CAS(ME)^2code_final.xlsx",
        {"CASFEcode_final": coding, "naming rule1": subjects, "naming rule2": codes},
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


def samm_long_name(subject: int, number: int) -> str:
    """A recording's name, by the subject's number and its own."""
    return f"{subject:03d}_{number}"


def samm_long_sheets(root: Path, annotated: Sequence[Annotated]) -> None:
    """SAMM_LongVideos_V2_Release.xlsx: a preamble, the header in row 10, no emotions; and SAMM's own sheet, which has them."""
    columns = ("Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type")
    rows: list[Sequence[Any]] = [("Synthetic recordings in the layout of SAMM Long Videos", *[None] * 9)]
    rows += [[None] * 10] * 8 + [(*columns, "Action Units", "Notes")]
    micro = []
    for row, (plan, position, kind) in enumerate(annotated, 11):
        name = f"{samm_long_name(plan.subject, plan.number)}_{position}"
        frames = (plan.onset, plan.apex, plan.offset, f"=F{row}-D{row}+1")
        written = "Micro - 1/2" if kind == "micro" else "Macro"
        rows.append((f"{plan.subject:03d}", name, plan.number, *frames, written, unit_cell(plan), None))
        micro += [(name, plan)] if kind == "micro" else []
    save(root / "SAMM_LongVideos_V2_Release.xlsx", {"FACS_Movement_Only": rows})
    samm_sheet(root, micro)


CASME_SQUARED = ReleaseLayout(
    name="casme_squared",
    fps=30.0,
    gray=False,
    margins=True,
    groups=_GROUPS,
    clip=lambda plan: casme_squared_names(plan.subject, plan.number)[2],
    frame=lambda plan, number: f"img{number:03d}.jpg",
    write_sheets=lambda root, plans: casme_squared_sheets(root, _alone(plans)),
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
    clip=lambda plan: PurePath("SAMM_longvideos", samm_long_name(plan.subject, plan.number)),
    frame=lambda plan, number: f"{samm_long_name(plan.subject, plan.number)}_{number:04d}.jpg",
    write_sheets=lambda root, plans: samm_long_sheets(root, _alone(plans)),
)
