"""Optical flow as arrays and as pictures."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8


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
