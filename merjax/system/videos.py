"""Video files, whose frames are named as if a video were a folder of pictures: `recording.mp4/frame 12`.

So a clip of a video is a list of paths, as every other clip is. Frames count from 0, the first one of the file.
"""

import re
from pathlib import Path
from typing import NamedTuple

from merjax.system.errors import MerjaxError

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
_FRAME = re.compile(r"frame (\d+)")


class VideoFacts(NamedTuple):
    """What a video says of itself: how many frames it has, and its frames per second."""

    frames: int
    fps: float


def frames(seconds: float, fps: float) -> int:
    """A time in frames of a video, at least 1; half a frame is rounded up."""
    return max(1, int(seconds * fps + 0.5))


def is_video(path: Path) -> bool:
    """Whether a name is that of a video."""
    return path.suffix.lower() in VIDEOS


def frame_path(video: Path, number: int) -> Path:
    """The path by which a frame of a video is known.

    >>> frame_path(Path("recording.mp4"), 12).as_posix()
    'recording.mp4/frame 12'
    """
    return video / f"frame {number}"


def frame_in(path: Path) -> tuple[Path, int] | None:
    """The video and the number of the frame that a path names; None if it names none."""
    match = _FRAME.fullmatch(path.name)
    return (path.parent, int(match[1])) if match and is_video(path.parent) else None


def facts_of(video: Path) -> VideoFacts:
    """What a video says of itself; no frame is decoded.

    Raises:
        MerjaxError: it cannot be opened as a video.
    """
    import cv2  # not earlier: it takes its time, and most commands open no video

    capture = cv2.VideoCapture(str(video))
    try:
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        if frames < 1:
            raise MerjaxError(
                f"{video} cannot be read as a video; it is damaged, or of a kind that OpenCV does not know"
            )
        return VideoFacts(frames, float(capture.get(cv2.CAP_PROP_FPS)))
    finally:
        capture.release()
