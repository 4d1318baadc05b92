"""How a face moves as a whole during a clip: a similarity per frame, smooth in time.

dlib's points tremble by as much as a micro-expression moves. What is taken for the head's motion is therefore fitted to
points that expressions hardly move, and smoothed over a time in which a head has not moved far but an expression comes
and goes.
"""

import numpy as np
from jaxtyping import Float

STABLE = (27, 28, 29, 30, 36, 39, 42, 45)  # bridge of the nose, corners of the eyes
SMOOTHING = 0.1  # seconds, of the Gaussian: noise of 200 frames per second falls to an eighth
_OUTLYING = 1.5  # residuals of so many medians weigh half
_ROUNDS = 5

Points = Float[np.ndarray, "T 68 2"]
Warps = Float[np.ndarray, "T 2 3"]


def head_motion(points_Tx68x2: Points, fps: float) -> Warps:
    """Where the first frame's pixels lie in every frame, by rotation, scaling and translation of the head.

    Args:
        points_Tx68x2: landmarks (x, y) of each frame, in pixels.
        fps: frames per second.

    Returns:
        matrices that take (x, y, 1) of the first frame to (x, y) of frame t; the identity at t = 0.
    """
    stable_TxNx2 = points_Tx68x2[:, STABLE]
    centre = stable_TxNx2[0].mean(0)
    motion_Tx4 = np.stack([similarity(stable_TxNx2[0] - centre, target - centre) for target in stable_TxNx2])
    smooth_Tx3x3 = _matrices(smoothed(motion_Tx4, fps * SMOOTHING), centre)
    # the first frame's own boxes are cut out of it: what its points tremble must move no frame
    return (smooth_Tx3x3 @ np.linalg.inv(smooth_Tx3x3[0]))[:, :2]


def similarity(source_Nx2: Float[np.ndarray, "N 2"], target_Nx2: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "4"]:
    """(a, b, x, y) of the similarity (p, q) -> (a p - b q + x, b p + a q + y) between two sets of points.

    Fitted by least squares, repeated with Cauchy weights: one point that goes its own way does not take the others along.
    """
    (p, q), one, zero = source_Nx2.T, np.ones(len(source_Nx2)), np.zeros(len(source_Nx2))
    design_Nx2x4 = np.stack([np.stack([p, -q, one, zero], 1), np.stack([q, p, zero, one], 1)], 1)
    weight_N = one
    for _ in range(_ROUNDS):
        root_Nx1 = np.sqrt(weight_N)[:, None]
        motion, *_ = np.linalg.lstsq(
            (design_Nx2x4 * root_Nx1[..., None]).reshape(-1, 4), (target_Nx2 * root_Nx1).ravel(), rcond=None
        )
        residual_N = np.linalg.norm(design_Nx2x4 @ motion - target_Nx2, axis=1)
        weight_N = 1 / (1 + (residual_N / (_OUTLYING * np.median(residual_N) + 1e-9)) ** 2)
    return motion


def smoothed(series_TxD: Float[np.ndarray, "T D"], deviation: float) -> Float[np.ndarray, "T D"]:
    """Series smoothed by local straight lines under a Gaussian of `deviation` frames.

    Lines, not means: a steady drift passes unchanged up to the first and the last frame.
    """
    offset_TxT = np.arange(len(series_TxD)) - np.arange(len(series_TxD))[:, None]
    weight_TxT = np.exp(-0.5 * (offset_TxT / deviation) ** 2)
    s0, s1, s2 = ((weight_TxT * offset_TxT**power).sum(1, keepdims=True) for power in range(3))
    spread = s0 * s2 - s1**2
    kernel_TxT = np.where(spread > 0, weight_TxT * (s2 - s1 * offset_TxT) / np.where(spread > 0, spread, 1), 1)
    return kernel_TxT @ series_TxD


def _matrices(motion_Tx4: np.ndarray, centre: np.ndarray) -> Float[np.ndarray, "T 3 3"]:
    """Similarities about a centre as matrices of homogeneous image coordinates."""
    a, b, x, y = motion_Tx4.T
    matrices_Tx3x3 = np.tile(np.eye(3), (len(motion_Tx4), 1, 1))
    matrices_Tx3x3[:, :2, :2] = np.moveaxis(np.array([[a, -b], [b, a]]), -1, 0)
    matrices_Tx3x3[:, :2, 2] = np.stack([x, y], 1) + centre - matrices_Tx3x3[:, :2, :2] @ centre
    return matrices_Tx3x3
