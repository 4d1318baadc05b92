"""Faces and landmarks with their motion magnified, so that an eye sees what moves by a pixel or less."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from merjax.faces.flow import Flow, dense_flow

Picture = UInt8[np.ndarray, "rows columns"]
_REACH = 6.0  # px by which the longest motion is shown, of a picture of 128
_MOST = 12.0  # times that motion is magnified
_STEEPEST = 0.9  # px by which magnified motion may differ from one pixel to the next: at 1, a picture folds over itself
_STRONGEST = 0.99  # of the lengths of motion: beyond are errors of the flow
_SMOOTH = 2.5  # px
_STEPS = 12  # towards the place that each pixel comes from
_ALONG = 0.5  # of the way, at each step


def smooth_flow(first: Picture, later: Picture) -> Flow:
    """The motion from one picture of a face to a later one, without the flow's noise from pixel to pixel."""
    return cv2.GaussianBlur(dense_flow(first, later), (0, 0), _SMOOTH)


def factor_for(*flows: Flow) -> float:
    """How many times to magnify motions, all alike: at least 1, at most 12, to a half.

    The longest motion is shown as 6 of 128 px at most, and no picture folds over itself.
    """
    longest = max(float(np.quantile(np.linalg.norm(flow, axis=2), _STRONGEST)) for flow in flows)
    steepest = max(float(np.abs(np.gradient(flow, axis=(0, 1))).max()) for flow in flows)
    most = min(_REACH / max(longest, 1e-6), _STEEPEST / max(steepest, 1e-6))
    return float(np.clip(np.floor(2 * most) / 2, 1.0, _MOST))


def magnify(later: Picture, flow: Flow, factor: float) -> Picture:
    """A later picture with its motion since the first one magnified.

    What lies at p in the first picture and at p + d in the later one is shown at p + factor d, with the later one's values.

    Args:
        later: the later picture.
        flow: d at each pixel of the first, see `smooth_flow`.
        factor: how many times.
    """
    rows, columns = later.shape
    shown = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).astype(np.float32)
    first: np.ndarray = shown
    for _ in range(_STEPS):  # for each pixel shown, the p that comes to lie there
        first = first + _ALONG * (shown - factor * _sampled(flow, first) - first)
    at = first + _sampled(flow, first)
    return cv2.remap(later, at, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]


def _sampled(flow: Flow, at: Float32[np.ndarray, "rows columns 2"]) -> Flow:
    return cv2.remap(flow, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
