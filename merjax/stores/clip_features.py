"""One clip's features, from its crops or from its ready flow image."""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import Int8, UInt8

from merjax.faces.dynamic_image import dynamic_image
from merjax.faces.flow import Algorithm, dense_flow, fixed_point, flow_picture, scaled
from merjax.faces.mosaic import SIDE, mosaic
from merjax.stores.features import DYNAMIC, MOSAIC, Feature


def clip_pictures(
    face_TxHxW: UInt8[np.ndarray, "frames height width *rgb"],
    target: Callable[[str], int],
    features: Sequence[Feature],
) -> dict[str, UInt8[np.ndarray, "side side 3"]]:
    """The picture of each feature, by name, from the crops of a clip's face.

    Args:
        face_TxHxW: the crops, from the onset on.
        target: gives the frame to which motion is shown, for a feature's `to`.
        features: which have one picture per clip; those that show the same flow share it.
    """
    onset = _gray(face_TxHxW[0])
    asked = {(f.to, f.algorithm) for f in features if f.shows_flow}
    flows = {(to, algorithm): dense_flow(onset, _gray(face_TxHxW[target(to)]), algorithm) for to, algorithm in asked}
    pictures = {}
    for feature in features:
        if feature.name == DYNAMIC:
            pictures[DYNAMIC] = dynamic_image(face_TxHxW, feature.side, feature.weights)
        else:
            picture = flow_picture(flows[feature.to, feature.algorithm], feature.side)
            pictures[feature.name] = mosaic(picture) if feature.name == MOSAIC else picture
    return pictures


def ready_picture(
    flow_HxWx3: UInt8[np.ndarray, "height width 3"], feature: Feature
) -> UInt8[np.ndarray, "side side 3"]:
    """A feature's picture from a ready flow image: shrunk, or enlarged bilinearly, each channel spread over 0 to 255 again."""
    if feature.name == MOSAIC:
        return mosaic(_resized(flow_HxWx3, SIDE))
    return _resized(flow_HxWx3, feature.side)


def _resized(flow_HxWx3: np.ndarray, side: int) -> np.ndarray:
    if flow_HxWx3.shape[:2] == (side, side):
        return flow_HxWx3
    shrinks = min(flow_HxWx3.shape[:2]) >= side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return scaled(cv2.resize(flow_HxWx3.astype(np.float32), (side, side), interpolation=how))


def frame_flows(
    crops: Mapping[str, UInt8[np.ndarray, "frames height width *rgb"]], algorithm: Algorithm
) -> dict[str, Int8[np.ndarray, "frames height width 3"]]:
    """u, v and strain from the onset to every frame, of each crop, as `merjax.faces.flow.fixed_point` keeps them."""
    return {name: _flows(crop_TxHxW, algorithm) for name, crop_TxHxW in crops.items()}


def _flows(crop_TxHxW: np.ndarray, algorithm: Algorithm) -> np.ndarray:
    flows = np.zeros((*crop_TxHxW.shape[:3], 3), np.int8)
    onset = _gray(crop_TxHxW[0])
    for t, frame in enumerate(crop_TxHxW[1:], 1):
        flows[t] = fixed_point(dense_flow(onset, _gray(frame), algorithm))
    return flows


def _gray(frame: np.ndarray) -> np.ndarray:
    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
