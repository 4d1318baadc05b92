"""A video as a strip: time, true and found intervals, the motion of the regions; and the face at its expressions."""

from collections.abc import Mapping, Sequence

import cv2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from merjax.faces.regions import REGIONS
from merjax.report.figures import COLOURS, STYLE
from merjax.report.spotting_causes import Signals
from merjax.stores.motion_store import MotionStore, StoredVideo

KIND_COLOURS = {"micro": COLOURS[1], "macro": COLOURS[0]}
_WIDTH = 11.0  # inches
_POINTS = 700  # of a line: more are not seen
_HEIGHT = 0.62  # of a bar, of the distance between rows


def strip_figure(
    video: StoredVideo, signals: Signals, true: pd.DataFrame, found: Mapping[str, pd.DataFrame], numbers_T: np.ndarray
) -> Figure:
    """The strip of a video.

    Args:
        video: the video.
        signals: of its stored frames.
        true: its true intervals: onset, offset, apex (-1 for none), kind; in the video's own frames.
        found: by trial, its found intervals: the same and `hit`, whether it is a true positive.
        numbers_T: the own number of each stored frame.
    """
    rate = _own_rate(video, numbers_T)
    with matplotlib.rc_context(STYLE):
        figure = Figure((_WIDTH, 1.1 + 0.24 * (1 + len(found)) + 1.5))
        bars, lines = figure.subplots(2, 1, sharex=True, height_ratios=(0.24 * (1 + len(found)) + 0.25, 1.5))
        _draw_intervals(bars, 0, true.assign(hit=True), rate)
        for row, own in enumerate(found.values(), 1):
            _draw_intervals(bars, row, own, rate)
        bars.set_yticks(range(1 + len(found)), ["truth", *found])
        bars.set_ylim(len(found) + 0.5, -0.5)
        bars.spines["bottom"].set_visible(False)
        bars.tick_params(axis="x", length=0)
        for one in true.to_dict("records"):
            ends = one["onset"] / rate, (one["offset"] + 1) / rate
            lines.axvspan(*ends, color=KIND_COLOURS[one["kind"]], alpha=0.12, lw=0)
        _draw_motion(lines, signals)
        lines.set_xlim(0, len(signals.light_T) / video.fps)
        lines.set_xlabel("seconds")
    return figure


def _own_rate(video: StoredVideo, numbers_T: np.ndarray) -> float:
    """Frames of the video itself in a second: more than those stored where only every n-th was read."""
    every = np.median(np.diff(numbers_T)) if len(numbers_T) > 1 else 1
    return float(video.fps * every)


def _draw_intervals(axes: Axes, row: int, intervals: pd.DataFrame, rate: float) -> None:
    for one in intervals.to_dict("records"):
        colour = KIND_COLOURS[one["kind"]]
        axes.barh(
            row,
            (one["offset"] + 1 - one["onset"]) / rate,
            _HEIGHT,
            one["onset"] / rate,
            color=colour if one["hit"] else "none",
            edgecolor=colour,
            lw=0.9,
        )
        if one["apex"] >= 0:
            axes.plot(one["apex"] / rate, row, "|", color="white" if one["hit"] else colour, ms=5)


def _draw_motion(axes: Axes, signals: Signals) -> None:
    """Each region's motion on a line of its own, from the eyes down to the mouth."""
    top = max(float(np.quantile(signals.motion_TxR, 0.995)), 1e-6)
    step = -(-len(signals.motion_TxR) // _POINTS)
    for r in range(len(REGIONS)):
        line = _highest(signals.motion_TxR[:, r], step)
        seconds = np.arange(len(line)) * step / signals.fps
        axes.plot(seconds, len(REGIONS) - 1 - r + np.minimum(line / top, 1), color="#333333", lw=0.7)
    names = [region.name.replace("_", " ") for region in REGIONS]
    axes.set_yticks(range(len(REGIONS)), reversed(names))
    axes.set_ylim(-0.1, len(REGIONS))


def _highest(line_T: np.ndarray, step: int) -> np.ndarray:
    """The highest value of every `step` values."""
    padded = np.pad(line_T, (0, -len(line_T) % step), mode="edge")
    return padded.reshape(-1, step).max(1)


def expression_picture(store: MotionStore, video: StoredVideo, intervals: pd.DataFrame, numbers_T: np.ndarray) -> bytes:
    """The face at onset, apex and offset of each interval, as a PNG: a row for each interval. An interval without an apex shows
    its middle."""
    crops, rows = store.array(video, "crops"), []
    for one in intervals.to_dict("records"):
        apex = (one["onset"] + one["offset"]) // 2 if one["apex"] < 0 else one["apex"]
        places = np.clip(np.searchsorted(numbers_T, [one["onset"], apex, one["offset"]]), 0, len(crops) - 1)
        rows.append(np.hstack([np.pad(crops[t], ((0, 4), (0, 4)), constant_values=255) for t in places]))
    _, png = cv2.imencode(".png", np.vstack(rows))
    return png.tobytes()


def captions(intervals: pd.DataFrame, rate: float) -> Sequence[str]:
    """What each interval of a picture is."""
    return [f"{one['kind']} at {one['onset'] / rate:.1f} s" for one in intervals.to_dict("records")]
