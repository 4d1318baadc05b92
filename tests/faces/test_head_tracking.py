"""A crop lies where the landmarks say, at any size, and the head's motion is told from the face's own."""

import cv2
import numpy as np
import pytest
from support.moving_faces import POINTS, applied, around_nose, moved_as_whole, moved_in_part, texture

from merjax.faces.head_tracking import (
    PART,
    SIDE,
    Reference,
    cut_crop,
    followed,
    in_crop,
    moved,
    pixels_per_unit,
    placed,
)
from merjax.faces.region_motion import PLACES, measured, parts_of

BROWS = range(17, 27)


def reference(image):
    placement = placed(POINTS)
    return Reference(cut_crop(image, placement), in_crop(POINTS, placement)), placement


@pytest.mark.parametrize("degrees", [0, 12, -30])
def test_the_inner_eye_corners_lie_in_place_whatever_the_heads_turn_and_size(degrees):
    points = applied(POINTS, around_nose(degrees, 1.7, 5, -3))
    placement = placed(points)
    np.testing.assert_allclose(in_crop(points, placement)[[39, 42]], [[96, 96], [160, 96]], atol=1e-6)
    np.testing.assert_allclose(moved(in_crop(points, placement), placement), points)
    assert pixels_per_unit(placement) == pytest.approx(np.hypot(*(points[42] - points[39])) / 64)


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.6, 4.2])
@pytest.mark.parametrize("side", [SIDE, SIDE // 2])
def test_a_crop_shows_each_place_where_the_placement_says(scale, side):
    """Discs at known places of a picture of any size are found at their places in the crop."""
    placement = np.array([[scale, 0, 11.3], [0, scale, 7.9]])
    places = np.array([[60.0, 80.0], [180.0, 70.0], [120.0, 200.0]])
    image = np.zeros((round(270 * scale), round(280 * scale)), np.uint8)
    rows, columns = np.indices(image.shape)
    for x, y in moved(places, placement):
        image[np.hypot(columns - x, rows - y) < 8 * scale] = 255
    crop = cut_crop(image, placement, side).astype(float)
    for place in places:
        x, y = (place + 0.5) * side / SIDE - 0.5
        radius = 12 * side // SIDE
        left, top = int(x) - radius, int(y) - radius
        own = crop[top : top + 2 * radius + 2, left : left + 2 * radius + 2]
        own_rows, own_columns = np.indices(own.shape)
        centre = np.array([(own * own_columns).sum(), (own * own_rows).sum()]) / own.sum() + [left, top]
        np.testing.assert_allclose(centre, [x, y], atol=0.12)


@pytest.mark.parametrize("motion", [(0, 1, 2.5, -1.5), (1.5, 1, 0, 0), (-1, 1.015, -1, 2)])
def test_the_heads_motion_is_found_and_leaves_no_motion_of_the_face(motion):
    image = texture()
    first, placement = reference(image)
    after = moved_as_whole(image, around_nose(*motion))
    found = first.followed(cut_crop(after, placement))
    now = followed(placement, found.head)
    own = in_crop(POINTS, placement)
    np.testing.assert_allclose(moved(own, now), applied(POINTS, around_nose(*motion)), atol=0.25)
    left = measured(found.flow, found.head, parts_of(own, PART), PART)
    assert np.abs(left.regions).max() < 0.15
    assert np.hypot(*left.places.T).max() < 0.35
    assert found.likeness > 0.8


def test_motion_of_a_part_is_found_in_that_part_beside_the_heads():
    image = texture()
    first, placement = reference(image)
    unit = pixels_per_unit(placement)
    after = moved_as_whole(moved_in_part(image, BROWS, 0, -2.5), around_nose(1, 1, 2, 1))
    found = first.followed(cut_crop(after, placement))
    own = measured(found.flow, found.head, parts_of(first.points, PART), PART)
    for place, vector in zip(PLACES, own.places, strict=True):
        if place.part == "lid":  # close below what moves
            continue
        expected = [0, -2.5 / unit] if place.part == "brow" else [0, 0]
        np.testing.assert_allclose(vector, expected, atol=0.5 if place.part == "brow" else 0.35)


def test_light_that_changes_is_no_motion_and_another_picture_is_not_alike():
    image = texture()
    first, placement = reference(image)
    found = first.followed(cut_crop(cv2.convertScaleAbs(image, alpha=0.8, beta=10), placement))
    own = measured(found.flow, found.head, parts_of(first.points, PART), PART)
    assert np.hypot(*own.places.T).max() < 0.1
    assert found.likeness > 0.95
    assert first.followed(cut_crop(texture(1), placement)).likeness < 0.4
