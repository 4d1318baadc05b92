"""Points that cannot be a face are told from those of a face, by each measure."""

import numpy as np
import pytest
from support.face_shape import face_points

from merjax.faces.plausible import can_be_face, measured

BOX, PICTURE = (180, 130, 420, 370), (480, 640)


def judged(points, share=0.05, box=BOX, picture=PICTURE):
    return can_be_face(measured(points, box, picture, share))


def turned(points, degrees, side=0.0):
    """The points rolled in the picture, and squeezed as by a turn of the head to the side."""
    angle = np.radians(degrees)
    roll = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    near = points - points[27]
    near[:, 0] = near[:, 0] * np.cos(np.radians(side)) + 0.45 * 105 * np.sin(np.radians(side)) * (
        np.arange(68) // 9 == 3
    )
    return near @ roll.T + points[27]


def test_faces_pass_wherever_they_look():
    points = face_points()
    assert judged(points)
    for degrees in (-25, 10, 25):
        assert judged(turned(points, degrees)), degrees
    for side in (-30, 30):
        assert judged(turned(points, 0, side)), side


@pytest.mark.parametrize(
    "fault", ["eyes", "outside box", "outside picture", "nose", "mouth above", "eye widths", "follow"]
)
def test_each_measure_has_a_limit(fault):
    points, box, picture, share = face_points(), BOX, PICTURE, 0.05
    if fault == "eyes":  # closer than a fifth of the face box
        points[36:48, 0] = 300 + 0.4 * (points[36:48, 0] - 300)
    elif fault == "outside box":
        box = (320, 130, 560, 370)
    elif fault == "outside picture":
        picture = (480, 310)
    elif fault == "nose":
        points[30:36, 0] += 0.8 * 105
    elif fault == "mouth above":
        points[48:68, 1] -= 1.2 * 105
    elif fault == "eye widths":
        points[36:42, 0] = points[36:42, 0].mean() + 0.3 * (points[36:42, 0] - points[36:42, 0].mean())
    else:
        share = 0.7
    assert not judged(points, share, box, picture)
