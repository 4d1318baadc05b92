"""Which clips a synthesised release holds: every subject gets an even share of the expressions, and each clip a script."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merjax.protocols.action_units import objective_class_from_aus
from merjax.synthesis.movements import EXPRESSIONS, coded, draw_movements
from merjax.synthesis.rendering import Script

# Seconds, from CASME II's coded durations.
_ONSET_TO_OFFSET = (0.2, 0.5)
_MARGIN = (0.02, 0.06)
_APEX_AT = (0.3, 0.7)  # share of the time from onset to offset

# First words of the seed of every generator, so that no two draws share one.
FACE, DEAL, SCRIPT, RENDER = range(4)


@dataclass(frozen=True)
class ClipPlan:
    """One clip to be made.

    Attributes:
        subject, number: 1-based position of the subject in the release, and of the clip among the subject's.
        emotion: as the sheet will name it, in lower case.
        first: number on disk of the clip's first frame.
        script: what happens; its frame numbers count from 0.
    """

    subject: int
    number: int
    emotion: str
    first: int
    script: Script

    @property
    def action_units(self) -> str:
        """The action units as coders write them."""
        return coded(self.script.movements)

    @property
    def objective_class(self) -> int:
        """The class of the action units, 1-7 (Davison et al. 2017)."""
        number = objective_class_from_aus(self.action_units)
        assert number is not None  # merjax wrote these units itself
        return number

    @property
    def onset(self) -> int:
        """Number on disk of the onset frame."""
        return self.first + self.script.onset

    @property
    def apex(self) -> int:
        """Number on disk of the apex frame."""
        return self.first + self.script.apex

    @property
    def offset(self) -> int:
        """Number on disk of the offset frame."""
        return self.first + self.script.offset


def generator(*seed: int) -> np.random.Generator:
    """A generator from (purpose, seed, subject, clip): what it draws depends on nothing else."""
    return np.random.default_rng(seed)


def plan_clips(
    groups: Sequence[Sequence[str]], fps: float, subjects: int, clips: int, peak: tuple[float, float], seed: int
) -> list[ClipPlan]:
    """Clips of all subjects, dealt in turn over the groups of emotions, within a group over its emotions, and within an
    emotion over its expressions. If `clips` is at least the number of groups, every subject gets a clip of every group.

    Args:
        groups: emotions that share a class of the protocol, which is to be balanced.
        fps: frames per second.
        peak: range of the largest displacement at the apex, in pixels at d = 105.
    """
    return [
        _clip(subject, number, *dealt, fps, peak, generator(SCRIPT, seed, subject, number))
        for subject in range(1, subjects + 1)
        for number, dealt in enumerate(_deal(groups, clips, subject, seed), 1)
    ]


def _deal(groups: Sequence[Sequence[str]], clips: int, subject: int, seed: int) -> list[tuple[str, int]]:
    """(emotion, index of its expression) of one subject's clips; each subject begins at a different place in every list."""
    first = _rounds_before(groups, clips, subject)
    dealt = []
    for clip in range(clips):
        group, turn = groups[clip % len(groups)], first[clip % len(groups)] + clip // len(groups)
        emotion, turn = group[turn % len(group)], turn // len(group)
        dealt.append((emotion, turn % len(EXPRESSIONS[emotion])))
    generator(DEAL, seed, subject, 0).shuffle(dealt)
    return dealt


def _rounds_before(groups: Sequence[Sequence[str]], clips: int, subject: int) -> list[int]:
    """How many clips of each group the earlier subjects have."""
    return [(subject - 1) * len(range(group, clips, len(groups))) for group in range(len(groups))]


def _clip(
    subject: int,
    number: int,
    emotion: str,
    expression: int,
    fps: float,
    peak: tuple[float, float],
    rng: np.random.Generator,
) -> ClipPlan:
    movements = draw_movements(EXPRESSIONS[emotion][expression], rng, one_sided=1.0 if emotion == "contempt" else 0.2)
    length = round(rng.uniform(*_ONSET_TO_OFFSET) * fps)
    onset = round(rng.uniform(*_MARGIN) * fps)
    after = round(rng.uniform(*_MARGIN) * fps)
    apex = onset + round(rng.uniform(*_APEX_AT) * length)
    script = Script(movements, float(rng.uniform(*peak)), onset + length + after + 1, onset, apex, onset + length, fps)
    return ClipPlan(subject, number, emotion, int(rng.integers(1, 200)), script)
