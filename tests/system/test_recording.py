"""What a camera shows becomes a video of its own rate; a camera that is not there is named."""

import cv2
import numpy as np
import pytest

from merjax.system.errors import MerjaxError
from merjax.system.recording import motion_jpeg, record_camera
from merjax.system.videos import facts_of


class Camera:
    """Gives a gray picture at every tick of its own clock; the n-th is n levels bright."""

    def __init__(self, fps=20.0, pictures=10_000):
        self.fps, self.left, self.shown, self.released = fps, pictures, 0, False

    def isOpened(self):  # as OpenCV calls it
        return self.left > 0

    def read(self):
        if self.shown >= self.left:
            return False, None
        self.shown += 1
        return True, np.full((48, 64, 3), self.shown, np.uint8)

    def release(self):
        self.released = True

    def clock(self):
        return self.shown / self.fps


def recorded(monkeypatch, camera, place, seconds=2.0, heard=lambda done, total: None):
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: camera)
    return record_camera(0, seconds, lambda: place, heard, camera.clock)


def test_a_recording_has_the_rate_that_the_camera_has_shown_and_lasts_as_asked(monkeypatch, tmp_path):
    camera, heard = Camera(), []
    place = recorded(monkeypatch, camera, tmp_path / "camera.avi", heard=lambda *step: heard.append(step))
    monkeypatch.undo()
    facts = facts_of(place)
    assert (facts.frames, facts.fps) == (40, pytest.approx(20.0, rel=0.01))
    assert (heard[0], heard[-1], camera.released) == ((0, 2), (2, 2), True)
    capture = cv2.VideoCapture(str(place))
    assert abs(float(capture.read()[1].mean()) - 20) < 2  # the first second is for finding the light


def test_a_camera_that_is_not_there_or_stops_leaves_nothing(monkeypatch, tmp_path):
    place = tmp_path / "camera.avi"
    with pytest.raises(MerjaxError, match="there is no camera 0, or another program uses it"):
        recorded(monkeypatch, Camera(pictures=0), place)
    for pictures in (1, 25):
        camera = Camera(pictures=pictures)
        with pytest.raises(MerjaxError, match="camera 0 gives no picture"):
            recorded(monkeypatch, camera, place)
        assert camera.released
    assert not [*tmp_path.iterdir()]


def test_a_video_that_cannot_be_written_is_named(tmp_path):
    with (
        pytest.raises(MerjaxError, match="film.avi cannot be written"),
        motion_jpeg(tmp_path / "no" / "film.avi", 30) as add,
    ):
        add(np.zeros((48, 64, 3), np.uint8))
