"""A face is followed over blocks and gaps: motion adds up between gaps, and never across one."""

import numpy as np
import pytest
from support.moving_faces import POINTS, SIZE, applied, around_nose, moved_as_whole, moved_in_part, texture

from merjax.faces.following import follow

BLANK = np.full(SIZE, 128, np.uint8)


def finder(found):
    """Finds given landmarks in the pictures of some numbers, and notes what it is asked."""
    asked = []

    def find(image, near):
        asked.append(near)
        return found(len(asked), image)

    return find, asked


def shifted(n):
    return around_nose(0, 1, 0.7 * n, 0.4 * n)


def test_motion_adds_up_over_blocks_and_crops_stay_still():
    image = texture()
    pictures = [moved_as_whole(moved_in_part(image, range(17, 27), 0, -0.4 * n), shifted(n)) for n in range(9)]
    find, asked = finder(lambda n, picture: applied(POINTS, shifted(4 * (n - 1))))
    seen = list(follow(pictures, find, block=4, retry=3, side=128))
    assert [step.new for step in seen] == [True] + [False] * 8
    assert [t for t, step in enumerate(seen) if step.points is not None] == [0, 4, 8]
    assert len(asked) == 3
    within = slice(20, 100), slice(30, 98)
    for step in seen[1:]:
        assert np.abs(step.crop[within].astype(int) - seen[0].crop[within])[40:].mean() < 4
    unit = np.hypot(*(POINTS[42] - POINTS[39])) / 64
    at = np.array([step.nose_at for step in seen])
    np.testing.assert_allclose(at - at[0], np.outer(np.arange(9), [0.7, 0.4]) / unit, atol=0.2)
    brow = np.array([step.moved.places[3, 1] for step in seen])
    # since the first frame of the block, which on a block's own first frame is the block before
    np.testing.assert_allclose(brow, -0.4 / unit * np.array([0, 1, 2, 3, 4, 1, 2, 3, 4]), atol=0.35)


def test_where_a_face_is_lost_it_is_looked_for_now_and_then_until_it_is_found():
    image, frames = texture(), [0, 1, None, None, None, None, None, 7, 8]
    pictures = [BLANK if n is None else image for n in frames]
    find, asked = finder(lambda n, picture: None if picture is BLANK else POINTS)
    seen = list(follow(pictures, find, block=100, retry=2, side=128))
    # frame 2 tells that the face is gone; it is looked for on 3, 5 and 7
    assert [step is None for step in seen] == [False, False, True, True, True, True, True, False, False]
    assert seen[7].new
    assert seen[7].points is not None
    assert len(asked) == 4
    assert asked[0] is None
    np.testing.assert_allclose(asked[-1], POINTS)


def test_a_video_that_begins_without_a_face_begins_with_a_gap():
    pictures = [BLANK] * 3 + [texture()] * 2
    find, _ = finder(lambda n, picture: None if picture is BLANK else POINTS)
    assert [step is None for step in follow(pictures, find, block=100, retry=1, side=128)] == [True] * 3 + [False] * 2


def test_a_face_that_was_not_followed_well_is_looked_for_anew():
    beside = applied(POINTS, around_nose(0, 1, 30, 0))
    find, asked = finder(lambda n, picture: POINTS if n == 1 else beside)
    seen = list(follow([texture()] * 6, find, block=2, retry=1, side=128))
    assert [step is None for step in seen] == [False, False, True, False, False, False]
    assert seen[3].new
    assert len(asked) == 4  # the last one where the block after the gap ends


@pytest.mark.parametrize("second", [None, applied(POINTS, around_nose(0, 1, 150, 0))])
def test_a_block_keeps_its_landmarks_where_none_or_another_face_is_found(second):
    find, _ = finder(lambda n, picture: POINTS if n == 1 else second)
    seen = list(follow([texture()] * 4, find, block=2, retry=1, side=128))
    np.testing.assert_allclose(seen[2].points, seen[0].points)
