"""Where faces come from: photographs brought to one geometry, and identities invented from them."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from merjax.faces.crops import INTER_OCULAR, inter_ocular_distance
from merjax.faces.landmarks import detect, find_face
from merjax.faces.pictures import PictureError, read_image
from merjax.synthesis.face import Face, normalised_convolution
from merjax.system.console import warn
from merjax.system.errors import MerjaxError
from merjax.system.paths import lacks_file, lacks_folder, listed, user_path

HEIGHT, WIDTH = 480, 640
_EYES_AT = (0.5, 0.42)  # place of the middle between the eyes, as shares of width and height
_SHIPPED = (("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"), ("skimage", "data/astronaut.png"))
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
_ATTEMPTS = 20


def default_portraits() -> list[Path]:
    """Photographs inside installed dependencies: matplotlib's Grace Hopper, scikit-image's astronaut Eileen Collins."""
    found = []
    for package, inside in _SHIPPED:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            found.append(Path(folder) / inside)
    return [path for path in found if path.is_file()]


def portrait_files(portraits: str | Path | Sequence[str | Path] | None = None) -> list[Path]:
    """The given image files, and those directly inside the given folders, in order of their names; None for the default ones.

    Raises:
        MerjaxError: a path does not exist, or a folder holds no images.
    """
    if portraits is None:
        return default_portraits()
    files: list[Path] = []
    for path in map(user_path, [portraits] if isinstance(portraits, str | Path) else portraits):
        lacking = lacks_file(path)
        if not lacking:
            files.append(path)
            continue
        if lacking == "is a folder":
            lacking = lacks_folder(path)
        if lacking:
            raise MerjaxError(f"{path} {lacking}; name photographs of faces, or a folder of them")
        passed_over: list[str] = []
        inside = [file for file in listed(path, passed_over) if file.suffix.lower() in _SUFFIXES]
        for sentence in passed_over:
            warn(sentence)
        if not inside:
            raise MerjaxError(f"{path}: no photographs in this folder (looked for {', '.join(sorted(_SUFFIXES))})")
        files += inside
    return files


def read_face(path: Path, model: Path) -> Face:
    """The largest face of a photograph, level, with d = 105 px, in a frame of 640x480.

    Raises:
        MerjaxError: the file is not an image, or no face is found in it.
    """
    try:
        image = read_image(path, "rgb")
    except PictureError as error:
        raise MerjaxError(f"{path} {error.fault}; name a photograph (jpg, png, bmp, tif or webp)") from None
    found = find_face(image, model)
    if found is None:
        raise MerjaxError(
            f"{path}: no face found; choose a photograph of one face seen from the front, or leave this one out"
        )
    points, image = found.points, cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return Face(*_level(image, points))


def invent(face: Face, model: Path, rng: np.random.Generator) -> Face:
    """An invented face: shape, tone and light of a face are changed at random until the result is still found as a face.

    Raises:
        MerjaxError: no face was found in many attempts.
    """
    for _ in range(_ATTEMPTS):
        image = _warp(face, _shape_change(face, rng))
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
        image = _tone_change(image, rng)
        points = detect(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), model)
        if points is not None and abs(inter_ocular_distance(points) / face.d - 1) < 0.2:
            return Face(image, points)
    raise MerjaxError("a portrait is no longer seen as a face when it is varied; choose portraits seen from the front")


def _level(image: UInt8[np.ndarray, "h w 3"], points_68x2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The image and its points, rotated, scaled and shifted so that the eyes are level, INTER_OCULAR apart and in place."""
    shrink = min(1.0, INTER_OCULAR / inter_ocular_distance(points_68x2))
    height, width = image.shape[:2]
    # Averaging areas first: cubic interpolation alone would alias a large photograph.
    image = cv2.resize(image, (round(width * shrink), round(height * shrink)), interpolation=cv2.INTER_AREA)
    points = points_68x2 * [image.shape[1] / width, image.shape[0] / height]
    right, left = points[36:42].mean(0), points[42:48].mean(0)
    across = (left - right) * INTER_OCULAR / inter_ocular_distance(points) ** 2
    turn_2x2 = np.array([[across[0], across[1]], [-across[1], across[0]]])
    shift = np.array([_EYES_AT[0] * WIDTH, _EYES_AT[1] * HEIGHT]) - turn_2x2 @ ((right + left) / 2)
    matrix_2x3 = np.column_stack([turn_2x2, shift])
    levelled = cv2.warpAffine(
        image, matrix_2x3, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return levelled, points @ turn_2x2.T + shift


def _shape_change(face: Face, rng: np.random.Generator) -> Float[np.ndarray, "68 2"]:
    """Displacement of the landmarks, in pixels, towards another person's proportions."""
    p, d = face.points_68x2, face.d
    centre = p[27]
    lateral_68, down_68 = (p[:, 0] - centre[0]) / d, (p[:, 1] - centre[1]) / d
    change = np.zeros((68, 2))
    change[:, 0] += rng.normal(0, 0.05) * lateral_68  # face width
    change[:, 1] += rng.normal(0, 0.05) * down_68  # face length
    change[2:15, 0] += rng.normal(0, 0.09) * lateral_68[2:15]  # jaw width
    change[5:12, 1] += rng.normal(0, 0.06)  # chin
    change[36:48, 0] += rng.normal(0, 0.04) * np.sign(lateral_68[36:48])  # eye spacing
    change[17:27, 1] += rng.normal(0, 0.04)  # brow height
    nose = rng.normal(0, 0.05)
    change[27:36, 1] += nose * np.clip(down_68[27:36] / 0.6, 0, 1)  # nose length
    change[48:68, 1] += 0.6 * nose
    change[31:36, 0] += rng.normal(0, 0.12) * lateral_68[31:36]  # nose width
    change[48:68, 0] += rng.normal(0, 0.1) * lateral_68[48:68]  # mouth width
    return change * d


def _warp(face: Face, change_68x2: Float[np.ndarray, "68 2"]) -> UInt8[np.ndarray, "H W 3"]:
    field = normalised_convolution(face.points_68x2 + change_68x2, change_68x2, 0.2 * face.d, *face.shape)
    rows_HxW, columns_HxW = np.indices(face.shape, np.float32)
    columns = (columns_HxW - field[..., 0]).astype(np.float32)
    rows = (rows_HxW - field[..., 1]).astype(np.float32)
    return cv2.remap(face.image_HxWx3, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _tone_change(image: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """Another exposure, complexion and direction of light."""
    light_HxWx3 = (image.astype(np.float32) / 255) ** np.float32(np.exp(rng.normal(0, 0.25)))
    height, width = image.shape[:2]
    slope_x, slope_y = rng.normal(0, 0.12, 2)
    x_W, y_Hx1 = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    light_HxWx3 *= (1 + slope_x * x_W + slope_y * y_Hx1)[..., None]
    warmth, green = rng.normal(0, 0.05), rng.normal(0, 0.02)
    light_HxWx3 *= [1 - warmth, 1 + green, 1 + warmth]
    return np.clip(255 * light_HxWx3, 0, 255).round().astype(np.uint8)
