"""SOFTNet's pictures are those of a plain reading of its code, step by step."""

import cv2
import numpy as np
from support.face_shape import face_points

from merjax.faces import softnet_pictures
from merjax.faces.softnet_pictures import softnet_picture

POINTS = face_points(53.3, 64, 48)


def plain(flow):
    """The steps of extraction_preprocess.py, pixel by pixel where it matters."""
    u, v = flow[..., 0].copy(), flow[..., 1].copy()
    height, width = u.shape
    strain = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            a, b = min(y, height - 2), min(x, width - 2)
            u_x, v_x = u[y, b] - u[y, b + 1], v[y, b] - v[y, b + 1]
            u_y, v_y = u[a, x] - u[a + 1, x], v[a, x] - v[a + 1, x]
            strain[y, x] = np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2)
    x, y = POINTS[28].round().astype(int)
    patch = np.s_[y - 5 : y + 6, x - 5 : x + 6]
    u, v, strain = abs(u - u[patch].mean()), abs(v - v[patch].mean()), strain - strain[patch].mean()
    channels = np.dstack([u, v, strain])
    moves = {36: (-15, 0), 37: (0, -15), 38: (0, -15), 39: (15, 0), 40: (0, 15), 41: (0, 15)}
    for first in (36, 42):
        outline = np.array([POINTS[first + n] + moves[36 + n] for n in range(6)])
        cv2.fillPoly(channels, [outline.round().astype(np.int32)], (0, 0, 0))
    px, py = POINTS[:, 0].astype(int), POINTS[:, 1].astype(int)
    upper = channels[
        max(0, min(py[19], py[24]) - 12) : max(py[41], py[46]) + 12, max(0, px[17] - 12) : min(128, px[26] + 12)
    ]
    mouth = channels[py[50] - 12 : min(128, py[57] + 12), px[60] - 12 : px[64] + 12]
    picture = np.concatenate([cv2.resize(part, (42, 21)) for part in (upper, mouth)])
    low, high = picture.min((0, 1)), picture.max((0, 1))
    return 255 * (picture - low) / (high - low)


def test_a_picture_is_that_of_a_plain_reading(monkeypatch):
    rng = np.random.default_rng(0)
    flow = np.dstack([cv2.GaussianBlur(rng.normal(size=(128, 128)), (0, 0), 6) for _ in range(2)]).astype(np.float32)
    monkeypatch.setattr(softnet_pictures, "dense_flow", lambda first, second: flow)
    picture = softnet_picture(None, None, POINTS)
    assert picture.dtype == np.uint8
    np.testing.assert_allclose(picture, plain(flow), atol=1.01)


def test_landmarks_at_the_edge_give_a_picture_too(monkeypatch):
    monkeypatch.setattr(softnet_pictures, "dense_flow", lambda first, second: np.zeros((128, 128, 2), np.float32))
    for shift in ([-70, -70], [80, 90]):
        assert softnet_picture(None, None, POINTS + shift).shape == (42, 42, 3)
