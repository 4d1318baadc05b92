"""Boxes and resampling of the regions."""

import cv2
import numpy as np
import pytest
from support.face_shape import face_points

from merjax.faces.crops import INTER_OCULAR, Box, corners, cut, inter_ocular_distance, region_boxes
from merjax.faces.regions import FACE, REGIONS, Region


def test_boxes_move_and_scale_with_the_face():
    one, other = region_boxes(face_points()), region_boxes(face_points(d=210, x=400, y=300))
    for name, box in one.items():
        assert other[name].unit == pytest.approx(2 * box.unit)
        assert other[name].x - 400 == pytest.approx(2 * (box.x - 300))
        assert other[name].y - 300 == pytest.approx(2 * (box.y - 250))


def test_boxes_of_a_symmetric_face_are_symmetric_and_of_the_papers_size():
    points = face_points()
    assert inter_ocular_distance(points) == pytest.approx(INTER_OCULAR)
    boxes = region_boxes(points)
    for kind in ("eye", "cheek"):
        right, left = boxes[f"{kind}_right"], boxes[f"{kind}_left"]
        assert right.x < 300 < left.x  # right is the subject's, hence on the image's left side
        assert 300 - right.x == pytest.approx(left.x - 300)
        assert right.y == pytest.approx(left.y)
    assert [(r.height, r.width) for r in REGIONS] == [(80, 100), (80, 100), (80, 120), (60, 60), (60, 60), (60, 160)]
    assert all(boxes[r.name].unit == pytest.approx(1) for r in REGIONS)
    nose = next(r for r in REGIONS if r.name == "nose")
    assert corners(nose, boxes["nose"])[:, 1].max() == pytest.approx(points[33, 1] + 0.12 * 105)


def test_each_box_holds_its_landmarks():
    points, boxes = face_points(), region_boxes(face_points())
    inside = {"eye_right": [*range(17, 22), *range(36, 42)], "mouth": range(48, 68), "nose": range(29, 36)}
    for region in REGIONS:
        low, high = corners(region, boxes[region.name]).min(0), corners(region, boxes[region.name]).max(0)
        for i in inside.get(region.name, ()):
            assert (points[i] >= low).all(), (region.name, i)
            assert (points[i] <= high).all(), (region.name, i)


def test_cut_at_unit_scale_on_whole_pixels_is_slicing():
    image = np.random.default_rng(0).integers(0, 256, (200, 300), dtype=np.uint8)
    region = Region("r", "k", 60, 160)
    got = cut(image, region, Box(100 + 79.5, 50 + 29.5, 1.0))
    np.testing.assert_array_equal(got, image[50:110, 100:260])


def test_cut_is_exact_to_a_twentieth_of_a_pixel():
    """A smooth grating, sampled at fractional places, against its formula."""
    rows, columns = np.mgrid[:200, :300]
    wave = lambda x, y: 128 + 90 * np.sin(x / 9) * np.cos(y / 11)  # noqa: E731
    image = wave(columns, rows).round().astype(np.uint8)
    region = Region("r", "k", 60, 60)
    for shift in (0.05, 0.3, 0.5, 0.77):
        box = Box(150 + shift, 100 - shift, 1.0)
        x = box.x + np.arange(60) - 29.5
        y = box.y + np.arange(60) - 29.5
        error = cut(image, region, box) - wave(x[None, :], y[:, None])
        assert np.abs(error).max() < 1.6  # rounding twice, and the cubic kernel
        assert abs(error.mean()) < 0.1


def test_cut_does_not_alias_where_it_shrinks():
    """A grating too fine for the crop becomes gray, not a false coarse one."""
    image = np.tile(np.array([40, 216], np.uint8), (400, 200))
    shrunk = cut(image, Region("r", "k", 60, 60), Box(200, 200, 2.9))
    assert shrunk.std() < 6
    assert shrunk.mean() == pytest.approx(128, abs=2)


