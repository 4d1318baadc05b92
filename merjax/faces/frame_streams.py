"""The pictures of a long video one after the other, in memory that does not grow with its length.

Pictures are given at even times: of a video with more pictures a second than are asked for, every n-th; of one whose rate
changes, at each time the one that is shown then, so that a picture may be left out or come twice.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2

from merjax.faces.pictures import Image, PictureError, first_of_clip, read_image
from merjax.system.errors import MerjaxError
from merjax.system.videos import frame_path

_MILLISECONDS = 1000.0


class Shown(NamedTuple):
    """A picture, gray, and its number in the video, counted from 0."""

    number: int
    image: Image


def every_nth(fps: float, most: float) -> int:
    """How many pictures on the next one to read is, to have about `most` a second: 7 of a video of 200 with 30."""
    return max(1, int(fps / most + 0.5))


def shown_in_folder(pictures: Sequence[Path], every: int, first: int = 0) -> Iterator[Shown]:
    """Every n-th of pictures, without so many of the first of these.

    Raises:
        MerjaxError: one cannot be read, or has another size than the first.
    """
    picked = pictures[::every]
    begins, bits = first_of_clip(picked)
    for n, path in enumerate(picked[first:], first):
        image = begins if n == 0 else read_image(path, "gray", bits)
        if image.shape != begins.shape:
            raise MerjaxError(
                f"{path.name} is {image.shape[1]}x{image.shape[0]} pixels, the first frame "
                f"{begins.shape[1]}x{begins.shape[0]}"
            )
        yield Shown(n * every, image)


def shown_in_video(video: Path, fps: float, every: int, first: int = 0) -> Iterator[Shown]:
    """The pictures of a video file at even times, `fps / every` a second, without so many of the first of these.

    Raises:
        PictureError: its first picture cannot be read.
    """
    capture = cv2.VideoCapture(str(video))
    try:
        number, given, began, before = -1, 0, 0.0, None
        while capture.grab():
            number += 1
            # some files tell no times: then their pictures are even
            told = capture.get(cv2.CAP_PROP_POS_MSEC) / _MILLISECONDS
            began = told if number == 0 else began
            seconds = told - began if told > began else number / fps
            due = int((seconds * fps + 0.5) / every) + 1  # half a picture's time for times that are rounded
            found, image = capture.retrieve()
            if not found or image is None:
                break
            now = Shown(number, image)
            for time in range(max(given, first), due):
                yield _gray(now if time == due - 1 else before or now)  # at earlier times the picture before was shown
            given, before = max(given, due), now
        if given == 0:
            raise PictureError(frame_path(video, 0), f"of {video.name} cannot be read; the video is damaged")
    finally:
        capture.release()


def _gray(shown: Shown) -> Shown:
    return shown._replace(image=cv2.cvtColor(shown.image, cv2.COLOR_BGR2GRAY)) if shown.image.ndim == 3 else shown
