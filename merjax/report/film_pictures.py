"""The face at onset, apex and offset of an interval, as it is and with its motion magnified: crops, or landmarks alone."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from merjax.models.own_video import Analysis, FoundInterval
from merjax.report.magnified import Picture, factor_for, magnify, smooth_flow
from merjax.report.moving_points import LINES, MovingPoints, Points
from merjax.report.pictures import uri_of

MOMENTS = ("onset", "apex", "offset")
_LONGEST, _MOST = (
    6.0,
    12.0,
)  # px of 128 that the motion of landmarks is shown as, and times that it is magnified, at most
_QUALITY = 90  # of JPEG


class Shot(NamedTuple):
    """One picture: what it shows, and either a crop as data URI or the lines of the landmarks as SVG paths in 128 x 128."""

    said: str
    uri: str
    lines: tuple[str, ...]


class Strip(NamedTuple):
    """The pictures of an interval: at onset, apex and offset, and the same with the motion since the onset magnified."""

    factor: float
    plain: tuple[Shot, ...]
    magnified: tuple[Shot, ...]


def strip_of(analysis: Analysis, one: FoundInterval, *, faces: bool) -> Strip | None:
    """The pictures of an interval; None where the store holds no landmarks for it, and no picture may be shown."""
    frames = [analysis.stored(getattr(one, moment)) for moment in MOMENTS]
    said = [f"{moment}, {analysis.seconds(getattr(one, moment)):.3f} s" for moment in MOMENTS]
    if faces:
        crops = analysis.store.array(analysis.video, "crops")
        return _of_crops([np.array(crops[frame]) for frame in frames], said)
    moving = MovingPoints(analysis.store, analysis.video)
    window = moving.window(frames[1])
    return None if window is None else _of_points([moving.at(frame, window) for frame in frames], said)


def _of_crops(crops: Sequence[Picture], said: Sequence[str]) -> Strip:
    flows = [smooth_flow(crops[0], later) for later in crops[1:]]
    factor = factor_for(*flows)
    magnified = [crops[0], *(magnify(later, flow, factor) for later, flow in zip(crops[1:], flows, strict=True))]
    shots = [
        tuple(Shot(f"Face at the {at}{more}", _jpeg(crop), ()) for at, crop in zip(said, shown, strict=True))
        for shown, more in ((crops, ""), (magnified, _times(factor)))
    ]
    return Strip(factor, *shots)


def _of_points(points: Sequence[Points], said: Sequence[str]) -> Strip:
    moved = [own - points[0] for own in points]
    longest = max(float(np.linalg.norm(own, axis=1).max()) for own in moved)
    factor = float(np.clip(np.floor(2 * _LONGEST / max(longest, 1e-6)) / 2, 1.0, _MOST))
    shots = [
        tuple(
            Shot(f"Landmarks at the {at}{more}", "", lines_of(points[0] + times * own))
            for at, own in zip(said, moved, strict=True)
        )
        for times, more in ((1.0, ""), (factor, _times(factor)))
    ]
    return Strip(factor, *shots)


def lines_of(points: Points) -> tuple[str, ...]:
    """The lines of a face as SVG paths."""
    return tuple("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points[list(line)]) for line in LINES)


def _times(factor: float) -> str:
    return f", motion since the onset magnified {factor:g} times"


def _jpeg(crop: Picture) -> str:
    return uri_of(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes(), "image/jpeg")
