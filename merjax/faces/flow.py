"""Dense optical flow and optical strain of two pictures of a face, as arrays and in colours.

A flow field holds the displacement (u, v) in pixels, u to the right and v down, that takes each pixel of the first picture to
where the second shows it.

By dense inverse search (Kroeger et al. 2016) in OpenCV's preset "medium", carried down to full resolution, fields of 1 to 3
pixels at an inter-ocular distance of 105, synthesised from real faces with noise and JPEG, come back with a correlation
of .98 and an error of 0.08 to 0.14 px root mean square inside the moving region; OpenCV's preset as it stands stops at half
resolution and is up to twice as far off.
"""

from typing import Any, Literal, cast

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int8, UInt8

from merjax.system.errors import MerjaxError

Algorithm = Literal["dis", "tvl1"]
Flow = Float32[np.ndarray, "height width 2"]

# What `fixed_point` keeps: displacements to 1/16 px, an error of 0.018 px where the flow's own is five times that, up to
# 8 px at an inter-ocular distance of 105; strain to 1/256 up to .5. Half the size of float16.
FLOW_STEPS = 16
STRAIN_STEPS = 256

# Both wheels bring the same module, and the one that is installed last has it. An extra of merjax's would not do: pip installs
# it together with the plain wheel, which merjax requires, in an order of its own.
CONTRIB = "pip install --force-reinstall --no-deps 'opencv-contrib-python-headless>=5.0'"

_NEW = cast(Any, None)  # an array that OpenCV makes by itself, of which its stubs do not know


def dense_flow(
    first: UInt8[np.ndarray, "height width"], second: UInt8[np.ndarray, "height width"], algorithm: Algorithm = "dis"
) -> Flow:
    """The displacement of each pixel from one gray picture to another.

    Args:
        first, second: of one size.
        algorithm: "dis", dense inverse search; or "tvl1" (Zach et al. 2007), which the peers' papers use.

    Raises:
        MerjaxError: TV-L1 is asked for and OpenCV has it not.
    """
    require(algorithm)
    if algorithm == "tvl1":
        create = cv2.optflow.DualTVL1OpticalFlow_create  # type: ignore[attr-defined]  # of the contrib wheel alone
        return create().calc(first, second, _NEW)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the search is cut into a strip per thread, and its result would depend on their number
    try:
        return search.calc(first, second, _NEW)
    finally:
        cv2.setNumThreads(threads)


def require(algorithm: Algorithm) -> None:
    """Refuse an algorithm that this OpenCV lacks.

    Raises:
        MerjaxError: saying how to install it.
    """
    if algorithm == "tvl1" and not hasattr(cv2, "optflow"):
        raise MerjaxError(
            "this OpenCV has no TV-L1 flow: it comes with the contrib modules, whose wheel must lie over the one that merjax "
            f"requires. Run `{CONTRIB}` after everything else; or leave it at --flow-algorithm dis"
        )


def optical_strain(flow_HxWx2: Flow) -> Float32[np.ndarray, "height width"]:
    """Magnitude of the strain tensor of a flow field (Shreve et al. 2011).

    The tensor is (J + J^T) / 2 with J the derivatives of (u, v) along (x, y), by central differences; its magnitude the root of
    the sum of its four squares: sqrt(e_xx^2 + e_yy^2 + 2 e_xy^2).
    """
    (u_y, u_x), (v_y, v_x) = (np.gradient(flow_HxWx2[..., i]) for i in (0, 1))
    return np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2).astype(np.float32)


def flow_picture(flow_HxWx2: Flow, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """u, v and strain as the peers take them: shrunk to `side` x `side`, each channel spread over 0 to 255."""
    channels = np.dstack([flow_HxWx2, optical_strain(flow_HxWx2)])
    return scaled(cv2.resize(channels, (side, side), interpolation=cv2.INTER_AREA))


def scaled(channels_HxWxC: Float[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "height width channels"]:
    """Each channel between its least value, which becomes 0, and its largest, 255; all 0 where these are equal."""
    low, high = channels_HxWxC.min((0, 1)), channels_HxWxC.max((0, 1))
    share = (channels_HxWxC - low) / np.where(high > low, high - low, 1)
    return (255 * share).round().astype(np.uint8)


def fixed_point(flow_HxWx2: Flow) -> Int8[np.ndarray, "height width 3"]:
    """u, v and strain in steps of 1/16 px, 1/16 px and 1/256; what is larger than fits is cut off."""
    steps = np.dstack([FLOW_STEPS * flow_HxWx2, STRAIN_STEPS * optical_strain(flow_HxWx2)])
    return np.clip(steps.round(), -127, 127).astype(np.int8)


def colour_wheel(flow_HxWx2: Float[np.ndarray, "height width 2"], most: float) -> UInt8[np.ndarray, "height width 3"]:
    """A picture of a flow field in RGB: the hue is the direction, the saturation the length; white is at rest.

    Red points to the right, then, clockwise as the image is seen: yellow-green down, cyan left, violet up.

    Args:
        flow_HxWx2: displacements (u, v), u to the right and v down.
        most: the length that has full colour; longer ones look alike.
    """
    u, v = np.moveaxis(np.asarray(flow_HxWx2, np.float32), -1, 0)
    length, angle = np.hypot(u, v), np.arctan2(v, u) % (2 * np.pi)
    saturation = np.clip(length / max(most, 1e-9), 0, 1)
    hsv = np.stack([np.degrees(angle).astype(np.float32), saturation, np.ones_like(saturation)], -1)
    return (cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).round().astype(np.uint8)
