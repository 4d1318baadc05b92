"""How much more a face has moved on the way to some frame than beyond it, in the main direction of each of its blocks (MDMD).

As in the challenges' baseline (HeyingGithub/Baseline-project-for-MEGC2020_spotting), opposite directions share a bin.
"""

import numpy as np
from jaxtyping import Bool, Float

_BLOCKS = 6  # per side
_LARGEST = 1 / 3  # share of a block's pixels, and of the blocks, that count


def main_difference(to_HxWx2: Float[np.ndarray, "H W 2"], past_HxWx2: Float[np.ndarray, "H W 2"]) -> float:
    """How much more a face has moved k frames after some frame than 2 k frames after it.

    Args:
        to_HxWx2, past_HxWx2: dense motion (x, y) in px, from the frame k before the one in question to it, and from the same
            frame to k after it; at least 6 x 6 pixels.
    """
    to_KxNx2, past_KxNx2 = _blocks(to_HxWx2), _blocks(past_HxWx2)
    main_KxN = _main_direction(*np.moveaxis(to_KxNx2, -1, 0))
    difference_KxN = np.linalg.norm(to_KxNx2, axis=-1) - np.linalg.norm(past_KxNx2, axis=-1)
    # what is not of the main direction goes to the front, and no mean reaches there
    sorted_KxN = np.sort(np.where(main_KxN, difference_KxN, -np.inf), axis=1)
    counts_K = main_KxN.sum(1)
    values = [
        _mean_of_last(sorted_N, count) if count else 0.0 for sorted_N, count in zip(sorted_KxN, counts_K, strict=True)
    ]
    return _mean_of_last(np.sort(values), len(values))


def _blocks(field_HxWx2: Float[np.ndarray, "H W 2"]) -> Float[np.ndarray, "K N 2"]:
    """The vectors of each block; rows and columns that are left over at the ends are in none."""
    height, width = (side // _BLOCKS for side in field_HxWx2.shape[:2])
    used = field_HxWx2[: _BLOCKS * height, : _BLOCKS * width].reshape(_BLOCKS, height, _BLOCKS, width, 2)
    return used.swapaxes(1, 2).reshape(_BLOCKS**2, height * width, 2)


def _main_direction(u_KxN: Float[np.ndarray, "K N"], v_KxN: Float[np.ndarray, "K N"]) -> Bool[np.ndarray, "K N"]:
    """Which vectors of each block have its most frequent direction."""
    product_KxN = u_KxN * v_KxN
    same_KxN, opposite_KxN = product_KxN > 0, product_KxN < 0  # the quadrants, of which opposite ones share a bin
    same_KxN |= (u_KxN == 0) & (v_KxN != 0)
    opposite_KxN |= (v_KxN == 0) & (u_KxN < 0)
    right_KxN = (v_KxN == 0) & (u_KxN > 0)
    directions_DxKxN = np.stack([same_KxN, right_KxN, opposite_KxN])
    first_K = directions_DxKxN.sum(2).argmax(0)
    return directions_DxKxN[first_K, np.arange(len(first_K))]


def _mean_of_last(sorted_N: Float[np.ndarray, "N"], count: int) -> float:
    """The mean of the largest third of the last `count` values."""
    largest = max(1, int(count * _LARGEST + 0.5))
    return float(sorted_N[-largest:].mean())
