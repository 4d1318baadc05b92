"""Dense optical flow and optical strain of two pictures of a face, as arrays and in colours.

A flow field holds the displacement (u, v) in pixels, u to the right and v down, that takes each pixel of the first picture to
its place in the second.

The flow is found by dense inverse search (Kroeger et al. 2016) in OpenCV's preset "medium", but down to full resolution. Fields
of 1 to 3 pixels at an inter-ocular distance of 105, synthesised from real faces with noise and JPEG, are recovered with a
correlation of .98 and an error of 0.08 to 0.14 px root mean square inside the moving region; OpenCV's preset itself stops at
half resolution, and its error is up to twice as large.
"""

import threading
from typing import Any, Literal, cast

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int8, UInt8

from merjax.system.errors import MerjaxError

Algorithm = Literal["dis", "tvl1"]
Flow = Float32[np.ndarray, "height width 2"]

# What `fixed_point` keeps: displacements to 1/16 px, up to 8 px at an inter-ocular distance of 105, with an error of 0.018 px
# (the flow's own error is five times that); strain to 1/256, up to .5. This takes half the size of float16.
FLOW_STEPS = 16
STRAIN_STEPS = 256

# Both wheels install the same module, and the one that is installed last replaces the other. An extra of merjax would not do:
# pip installs it together with the plain wheel, which merjax requires, in an order of its own.
CONTRIB = "pip install --force-reinstall --no-deps 'opencv-contrib-python-headless>=5.0'"

_NEW = cast(Any, None)  # an array that OpenCV makes by itself, which its stubs do not allow


def dense_flow(
    first: UInt8[np.ndarray, "height width"], second: UInt8[np.ndarray, "height width"], algorithm: Algorithm = "dis"
) -> Flow:
    """The displacement of each pixel from one gray picture to another.

    Args:
        first, second: of one size.
        algorithm: "dis", dense inverse search; or "tvl1" (Zach et al. 2007), which the baselines' papers use.

    Raises:
        MerjaxError: TV-L1 is asked for and OpenCV does not have it.
    """
    require(algorithm)
    if algorithm == "tvl1":
        create = cv2.optflow.DualTVL1OpticalFlow_create  # type: ignore[attr-defined]  # only in the contrib wheel
        return create().calc(first, second, _NEW)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the search is cut into a strip per thread, and its result would depend on their number
    try:
        return _search().calc(first, second, _NEW)
    finally:
        cv2.setNumThreads(threads)


# One search is kept for each thread: a new one would fetch its memory from the system again.
_OF_THREAD = threading.local()


def _search() -> cv2.DISOpticalFlow:
    if not hasattr(_OF_THREAD, "search"):
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        search.setFinestScale(0)
        _OF_THREAD.search = search
    return cast(cv2.DISOpticalFlow, _OF_THREAD.search)


def require(algorithm: Algorithm) -> None:
    """Refuse an algorithm that this OpenCV lacks.

    Raises:
        MerjaxError: the algorithm is missing; the message says how to install it.
    """
    if algorithm == "tvl1" and not hasattr(cv2, "optflow"):
        raise MerjaxError(
            "this OpenCV has no TV-L1 flow: it comes with the contrib modules, whose wheel must replace the one that merjax "
            f"requires. Run `{CONTRIB}` after everything else, or leave :tvl1 out"
        )


def optical_strain(flow_HxWx2: Flow) -> Float32[np.ndarray, "height width"]:
    """Magnitude of the strain tensor of a flow field (Shreve et al. 2011).

    The tensor is (J + J^T) / 2 with J the derivatives of (u, v) along (x, y), by central differences. Its magnitude is the root
    of the sum of its four squares: sqrt(e_xx^2 + e_yy^2 + 2 e_xy^2).
    """
    (u_y, u_x), (v_y, v_x) = (np.gradient(flow_HxWx2[..., i]) for i in (0, 1))
    return np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2).astype(np.float32)


def flow_picture(flow_HxWx2: Flow, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """u, v and strain as the baselines take them: shrunk to `side` x `side`, each channel spread over 0 to 255."""
    channels = np.dstack([flow_HxWx2, optical_strain(flow_HxWx2)])
    return scaled(cv2.resize(channels, (side, side), interpolation=cv2.INTER_AREA))


def scaled(channels_HxWxC: Float[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "height width channels"]:
    """Each channel scaled so that its least value becomes 0 and its largest 255; all 0 where these are equal."""
    low, high = channels_HxWxC.min((0, 1)), channels_HxWxC.max((0, 1))
    share = (channels_HxWxC - low) / np.where(high > low, high - low, 1)
    return (255 * share).round().astype(np.uint8)


def fixed_point(flow_HxWx2: Flow) -> Int8[np.ndarray, "height width 3"]:
    """u, v and strain in steps of 1/16 px, 1/16 px and 1/256; what is larger than fits is cut off."""
    steps = np.dstack([FLOW_STEPS * flow_HxWx2, STRAIN_STEPS * optical_strain(flow_HxWx2)])
    return np.clip(steps.round(), -127, 127).astype(np.int8)


def colour_wheel(flow_HxWx2: Float[np.ndarray, "height width 2"], most: float) -> UInt8[np.ndarray, "height width 3"]:
    """A picture of a flow field in RGB: the hue shows the direction, the saturation the length; white means no motion.

    Red points to the right; then, clockwise in the image, yellow-green points down, cyan left and violet up.

    Args:
        flow_HxWx2: displacements (u, v), u to the right and v down.
        most: the length that has full colour; longer vectors look the same.
    """
    u, v = np.moveaxis(np.asarray(flow_HxWx2, np.float32), -1, 0)
    length, angle = np.hypot(u, v), np.arctan2(v, u) % (2 * np.pi)
    saturation = np.clip(length / max(most, 1e-9), 0, 1)
    hsv = np.stack([np.degrees(angle).astype(np.float32), saturation, np.ones_like(saturation)], -1)
    return (cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).round().astype(np.uint8)
