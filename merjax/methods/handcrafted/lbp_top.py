"""Local binary patterns on three orthogonal planes (Zhao and Pietikäinen 2007)."""

import numpy as np
from jaxtyping import Float, Int, UInt8

NEIGHBOURS = 4
PATTERNS = 2**NEIGHBOURS


def lbp_top(
    faces_TxHxW: UInt8[np.ndarray, "frames height width"],
    *,
    blocks: int = 5,
    radii: tuple[int, int, int] = (1, 1, 4),
    frames: int = 10,
) -> Float[np.ndarray, "features"]:
    """Histograms of patterns in the planes XY, XT and YT, per block of the face.

    A pixel's pattern says which of its four neighbours in a plane, to both sides along the plane's two axes, are at least as
    bright as itself. Pixels without all neighbours are left out.

    Args:
        faces_TxHxW: gray pictures of a face, onset to offset.
        blocks: the number of blocks along each side.
        radii: distance of the neighbours along x, y and t, in pixels and frames.
        frames: the number of frames to which the clip is first interpolated, evenly in time.

    Returns:
        blocks x blocks x 3 x 16 shares; the 16 of a block and plane sum to 1.
    """
    volume = interpolated(faces_TxHxW, frames)
    planes = [_patterns(volume, radii, axes) for axes in ((2, 1), (2, 0), (1, 0))]
    return np.stack([_block_histograms(plane, blocks) for plane in planes], 1).ravel()


def interpolated(faces_TxHxW: np.ndarray, frames: int) -> Float[np.ndarray, "frames height width"]:
    """A clip brought to `frames` frames, evenly spaced from the first to the last, linearly interpolated."""
    at = np.linspace(0, len(faces_TxHxW) - 1, frames)
    before = np.floor(at).astype(int)
    after = np.minimum(before + 1, len(faces_TxHxW) - 1)
    share = (at - before)[:, None, None]
    return (1 - share) * faces_TxHxW[before] + share * faces_TxHxW[after]


def _patterns(volume_TxHxW: np.ndarray, radii: tuple[int, int, int], axes: tuple[int, int]) -> Int[np.ndarray, "t h w"]:
    """The pattern of each pixel in the plane of two axes of the volume."""
    reach = radii[::-1]  # along t, y and x
    inner = tuple(slice(r, n - r) for r, n in zip(reach, volume_TxHxW.shape, strict=True))
    centre = volume_TxHxW[inner]
    patterns = np.zeros(centre.shape, int)
    for bit, (axis, sign) in enumerate((axis, sign) for axis in axes for sign in (1, -1)):
        moved = list(inner)
        moved[axis] = slice(inner[axis].start + sign * reach[axis], inner[axis].stop + sign * reach[axis])
        patterns |= (volume_TxHxW[tuple(moved)] >= centre).astype(int) << bit
    return patterns


def _block_histograms(patterns_TxHxW: np.ndarray, blocks: int) -> Float[np.ndarray, "blocks patterns"]:
    _, height, width = patterns_TxHxW.shape
    block_HxW = np.add.outer(np.arange(height) * blocks // height * blocks, np.arange(width) * blocks // width)
    counts = np.bincount((block_HxW * PATTERNS + patterns_TxHxW).ravel(), minlength=blocks**2 * PATTERNS)
    counts = counts.reshape(blocks**2, PATTERNS)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)