def test_cut_beyond_the_border_repeats_it():
    image = np.full((100, 100), 77, np.uint8)
    for box in (Box(0, 0, 1.0), Box(99, 99, 2.0), Box(-500, 50, 1.0)):
        out = cut(image, FACE, box)
        assert out.shape == (160, 160)
        if box.x >= 0:
            assert (out == 77).all()


def test_motion_in_the_image_is_the_same_motion_in_the_crop():
    """Half a pixel at d = 105 stays half a pixel; judged by least squares on the image gradient."""
    texture = cv2.GaussianBlur(np.random.default_rng(1).normal(size=(300, 300)), (0, 0), 4)
    texture = (128 + 1000 * texture).clip(0, 255)
    # half pixels: OpenCV's cubic kernel is exact there, while it turns a shift of 0.1 px into one of 0.136 px
    moved = cv2.warpAffine(texture, np.float64([[1, 0, 0.5], [0, 1, -0.5]]), (300, 300), flags=cv2.INTER_CUBIC)
    region, box = Region("r", "k", 80, 100), Box(150.3, 140.8, 1.0)
    a, b = (cut(t.round().clip(0, 255).astype(np.uint8), region, box).astype(float) for t in (texture, moved))
    slope_y, slope_x = np.gradient((a + b) / 2)
    inner = (slice(2, -2), slice(2, -2))
    slopes = np.stack([slope_x[inner].ravel(), slope_y[inner].ravel()], 1)
    (dx, dy), *_ = np.linalg.lstsq(slopes, (a - b)[inner].ravel(), rcond=None)
    assert dx == pytest.approx(0.5, abs=0.03)
    assert dy == pytest.approx(-0.5, abs=0.03)


def test_a_warp_moves_turns_and_scales_the_place_of_a_box():
    """A crop under a warp equals the crop of the image with the warp undone; the image is smooth, so that the kernels agree."""
    texture = cv2.GaussianBlur(np.random.default_rng(5).normal(size=(300, 300)), (0, 0), 5)
    image = (128 + 1200 * texture).clip(0, 255).round().astype(np.uint8)
    warp = np.array([[1.02, -0.03, 7.3], [0.03, 1.02, -4.6]])
    undone = cv2.warpAffine(image, warp, (300, 300), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    region, box = Region("r", "k", 80, 100), Box(150.3, 140.8, 1.0)
    difference = cut(image, region, box, warp).astype(float) - cut(undone, region, box)
    assert np.abs(difference).mean() < 0.6
    assert np.abs(cut(image, region, box).astype(float) - cut(undone, region, box)).mean() > 10
    still = cut(image, region, box, np.eye(3)[:2]).astype(float) - cut(image, region, box)
    assert np.abs(still).max() <= 3  # two kernels, one place


def test_colours_are_cut_channel_by_channel():
    image = np.random.default_rng(6).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    for box in (Box(150.2, 100.7, 1.0), Box(150.2, 100.7, 1.7)):
        crop = cut(image, FACE, box)
        assert crop.shape == (160, 160, 3)
        for c in range(3):
            np.testing.assert_array_equal(crop[..., c], cut(np.ascontiguousarray(image[..., c]), FACE, box))


@pytest.mark.parametrize("degrees", [0, 30, 90, -140])
def test_a_turned_crop_is_that_of_the_whole_image(degrees):
    """Cutting out the patch that a crop needs, before it is resampled, leaves nothing out."""
    image = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
    region, box = Region("wide", "nose", 40, 120), Box(320.0, 240.0, 1.0)
    turn = cv2.getRotationMatrix2D((box.x, box.y), degrees, 1.0)
    columns = box.x + np.arange(region.width) - (region.width - 1) / 2
    rows = box.y + np.arange(region.height) - (region.height - 1) / 2
    x, y = np.meshgrid(columns, rows)
    (a, b, dx), (c, d, dy) = turn
    map_x, map_y = ((p * x + q * y + r).astype(np.float32) for p, q, r in ((a, b, dx), (c, d, dy)))
    whole = cv2.remap(image, map_x, map_y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    difference = np.abs(cut(image, region, box, turn).astype(int) - whole)
    assert difference.mean() < 0.5
    assert difference.max() < 20
