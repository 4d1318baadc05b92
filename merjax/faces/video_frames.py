"""Decodes frames of videos, one after the other: a jump into a compressed video may miss the frame that was asked for."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

Frame = UInt8[np.ndarray, "rows columns 3"]


class VideoReader:
    """One open video of this process: the frames of a clip, and clips in their order, are decoded once each."""

    def __init__(self) -> None:
        self._video: Path | None = None
        self._capture: cv2.VideoCapture | None = None
        self._next = 0
        self._last: Frame | None = None  # the frame before the next

    def frame(self, video: Path, number: int) -> Frame | None:
        """A frame's values, blue, green and red; None if the video cannot be read up to there."""
        if self._video != video or number < self._next - 1 or self._capture is None:
            self._open(video)
        if number == self._next - 1:
            return self._last
        capture = self._capture
        assert capture is not None
        while self._next < number and capture.grab():
            self._next += 1
        found, image = capture.read() if self._next == number else (False, None)
        if not found or image is None:
            self._video = None  # after a failure, nobody knows where it stands
            return None
        self._next, self._last = number + 1, image
        return image

    def _open(self, video: Path) -> None:
        if self._capture is not None:
            self._capture.release()
        self._video, self._capture = video, cv2.VideoCapture(str(video))
        self._next, self._last = 0, None
