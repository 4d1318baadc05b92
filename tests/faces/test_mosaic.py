"""The mosaic against the places of its crops and against HTNet's steps written out."""

import numpy as np

from merjax.faces.mosaic import mosaic

PICTURE = np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)


def test_the_crops_are_those_of_the_fixed_points():
    crops = {
        "left eye": PICTURE[2:16, 4:18],
        "left lips": PICTURE[14:28, 3:17],
        "right eye": PICTURE[3:17, 14:28],
        "right lips": PICTURE[13:27, 14:28],
    }
    made = mosaic(PICTURE)
    assert made.shape == (28, 28, 3)
    np.testing.assert_array_equal(made[:14, :14], crops["left eye"])
    np.testing.assert_array_equal(made[:14, 14:], crops["left lips"])
    np.testing.assert_array_equal(made[14:, :14], crops["right eye"])
    np.testing.assert_array_equal(made[14:, 14:], crops["right lips"])


def test_it_follows_the_published_steps():
    """Five points (x, y); clipped to 7..21 and truncated; x taken for the row; the nose left out."""
    points = [[9.53, 11.06], [21.40, 10.92], [15.38, 17.38], [10.26, 22.12], [20.58, 22.26]]
    for point in points:
        for i in (0, 1):
            point[i] = int(min(max(point[i], 7), 21))
    parts = [PICTURE[x - 7 : x + 7, y - 7 : y + 7] for x, y in points]
    l_eye, l_lips, _, r_eye, r_lips = parts
    expected = np.concatenate([np.concatenate([l_eye, l_lips], 1), np.concatenate([r_eye, r_lips], 1)], 0)
    np.testing.assert_array_equal(mosaic(PICTURE), expected)
