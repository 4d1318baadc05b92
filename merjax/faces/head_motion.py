"""How a face moves as a whole during a clip: a similarity per frame, smooth in time.

dlib's points tremble by as much as a micro-expression moves. The head's motion is therefore fitted to points that expressions
hardly move, and smoothed over about the time in which an expression comes and goes.

Measured at d = 105 on 4 portraits, turned by 2 degrees, scaled by 2 % and shifted by 6 px within 0.4 s, with action units
of 2 px: of 3 to 7 px of motion in a region, 0.1 to 0.3 px remain. (A fifth portrait wears glasses, and dlib's points slide
over them: 0.7 px remain.)
"""

import numpy as np
from jaxtyping import Float

# The top of the nose's bridge and the corners of the eyes. The lower points of the nose move up with AU 9, and half of that
# would be taken for the head's motion.
STABLE = (27, 28, 36, 39, 42, 45)
SMOOTHING = 0.1  # seconds, of the Gaussian: at 200 frames per second a point's tremble of .17 px falls to .03 px
_OUTLYING = 1.5  # residuals of this many medians weigh half
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
    # the boxes come from the first frame: the tremble of its points must not move any frame
    return (smooth_Tx3x3 @ np.linalg.inv(smooth_Tx3x3[0]))[:, :2]


def similarity(source_Nx2: Float[np.ndarray, "N 2"], target_Nx2: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "4"]:
    """(a, b, x, y) of the similarity (p, q) -> (a p - b q + x, b p + a q + y) between two sets of points.

    It is fitted by least squares, repeated with Cauchy weights, so that a single outlying point hardly changes it.
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
    """Series smoothed by local parabolas under a Gaussian of `deviation` frames.

    Unlike means, parabolas leave a drift that speeds up unchanged, even at the first and the last frame.
    """
    frame_T = np.arange(len(series_TxD))
    smooth_TxD = np.empty_like(series_TxD)
    for t in frame_T:
        offset_T = (frame_T - t) / deviation
        root_Tx1 = np.exp(-0.25 * offset_T**2)[:, None]
        parabola_3xD, *_ = np.linalg.lstsq(root_Tx1 * np.vander(offset_T, 3), root_Tx1 * series_TxD, rcond=None)
        smooth_TxD[t] = parabola_3xD[-1]
    return smooth_TxD


def _matrices(motion_Tx4: np.ndarray, centre: np.ndarray) -> Float[np.ndarray, "T 3 3"]:
    """Similarities about a centre as matrices of homogeneous image coordinates."""
    a, b, x, y = motion_Tx4.T
    matrices_Tx3x3 = np.tile(np.eye(3), (len(motion_Tx4), 1, 1))
    matrices_Tx3x3[:, :2, :2] = np.moveaxis(np.array([[a, -b], [b, a]]), -1, 0)
    matrices_Tx3x3[:, :2, 2] = np.stack([x, y], 1) + centre - matrices_Tx3x3[:, :2, :2] @ centre
    return matrices_Tx3x3
