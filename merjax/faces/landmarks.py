"""The 68 facial landmarks of dlib, and the file of the model that finds them.

The model (`shape_predictor_68_face_landmarks.dat`) was trained on the iBUG 300-W photographs, and their licence excludes
commercial use: use the model, and what is derived from it, for research only.
"""

import functools
import hashlib
import importlib.util
import math
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from jaxtyping import Float, UInt8

from merjax.system.environment import text
from merjax.system.errors import MerjaxError
from merjax.system.paths import is_file, lacks_file, user_path

MODEL = "shape_predictor_68_face_landmarks.dat"
VARIABLE = "MERJAX_LANDMARK_MODEL"
SHA256 = "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
_FIX = (
    f"install the model (research use only) with: pip install face-recognition-models; or name its file in {VARIABLE}"
)

# The detector was trained on faces of 80 px: shrinking a frame with a larger face loses nothing and saves time.
_DETECTOR_SIDE = 320
_PADDING = 0.3
_SHIFT = 0.04


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


def detect(image: UInt8[np.ndarray, "H W *channels"], model: Path) -> Float[np.ndarray, "68 2"] | None:
    """Landmarks of the largest face of a gray or RGB image, as (x, y) in its pixels, or None where no face is found.

    Each point is the median over boxes around the detected one: dlib's points move with the box, and the median moves
    half as much (measured under small rotations and scalings of 13 portraits: .007 d on average instead of .012 d).
    Points may lie outside an image that crops the face tightly. `model` is the file that `find_model` returns.
    """
    place = _find_face(image)
    return None if place is None else np.median(_shapes(image, *place, model), axis=0)


def track(images: Iterable[UInt8[np.ndarray, "H W *channels"]], model: Path) -> Float[np.ndarray, "T 68 2"] | None:
    """Landmarks of a face that hardly moves, in every frame, or None where the first frame shows no face.

    All frames take the boxes of the first frame, so that the boxes add no motion of their own. Each point is the mean over the
    boxes, which trembles a third less than their median (measured on noisy still frames of 6 portraits at d = 105: .17 px
    instead of .26 px per point, and .45 px from a single box) and follows a shift of 8 px to 2 %.
    """
    frames = iter(images)
    first = next(frames)
    place = _find_face(first)
    if place is None:
        return None
    return np.stack([_shapes(image, *place, model).mean(0) for image in chain([first], frames)])


def _find_face(image: UInt8[np.ndarray, "H W *channels"]) -> tuple[int, Any] | None:
    """By how much to pad an image, and the rectangle of the largest face in the padded image; None if there is no face."""
    for padding, scale in _attempts(image.shape[0], image.shape[1]):
        box = _largest_face(_padded(image, padding), scale)
        if box is not None:
            return padding, box
    return None


def _shapes(
    image: UInt8[np.ndarray, "H W *channels"], padding: int, box: Any, model: Path
) -> Float[np.ndarray, "boxes 68 2"]:
    padded = _padded(image, padding)
    shapes = [_predictor(model)(padded, near).parts() for near in _near(box)]
    return np.array([[(p.x, p.y) for p in shape] for shape in shapes], float) - padding


def _padded(image: UInt8[np.ndarray, "H W *channels"], padding: int) -> UInt8[np.ndarray, "h w *channels"]:
    if padding == 0:
        return np.ascontiguousarray(image)
    return cv2.copyMakeBorder(image, padding, padding, padding, padding, cv2.BORDER_REPLICATE)


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
def _detector() -> Any:
    return dlib.get_frontal_face_detector()


@functools.cache
def _predictor(model: Path) -> Any:
    return dlib.shape_predictor(str(model))


def _attempts(height: int, width: int) -> Iterator[tuple[int, int]]:
    """(padding in px, scale) from the cheapest to the most patient; a scale of -k shrinks k times, k enlarges."""
    shrink = max(height, width) // _DETECTOR_SIDE
    while shrink > 1:
        yield 0, -shrink
        shrink //= 2
    yield 0, 1
    # Cropped releases end at chin and brows; the detector needs some surroundings and a face of 80 px.
    padding = round(_PADDING * max(height, width))
    yield padding, 1
    if max(height, width) < 2 * _DETECTOR_SIDE:
        yield 0, 2
        yield padding, 2


def _largest_face(image: UInt8[np.ndarray, "H W *channels"], scale: int) -> Any:
    """dlib's rectangle of the largest face in the image's own pixels, detected at the given scale."""
    boxes = _detector()(_scaled(image, scale), 0)
    if not boxes:
        return None
    box = max(boxes, key=lambda b: b.area())
    if scale < 0:  # pixel i of the shrunken image is pixels k i ... k i + k - 1 of the image
        k = -scale
        return dlib.rectangle(k * box.left(), k * box.top(), k * box.right() + k - 1, k * box.bottom() + k - 1)
    return dlib.rectangle(*(side // scale for side in (box.left(), box.top(), box.right(), box.bottom())))


def _near(box: Any) -> Iterator[Any]:
    """The box, shifted and scaled by a few percent."""
    x, y, side = (box.left() + box.right()) / 2, (box.top() + box.bottom()) / 2, box.width()
    for half in (0.46 * side, 0.5 * side, 0.54 * side):
        for dx, dy in ((0, 0), (_SHIFT, 0), (-_SHIFT, 0), (0, _SHIFT), (0, -_SHIFT)):
            cx, cy = x + dx * side, y + dy * side
            yield dlib.rectangle(*(math.floor(edge + 0.5) for edge in (cx - half, cy - half, cx + half, cy + half)))


def _scaled(image: UInt8[np.ndarray, "H W *channels"], scale: int) -> UInt8[np.ndarray, "h w *channels"]:
    height, width = image.shape[:2]
    if scale < 0:  # cut to a multiple of k, so that every shrunken pixel is the mean of exactly k x k pixels
        k = -scale
        whole = image[: height // k * k, : width // k * k]
        return cv2.resize(whole, (width // k, height // k), interpolation=cv2.INTER_AREA)
    if scale > 1:
        return cv2.resize(image, (width * scale, height * scale), interpolation=cv2.INTER_LINEAR)
    return image
