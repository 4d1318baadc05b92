"""Pictures of a texture with the landmarks of a drawn face on it, which moves as a whole and in parts; no detector needed."""

import cv2
import numpy as np
from support.face_shape import face_points

SIZE = 480, 640
POINTS = face_points(105.0, 320.0, 200.0)


def texture(seed: int = 0) -> np.ndarray:
    """Gray noise of several scales, as skin has."""
    rng = np.random.default_rng(seed)
    noise = sum(cv2.GaussianBlur(rng.normal(size=SIZE), (0, 0), blur) * blur for blur in (1.5, 3, 8))
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def around_nose(degrees: float, scale: float, x: float, y: float) -> np.ndarray:
    """A similarity about the nose, 2 x 3."""
    centre = POINTS[30]
    turn = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), degrees, scale)
    return turn + np.array([[0, 0, x], [0, 0, y]])


def moved_as_whole(image: np.ndarray, motion: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(image, motion, image.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def moved_in_part(image: np.ndarray, landmarks, x: float, y: float, radius: float = 14.0) -> np.ndarray:
    """A picture in which the skin around landmarks is moved, less and less away from them."""
    rows, columns = np.indices(image.shape, np.float32)
    away = np.ones(image.shape, np.uint8)
    for px, py in POINTS[list(landmarks)].round().astype(int):
        away[py, px] = 0
    far = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weight = np.exp(-((np.maximum(far - radius, 0) / 12) ** 2)).astype(np.float32)
    across, down = columns - np.float32(x) * weight, rows - np.float32(y) * weight
    return cv2.remap(image, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def applied(points: np.ndarray, motion: np.ndarray) -> np.ndarray:
    return points @ motion[:, :2].T + motion[:, 2]
