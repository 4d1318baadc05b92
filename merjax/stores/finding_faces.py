"""Finds the one face of a long video whose motion is measured, where pictures may show several."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from merjax.faces.crops import Points
from merjax.faces.face_boxes import FaceBox
from merjax.faces.following import Find
from merjax.faces.landmarks import face_in_box, find_face
from merjax.faces.pictures import Image


def finder(model: Path, several: Callable[[Sequence[FaceBox]], FaceBox]) -> Find:
    """What finds the face of one video.

    Args:
        model: dlib's 68-point model.
        several: says which face to take, the first time that a picture shows more than one, from the left to the right.
    """

    def find(image: Image, near: Points | None) -> Points | None:
        face = find_face(image, model, "sure")
        if face is None:
            return None
        boxes = sorted((face.box, *face.others))
        if near is not None:
            wanted = min(boxes, key=lambda box: _distance(box, near))
        elif len(boxes) == 1:
            return face.points
        else:
            wanted = several(boxes)
        if wanted == face.box:
            return face.points
        chosen = face_in_box(image, wanted, face.padding, model, face.step)
        return None if chosen is None else chosen.points

    return find


def _distance(box: FaceBox, points: Points) -> float:
    middle = np.array([box.left + box.right, box.top + box.bottom]) / 2
    return float(np.linalg.norm(middle - points[17:].mean(0)))


def numbered(face: int) -> Callable[[Sequence[FaceBox]], FaceBox]:
    """Takes the face of a number, counted from the left, from 1; the last one where there are fewer."""
    return lambda boxes: boxes[min(face, len(boxes)) - 1]


def steadiest(images: Callable[[], Iterable[Image]], model: Path) -> Callable[[Sequence[FaceBox]], FaceBox]:
    """Takes the face that is there most often in some pictures of a video, and of equals the one that moves least.

    Args:
        images: gives the pictures to look into, when they are needed.
        model: dlib's 68-point model.
    """

    def choose(boxes: Sequence[FaceBox]) -> FaceBox:
        seen: list[list[FaceBox]] = [[] for _ in boxes]
        for image in images():
            face = find_face(image, model, "sure")
            for box in () if face is None else (face.box, *face.others):
                own = next((n for n, first in enumerate(boxes) if box.overlaps(first)), None)
                if own is not None:
                    seen[own].append(box)
        return max(zip(boxes, seen, strict=True), key=lambda pair: _steadiness(*pair))[0]

    return choose


def _steadiness(first: FaceBox, seen: Sequence[FaceBox]) -> tuple[int, float]:
    if not seen:
        return 0, 0.0
    middles = np.array([[box.left + box.right, box.top + box.bottom] for box in (first, *seen)]) / 2
    return len(seen), -float(middles.std(0).sum() / first.side)
