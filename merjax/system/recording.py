"""Writes video files that need no codec besides OpenCV's own, and records what a camera shows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from merjax.system.errors import MerjaxError

Picture = UInt8[np.ndarray, "rows columns 3"]
_QUALITY = 95.0  # of each picture as JPEG
_SETTLES = 1.0  # second in which a camera finds its light, and its rate is measured


@contextmanager
def motion_jpeg(path: Path, fps: float) -> Iterator[Callable[[Picture], None]]:
    """A video of JPEG pictures (.avi), which gets its name when it is whole: gives the function that adds a picture (blue,
    green, red).

    Raises:
        MerjaxError: it cannot be written.
    """
    import cv2

    aside = path.with_name(f".{path.name}.unfinished.avi")
    writer = cv2.VideoWriter()

    def add(picture: Picture) -> None:
        size = (picture.shape[1], picture.shape[0])
        coding, how = cv2.VideoWriter.fourcc(*"MJPG"), [cv2.VIDEOWRITER_PROP_QUALITY, int(_QUALITY)]
        if not writer.isOpened() and not writer.open(str(aside), cv2.CAP_OPENCV_MJPEG, coding, fps, size, how):
            raise MerjaxError(f"{path} cannot be written; free some space, or choose another output folder")
        writer.write(picture)

    try:
        yield add
        writer.release()
        aside.replace(path)
    finally:
        writer.release()
        aside.unlink(missing_ok=True)


def record_camera(
    camera: int,
    seconds: float,
    place: Callable[[], Path],
    progress: Callable[[int, int], None],
    clock: Callable[[], float] = time.perf_counter,
) -> Path:
    """Record what a camera shows, after a second in which it finds its light and its rate is measured.

    Args:
        camera: its number, from 0.
        seconds: how long.
        place: gives the path of the video to write (.avi), once the camera is known to show something.
        progress: called with (seconds recorded, seconds in all).
        clock: the time in seconds.

    Returns:
        The video.

    Raises:
        MerjaxError: there is no such camera, it shows nothing, or it stops.
    """
    opened = _opened(camera)
    try:
        pictures, began = 0, clock()
        while clock() - began < _SETTLES or pictures < 2:
            picture, pictures = _next(opened, camera), pictures + 1
        fps = pictures / (clock() - began)
        path = place()
        with motion_jpeg(path, fps) as add:
            for n in range(max(1, round(seconds * fps))):
                add(picture if n == 0 else _next(opened, camera))
                progress(int((n + 1) / fps), round(seconds))
    finally:
        opened.release()
    return path


def _opened(camera: int) -> Any:
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # what it says about an absent camera says nothing
    try:
        opened = cv2.VideoCapture(camera)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not opened.isOpened():
        raise MerjaxError(f"there is no camera {camera}, or another program uses it; cameras count from 0")
    return opened


def _next(opened: Any, camera: int) -> Picture:
    found, picture = opened.read()
    if not found or picture is None:
        raise MerjaxError(f"camera {camera} gives no picture; look whether another program uses it, and record again")
    return picture
