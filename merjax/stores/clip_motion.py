"""One clip's motion, from its crops: a picture for flow networks, and a field per frame and region for the paper's method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Int8, UInt8

from merjax.faces.flow import Algorithm, dense_flow, fixed_point, flow_picture
from merjax.system.errors import MerjaxError


@dataclass(frozen=True)
class FlowSettings:
    """What motion a store holds beside its crops.

    Attributes:
        to: the frame to which the clip's picture shows the motion from the onset: "apex" (or the middle frame, if the release
            gives no apex after the onset) or "mid".
        every: also the motion from the onset to every frame, of each crop.
        algorithm: see `merjax.faces.flow.dense_flow`.
        side: height and width of the picture in pixels.
    """

    to: Literal["apex", "mid"] = "apex"
    every: bool = False
    algorithm: Algorithm = "dis"
    side: int = 28

    @classmethod
    def of_word(cls, word: str) -> "FlowSettings":
        """The settings that a word stands for: "apex" or "mid", the frame to which a clip's picture shows the motion; or
        "every", the same as "apex" with the motion of every frame as well.

        Raises:
            MerjaxError: the word is another one.
        """
        if word not in ("apex", "mid", "every"):
            raise MerjaxError(f"flow is {word!r}; write apex, mid or every")
        return cls(to="mid" if word == "mid" else "apex", every=word == "every")


def clip_picture(
    face_TxHxW: UInt8[np.ndarray, "frames height width *rgb"], target: int, settings: FlowSettings
) -> UInt8[np.ndarray, "side side 3"]:
    """u, v and strain of the face crop from the onset to a target frame, each channel over 0 to 255."""
    return flow_picture(dense_flow(_gray(face_TxHxW[0]), _gray(face_TxHxW[target]), settings.algorithm), settings.side)


def frame_flows(
    crops: Mapping[str, UInt8[np.ndarray, "frames height width *rgb"]], settings: FlowSettings
) -> dict[str, Int8[np.ndarray, "frames height width 3"]]:
    """u, v and strain from the onset to every frame, of each crop, as `merjax.faces.flow.fixed_point` keeps them."""
    return {name: _flows(crop_TxHxW, settings.algorithm) for name, crop_TxHxW in crops.items()}


def _flows(crop_TxHxW: np.ndarray, algorithm: Algorithm) -> np.ndarray:
    flows = np.zeros((*crop_TxHxW.shape[:3], 3), np.int8)
    onset = _gray(crop_TxHxW[0])
    for t, frame in enumerate(crop_TxHxW[1:], 1):
        flows[t] = fixed_point(dense_flow(onset, _gray(frame), algorithm))
    return flows


def _gray(frame: np.ndarray) -> np.ndarray:
    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
