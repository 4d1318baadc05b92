"""Motion that is known is magnified as often as it is said, and nothing folds over itself."""

import cv2
import numpy as np
import pytest

from merjax.faces.flow import dense_flow
from merjax.report.magnified import factor_for, magnify, smooth_flow

ROWS, COLUMNS = np.indices((128, 128), np.float32)
BUMP = np.exp(-((ROWS - 64) ** 2 + (COLUMNS - 64) ** 2) / (2 * 18**2))


def skin(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = sum(cv2.GaussianBlur(rng.normal(size=(128, 128)), (0, 0), blur) * blur for blur in (1.2, 2.5, 6))
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def moved_down(image: np.ndarray, by: float) -> np.ndarray:
    return cv2.remap(image, COLUMNS, ROWS - np.float32(by) * BUMP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("by", [0.5, 1.0])
def test_a_bump_that_moves_down_is_moved_as_many_times_as_far(by):
    first = skin()
    later = moved_down(first, by)
    flow = smooth_flow(first, later)
    shown = dense_flow(first, magnify(later, flow, 5.0))
    middle = np.s_[58:70, 58:70]
    np.testing.assert_allclose(shown[middle][..., 1].mean(), 5 * by, rtol=0.12)
    assert abs(shown[middle][..., 0].mean()) < 0.3
    assert np.abs(shown[4:20, 4:20]).mean() < 0.3  # far away nothing moves


def test_a_picture_that_is_not_magnified_is_the_later_one():
    later = moved_down(skin(), 1.0)
    shown = magnify(later, smooth_flow(skin(), later), 1.0)
    assert np.abs(shown.astype(int) - later).mean() < 1.5


def test_the_factor_shows_the_longest_motion_as_six_pixels_and_is_at_most_twelve():
    flow = np.stack([0 * BUMP, BUMP], -1).astype(np.float32)
    assert factor_for(flow / 100) == 12
    assert 6 <= factor_for(flow) <= 6.5  # .99 of all lengths lie below .96
    assert factor_for(flow, 2 * flow) == pytest.approx(factor_for(flow) / 2, abs=0.5)
    assert factor_for(20 * flow) == 1
    assert factor_for(0 * flow) == 12


def test_the_factor_is_lower_where_motion_changes_from_pixel_to_pixel():
    edge = np.zeros((128, 128, 2), np.float32)
    edge[64:, :, 0] = 0.5
    assert factor_for(edge) == 3.5  # the longest alone would allow 12; .25 px from pixel to pixel allow .9 / .25
