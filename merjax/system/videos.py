"""Video files, whose frames are named as if a video were a folder of pictures: `recording.mp4/frame 12`.

So a clip of a video is a list of paths, as every other clip is. Frames count from 0, the first one of the file.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from merjax.system.errors import MerjaxError

if TYPE_CHECKING:
    import cv2

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
    """What a video says of itself. Of one that does not say how long it is, as browsers record them, frames are counted, and
    their rate is that of their times; of others, no frame is decoded.

    Raises:
        MerjaxError: it cannot be opened as a video.
    """
    import cv2  # not earlier: it takes its time, and most commands open no video

    capture = cv2.VideoCapture(str(video))
    try:
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        facts = VideoFacts(frames, float(capture.get(cv2.CAP_PROP_FPS))) if frames > 0 else _counted(capture)
    finally:
        capture.release()
    if facts.frames < 1:
        raise MerjaxError(f"{video} cannot be read as a video; it is damaged, or of a kind that OpenCV does not know")
    return facts


def _counted(capture: "cv2.VideoCapture") -> VideoFacts:
    """The frames of an open video, and their mean rate; a single frame has none, 0."""
    import cv2

    seconds = []
    while capture.grab():
        seconds.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    lasted = seconds[-1] - seconds[0] if seconds else 0.0
    return VideoFacts(len(seconds), (len(seconds) - 1) / lasted if lasted > 0 else 0.0)
