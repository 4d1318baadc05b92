"""Recordings of a drawn face as video files and folders, and detectors that know where it is; no face detector runs."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from support.moving_faces import POINTS, SIZE, texture

from merjax.faces.face_boxes import FaceBox
from merjax.faces.landmarks import FoundFace
from merjax.models import found_clips
from merjax.stores import motion_preparation, usable_face
from merjax.system.recording import motion_jpeg

BLANK = np.full(SIZE, 128, np.uint8)
SKIN = texture()
BOX = FaceBox(200, 120, 440, 360)


def shows_face(image: np.ndarray) -> bool:
    return float(np.ptp(image)) > 60


def know_faces(monkeypatch, side: int = 240) -> None:
    """Let everything work in this process, and take all pictures but blank ones for the drawn face, in a box of some size."""
    box = BOX._replace(right=BOX.left + side - 1, bottom=BOX.top + side - 1)

    def find(image, model, lowest="picture"):
        return FoundFace(POINTS, "sure", box, 0) if shows_face(image) else None

    monkeypatch.setattr(motion_preparation.worker_processes, "spread", lambda work, jobs, workers: map(work, jobs))
    monkeypatch.setattr(
        motion_preparation,
        "finder",
        lambda model, several: lambda image, near: POINTS if shows_face(image) else None,
    )
    monkeypatch.setattr(usable_face, "find_face", find)
    monkeypatch.setattr(found_clips, "find_face", find)


def write_film(path: Path, pictures, fps: float = 30.0) -> Path:
    """A video of gray or colour pictures, as a camera's recording is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with motion_jpeg(path, fps) as add:
        for picture in pictures:
            add(picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    return path


def encode(av, path: Path, pictures, fps: float = 30.0, times=None, pixels: str = "yuv420p") -> Path:
    """A compressed video; `times` are those of the pictures in pictures at `fps`, by default 0, 1, 2, ..."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], pixels
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), format="bgr24")
            frame.pts = n if times is None else times[n]
            frame.time_base = 1 / Fraction(fps).limit_denominator(1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def turn(film: Path, place: Path) -> Path:
    """A video (.mp4) that is to be shown a quarter clockwise, as telephones write what was recorded on its side."""
    content = bytearray(film.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # the matrix of the track's header, nine numbers
    content[at : at + 20] = np.array([0, 1 << 16, 0, -(1 << 16), 0], ">i4").tobytes()
    place.write_bytes(content)
    return place
