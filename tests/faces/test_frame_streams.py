"""Pictures come at even times, one after the other, with their own numbers."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from merjax.faces import frame_streams
from merjax.faces.frame_streams import every_nth, shown_in_folder, shown_in_video
from merjax.faces.pictures import PictureError
from merjax.system.errors import MerjaxError


@pytest.mark.parametrize(
    ("fps", "every"), [(200, 7), (30, 1), (29.97, 1), (25, 1), (60, 2), (100, 3), (44, 1), (46, 2)]
)
def test_about_thirty_pictures_a_second_are_read(fps, every):
    assert every_nth(fps, 30.0) == every


class Film:
    """A film whose picture n is shown at times[n] seconds; its gray value is n."""

    def __init__(self, times):
        self.times, self.at = times, -1

    def grab(self):
        self.at += 1
        return self.at < len(self.times)

    def retrieve(self):
        return True, np.full((4, 6, 3), self.at, np.uint8)

    def get(self, which):
        assert which == cv2.CAP_PROP_POS_MSEC
        return 1000 * self.times[self.at]

    def release(self):
        self.times = []


def shown(monkeypatch, times, fps, every=1, first=0):
    monkeypatch.setattr(frame_streams.cv2, "VideoCapture", lambda path: Film(times))
    pictures = list(shown_in_video(Path("film.mp4"), fps, every, first))
    assert all((picture.image == picture.number).all() for picture in pictures)
    assert all(picture.image.shape == (4, 6) for picture in pictures)
    return [picture.number for picture in pictures]


@pytest.mark.parametrize("fps", [25.0, 29.97, 200.0])
@pytest.mark.parametrize("every", [1, 2, 7])
def test_of_an_even_film_every_nth_picture_is_shown_however_its_times_are_rounded(monkeypatch, fps, every):
    times = np.round(np.arange(60) / fps, 3) + 5
    assert shown(monkeypatch, times, fps, every) == list(range(0, 60, every))


def test_of_a_film_without_times_every_nth_picture_is_shown(monkeypatch):
    assert shown(monkeypatch, np.zeros(10), 30.0, 3) == [0, 3, 6, 9]


def test_of_a_film_whose_rate_changes_what_is_shown_at_even_times_is_taken(monkeypatch):
    slow, fast = np.arange(4) / 15, 4 / 15 + np.arange(8) / 60
    times = np.concatenate([slow, fast])
    numbers = shown(monkeypatch, times, 30.0)
    for n, number in enumerate(numbers):  # it has begun, but for half a picture's time, and the next one has not
        assert times[number] <= (n + 0.5) / 30 + 1e-9
        assert number + 1 == len(times) or times[number + 1] >= n / 30 - 1e-9
    assert numbers == sorted(numbers)
    assert len(numbers) == pytest.approx(times[-1] * 30, abs=1.5)
    assert len(set(numbers)) < len(numbers)  # the slow part's pictures twice
    assert set(np.diff(numbers)) >= {0, 2}


def test_while_no_picture_comes_the_last_one_is_shown(monkeypatch):
    assert shown(monkeypatch, np.array([0, 1, 2, 6, 7, 8]) / 30, 20.0) == [0, 1, 2, 2, 3, 4]


@pytest.mark.parametrize("first", [1, 2, 5, 6, 9, 40])
def test_without_the_first_pictures_it_goes_on_as_it_would_have(monkeypatch, first):
    times = np.concatenate([np.arange(4) / 15, 4 / 15 + np.arange(8) / 60, [0.6, 0.7]])
    assert shown(monkeypatch, times, 30.0, first=first) == shown(monkeypatch, times, 30.0)[first:]


def test_a_film_without_a_picture_is_refused(monkeypatch):
    with pytest.raises(PictureError, match="the video is damaged"):
        shown(monkeypatch, [], 30.0)


def test_pictures_of_a_folder_keep_their_positions_and_must_have_one_size(tmp_path):
    for n in range(5):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((4, 6), n, np.uint8))
    pictures = sorted(tmp_path.iterdir())
    assert [(p.number, int(p.image[0, 0])) for p in shown_in_folder(pictures, 2)] == [(0, 0), (2, 2), (4, 4)]
    assert [(p.number, int(p.image[0, 0])) for p in shown_in_folder(pictures, 2, 1)] == [(2, 2), (4, 4)]
    cv2.imwrite(str(tmp_path / "4.png"), np.zeros((5, 6), np.uint8))
    with pytest.raises(MerjaxError, match="4.png is 6x5 pixels, the first frame 6x4"):
        list(shown_in_folder(pictures, 2))
