"""How much more a face has moved on the way to some frame than beyond it, in the main direction of each of its blocks (MDMD).

As in the challenges' baseline (HeyingGithub/Baseline-project-for-MEGC2020_spotting), opposite directions share a bin.
"""

import numpy as np
from jaxtyping import Float

_BLOCKS = 6  # per side
_LARGEST = 1 / 3  # share of a block's pixels, and of the blocks, that count


def main_difference(to_HxWx2: Float[np.ndarray, "H W 2"], past_HxWx2: Float[np.ndarray, "H W 2"]) -> float:
    """How much more a face has moved k frames after some frame than 2 k frames after it.

    Args:
        to_HxWx2, past_HxWx2: dense motion (x, y) in px, from the frame k before the one in question to it, and from the same
            frame to k after it; at least 6 x 6 pixels.
    """
    height, width = (side // _BLOCKS for side in to_HxWx2.shape[:2])
    values = []
    for row in range(_BLOCKS):
        for column in range(_BLOCKS):
            own = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            values.append(_block_difference(to_HxWx2[own].reshape(-1, 2), past_HxWx2[own].reshape(-1, 2)))
    return _mean_of_largest(np.array(values))


def _block_difference(to_Nx2: Float[np.ndarray, "N 2"], past_Nx2: Float[np.ndarray, "N 2"]) -> float:
    """The mean of the largest differences among the pixels of the block's main direction."""
    u_N, v_N = to_Nx2.T
    same_N, opposite_N = u_N * v_N > 0, u_N * v_N < 0  # the quadrants, of which opposite ones share a bin
    same_N |= (u_N == 0) & (v_N != 0)
    opposite_N |= (v_N == 0) & (u_N < 0)
    right_N = (v_N == 0) & (u_N > 0)
    main_N = max((same_N, right_N, opposite_N), key=np.count_nonzero)
    if not main_N.any():
        return 0.0
    difference = np.linalg.norm(to_Nx2[main_N], axis=1) - np.linalg.norm(past_Nx2[main_N], axis=1)
    return _mean_of_largest(difference)


def _mean_of_largest(values: Float[np.ndarray, "N"]) -> float:
    count = max(1, int(len(values) * _LARGEST + 0.5))
    return float(np.sort(values)[-count:].mean())
