"""Whether a video shows a face that is large enough, looked for before anything is measured."""

from collections.abc import Iterator
from pathlib import Path

import cv2

from merjax.datasets.long_videos import LongVideo
from merjax.faces.frame_streams import Shown
from merjax.faces.landmarks import find_face
from merjax.faces.pictures import Image
from merjax.stores.video_motion import shown_of
from merjax.system.errors import MerjaxError

SMALLEST = 80  # px of the box around a face: the size of the faces on which dlib's detector was trained
_EVERY = 0.25  # seconds between pictures that are looked into, as where a face is lost
_ENLARGED = 3  # pictures in which no face is found are looked into again so many times larger


def refuse_faceless(video: LongVideo, model: Path) -> None:
    """Refuse a video that shows no face, or one that is too small; the pictures up to the first face are read.

    Args:
        video: the video.
        model: dlib's 68-point model.

    Raises:
        MerjaxError: it shows none, or a small one (the message says how large it is and has to be); or a picture cannot
            be read.
    """
    kept: list[Image] = []
    for n, shown in enumerate(_some(video)):
        face = find_face(shown.image, model, "sure")
        if face is not None:
            _refuse_small(video, face.box.side)
            return
        if n & (n + 1) == 0:  # the first, and then each twice as late as the one before
            kept.append(shown.image)
    for image in kept:
        large = cv2.resize(image, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
        face = find_face(large, model, "sure")
        if face is not None:
            _refuse_small(video, face.box.side // _ENLARGED)
    raise MerjaxError(
        f"no face is found anywhere in {video.frames}; it must be seen from the front, in even light, and be at least "
        f"{SMALLEST} pixels wide"
    )


def _some(video: LongVideo) -> Iterator[Shown]:
    return shown_of(video, max(1, round(video.fps * _EVERY)))


def _refuse_small(video: LongVideo, side: int) -> None:
    if side < SMALLEST:
        raise MerjaxError(
            f"the face in {video.frames} is {side} pixels wide and must be at least {SMALLEST}; move the camera closer, or "
            "record with more pixels"
        )
