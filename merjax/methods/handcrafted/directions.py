"""Descriptors of the directions in which a face moves: HOOF, Bi-WOOF and MDMO, from optical flow."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Int

from merjax.faces.flow import Flow, optical_strain

BINS = 8
BLOCKS = 5  # along each side
MAIN_REGIONS = 36


def hoof(flow_HxWx2: Flow) -> Float[np.ndarray, "features"]:
    """Histogram of oriented optical flow (Chaudhry et al. 2009), per block of the face.

    Returns:
        5 x 5 x 8 shares of all motion, pixels weighted by their displacement; bin 0 points right, 2 down.
    """
    return _shares(block_orientations(flow_HxWx2))


def bi_woof(flow_HxWx2: Flow) -> Float[np.ndarray, "features"]:
    """Bi-weighted oriented optical flow (Liong et al. 2018): within a block pixels are weighted by their displacement, and
    blocks by their mean optical strain.

    Returns:
        5 x 5 x 8 shares.
    """
    strain_HxW = optical_strain(flow_HxWx2)
    block_HxW = _blocks(strain_HxW.shape)
    strain_B = np.bincount(block_HxW.ravel(), strain_HxW.ravel()) / np.bincount(block_HxW.ravel())
    return _shares(block_orientations(flow_HxWx2) * strain_B[:, None])


def mdmo(
    flows: Sequence[Flow], region_HxW: Int[np.ndarray, "height width"], regions: int = MAIN_REGIONS
) -> Float[np.ndarray, "features"]:
    """Main directional mean optical flow (Liu et al. 2016).

    In each region and frame, the directions of the pixels are counted in eight bins, and the displacements of the fullest bin
    are averaged. The averages are then averaged over the frames and divided by the largest one of the clip. They are kept as
    (x, y), while the paper has length and angle: a linear classifier would be misled by an angle's jump from a full turn to 0.

    Args:
        flows: from the onset to each frame.
        region_HxW: region of each pixel, below 0 for none.
        regions: the number of regions.

    Returns:
        Displacements, regions x 2.
    """
    mean_Rx2 = np.mean([_main_directions(flow, region_HxW, regions) for flow in flows], 0)
    return (mean_Rx2 / max(np.linalg.norm(mean_Rx2, axis=1).max(), 1e-9)).ravel()


def main_regions(points_68x2: np.ndarray, shape: tuple[int, int]) -> Int[np.ndarray, "height width"]:
    """A face divided into 36 regions: each pixel inside the outline of 36 places and the jaw belongs to the nearest place.

    The paper shows its 36 regions in a figure only, so the places are merjax's own: six above the brows, four on them,
    one between them, two below the eyes and two at their corners, four on the nose, six on the cheeks, two beside the
    nostrils' folds, six around the mouth, three on the chin.

    Args:
        points_68x2: landmarks (x, y) in pixels of the picture.
        shape: its height and width.
    """
    p = np.asarray(points_68x2, float)
    up = np.array([0, -0.15 * np.linalg.norm(p[36:42].mean(0) - p[42:48].mean(0))])
    places = [p[[17, 19, 21, 22, 24, 26]] + up, p[[18, 20, 23, 25, 27]]]
    places += [[p[[40, 41]].mean(0), p[[46, 47]].mean(0)], p[[36, 45]]]
    places += [[p[[28, 29]].mean(0)], p[[30, 31, 35]]]
    places += [[(1 - s) * p[lid] + s * p[mouth] for lid, mouth in ((41, 48), (46, 54)) for s in (1 / 3, 2 / 3)]]
    places += [[p[list(pair)].mean(0) for pair in ((2, 31), (14, 35), (31, 48), (35, 54))]]
    places += [p[[48, 51, 54, 57, 50, 52]], [p[list(pair)].mean(0) for pair in ((57, 8), (58, 6), (56, 10))]]
    place_Rx2 = np.concatenate([np.asarray(group) for group in places])
    rows, columns = np.indices(shape)
    region_HxW = np.stack([np.hypot(columns - x, rows - y) for x, y in place_Rx2]).argmin(0)
    outline = cv2.convexHull(np.concatenate([place_Rx2, p[:17]]).round().astype(np.int32))
    inside = cv2.fillConvexPoly(np.zeros(shape, np.uint8), outline, 1)
    return np.where(inside > 0, region_HxW, -1)


def block_orientations(flow_HxWx2: Flow, blocks: int = BLOCKS) -> Float[np.ndarray, "blocks bins"]:
    """Displacement summed by direction, per block; blocks are counted row by row."""
    bin_HxW, length_HxW = _bins(flow_HxWx2), np.linalg.norm(flow_HxWx2, axis=-1)
    place = _blocks(length_HxW.shape, blocks) * BINS + bin_HxW
    sums = np.bincount(place.ravel(), length_HxW.ravel(), minlength=blocks**2 * BINS)
    return sums.reshape(blocks**2, BINS)


def _main_directions(flow_HxWx2: Flow, region_HxW: np.ndarray, regions: int) -> Float[np.ndarray, "regions 2"]:
    inside = region_HxW >= 0
    flow_Mx2, bin_M, region_M = flow_HxWx2[inside], _bins(flow_HxWx2)[inside], region_HxW[inside]
    count_RxB = np.bincount(region_M * BINS + bin_M, minlength=regions * BINS).reshape(regions, BINS)
    main_M = bin_M == count_RxB.argmax(1)[region_M]
    sums = [np.bincount(region_M[main_M], flow_Mx2[main_M, i], minlength=regions) for i in (0, 1)]
    return np.stack(sums, 1) / np.maximum(count_RxB.max(1), 1)[:, None]


def _bins(flow_HxWx2: Flow) -> Int[np.ndarray, "height width"]:
    """The multiple of an eighth of a turn that each displacement is nearest to, clockwise from the right."""
    angle = np.arctan2(flow_HxWx2[..., 1], flow_HxWx2[..., 0])
    return np.round(angle / (2 * np.pi / BINS)).astype(int) % BINS


def _blocks(shape: tuple[int, ...], blocks: int = BLOCKS) -> Int[np.ndarray, "height width"]:
    height, width = shape
    return np.add.outer(np.arange(height) * blocks // height * blocks, np.arange(width) * blocks // width)


def _shares(histograms: np.ndarray) -> np.ndarray:
    return (histograms / max(histograms.sum(), 1e-9)).ravel()
