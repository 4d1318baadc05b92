"""The timeline of a recording as its page draws it: the motion of each region, gaps, and found intervals as links."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from merjax.faces.regions import REGIONS
from merjax.models.own_video import Analysis
from merjax.stores.video_motion import NOSE

HEIGHT = 100  # of a region's line, in units of its drawing
_POINTS = 3000  # of a line: more are not seen, even drawn 8 times as wide as a screen
_TOP = 0.999  # of the values of all regions but the nose, which the head moves: the height of a line; the rest is cut
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)  # seconds between ticks


class RegionLine(NamedTuple):
    """A region's motion: its name, the drawing (an SVG path `width` wide and 100 high), and its largest value and when."""

    name: str
    path: str
    most: float
    second: float


class Tick(NamedTuple):
    """A time on the axis: where in per cent of the timeline, how it is written, and whether only a wide timeline has it."""

    left: float
    text: str
    fine: bool


class Timeline(NamedTuple):
    """What is drawn.

    Attributes:
        seconds: how long the recording is.
        width: of the regions' drawings.
        top: the motion at their upper edge, in px; more is cut.
        lines: of the six regions.
        ticks: of the axis.
        gaps: left end and width of each gap, in per cent of the timeline.
        marks: the same of each interval.
    """

    seconds: float
    width: int
    top: float
    lines: list[RegionLine]
    ticks: list[Tick]
    gaps: list[tuple[float, float]]
    marks: list[tuple[float, float]]


def timeline_of(analysis: Analysis) -> Timeline:
    """The timeline of one recording."""
    seconds, motion_FxR = length_of(analysis), analysis.motion_FxR
    top = max(float(np.quantile(np.delete(motion_FxR, NOSE, axis=1).max(1), _TOP)), 1e-6)
    step = -(-len(motion_FxR) // _POINTS)
    lines = [
        RegionLine(
            "nose, with the head" if region.name == "nose" else region.name.replace("_", " "),
            area(highest(motion_F, step) / top),
            float(motion_F.max()),
            float(analysis.second_F[motion_F.argmax()]),
        )
        for region, motion_F in zip(REGIONS, motion_FxR.T, strict=True)
    ]
    ends = [(analysis.seconds(one.onset), analysis.seconds(one.offset)) for one in analysis.intervals]
    frame = 1 / analysis.video.fps
    return Timeline(
        seconds,
        -(-len(motion_FxR) // step),
        top,
        lines,
        ticks_of(seconds),
        [_placed(first, last - first, seconds) for first, last in analysis.gaps],
        [_placed(first, last + frame - first, seconds) for first, last in ends],
    )


def length_of(analysis: Analysis) -> float:
    """How long a recording is, in seconds."""
    return float(analysis.second_F[-1]) + 1 / analysis.video.fps


def highest(values_F: Float[np.ndarray, "F"], step: int) -> Float[np.ndarray, "N"]:
    """The highest of every `step` values."""
    padded = np.pad(values_F, (0, -len(values_F) % step), mode="edge")
    return padded.reshape(-1, step).max(1)


def area(height_N: Float[np.ndarray, "N"]) -> str:
    """The area under a line as an SVG path: a step for each height, 1 at the top."""
    y_N = HEIGHT - np.rint(HEIGHT * np.clip(height_N, 0, 1)).astype(int)
    changes = [0, *(np.flatnonzero(np.diff(y_N)) + 1).tolist()]
    return f"M0 {HEIGHT}" + "".join(f"H{n}V{y_N[n]}" for n in changes) + f"H{len(y_N)}V{HEIGHT}Z"


def ticks_of(seconds: float) -> list[Tick]:
    """Times of the axis: about five for a narrow timeline, and more for one that is drawn several times as wide."""
    coarse = next((step for step in _STEPS if seconds / step < 5.5), _STEPS[-1])
    fine = next(step for step in _STEPS if (seconds / step < 40.5 or step == coarse) and _whole(coarse / step))
    return [
        Tick(100 * n * fine / seconds, clock(n * fine, seconds), not _whole(n * fine / coarse))
        for n in range(int(seconds / fine + 1e-9) + 1)
    ]


def _whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6


def clock(second: float, longest: float) -> str:
    """A time as "12.5 s", or in a recording of two minutes and more as "1:02"."""
    if longest < 120:
        return f"{second:g} s"
    return f"{int(second) // 60}:{int(second) % 60:02d}" + (f".{round(second % 1 * 10)}" if second % 1 >= 0.05 else "")


def _placed(first: float, length: float, seconds: float) -> tuple[float, float]:
    return round(100 * first / seconds, 3), round(100 * length / seconds, 3)
