"""The dynamic image (Bilen, Fernando, Gavves, Vedaldi, Gould 2016): a clip's frames weighed and added up to one picture.

The weights are those of approximate rank pooling. The picture shows what changed in the clip, and in which direction of time.
"""

from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from merjax.faces.flow import scaled

# Bilen et al.'s; or those of the code published with LEARNet, which adds up (2i - T) / i in place of (2i - T - 1) / i. They do
# not sum up to 0, so the picture also keeps some of the face itself.
Weights = Literal["bilen", "learnet"]


def rank_weights(frames: int, weights: Weights = "bilen") -> Float64[np.ndarray, "frames"]:
    """How much each of T frames counts, the t-th with the sum over i = t..T of (2i - T - 1) / i."""
    i_T = np.arange(1, frames + 1)
    shift = 1 if weights == "bilen" else 0
    return ((2 * i_T - frames - shift) / i_T)[::-1].cumsum()[::-1]


def dynamic_image(
    frames_TxHxW: UInt8[np.ndarray, "frames height width *rgb"], side: int, weights: Weights = "bilen"
) -> UInt8[np.ndarray, "side side 3"]:
    """The dynamic image of a clip, shrunk to `side` x `side`, its values spread over 0 to 255 for all channels together.

    Gray frames give three equal channels.
    """
    weighed = zip(rank_weights(len(frames_TxHxW), weights), frames_TxHxW, strict=True)
    summed = np.zeros(frames_TxHxW.shape[1:])
    for weight, frame in weighed:  # one by one, since a long clip in floating point takes much memory
        summed += weight * frame
    shrunk_HxWxC = np.atleast_3d(cv2.resize(summed, (side, side), interpolation=cv2.INTER_AREA))
    picture_HxWxC = scaled(shrunk_HxWxC.reshape(side, -1, 1)).reshape(side, side, -1)
    return np.ascontiguousarray(np.broadcast_to(picture_HxWxC, (side, side, 3)))
