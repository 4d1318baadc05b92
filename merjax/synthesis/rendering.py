"""Turns a scripted clip into frames: a face, its movements, and what a camera adds."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from merjax.faces.crops import INTER_OCULAR
from merjax.synthesis.face import Face, displacement_field
from merjax.synthesis.movements import Movement

_CREASE = 0.3  # relative darkening where the skin is compressed to nothing
_DARKEST_CREASE = 0.25
_READ_NOISE_SHARE = 0.3  # of the variance at mid-gray; the rest is photon noise
_MAINS = 100.0  # Hz, of lamps on 50 Hz mains


@dataclass(frozen=True)
class Camera:
    """What the camera adds to the motion.

    Attributes:
        noise: standard deviation of the sensor noise at mid-gray, in gray levels of 255.
        drift: largest displacement of the whole frame, in pixels at d = 105.
        flicker: relative amplitude of the light's flicker.
    """

    noise: float = 1.5
    drift: float = 0.3
    flicker: float = 0.004


@dataclass(frozen=True)
class Script:
    """What happens in a clip; frame numbers count from the clip's first frame, 0.

    Attributes:
        movements: the action units.
        peak: largest displacement at the apex, in pixels at d = 105.
        frames: number of frames, including margins before the onset and after the offset.
        onset, apex, offset: the first frame of the motion, the frame of the strongest expression, the last frame.
        fps: frames per second.
    """

    movements: tuple[Movement, ...]
    peak: float
    frames: int
    onset: int
    apex: int
    offset: int
    fps: float


def envelope(script: Script) -> Float[np.ndarray, "T"]:
    """Strength of the expression in every frame: a raised cosine from 0 at the onset to 1 at the apex to 0 at the offset."""
    t = np.arange(script.frames)
    phase = np.interp(t, [script.onset, script.apex, script.offset], [0, np.pi, 2 * np.pi])
    return 0.5 * (1 - np.cos(phase))


def apex_field(face: Face, script: Script) -> Float32[np.ndarray, "H W 2"]:
    """True displacement (x, y) in pixels from onset to apex of what each pixel shows at the onset, without drift."""
    backward = _backward_field(face, script)
    forward = backward
    rows_HxW, columns_HxW = grid(*face.shape)
    # A pixel of the apex frame at y shows the onset's y - w(y): solve u(x) = w(x + u(x)).
    for _ in range(8):
        forward = cv2.remap(backward, columns_HxW + forward[..., 0], rows_HxW + forward[..., 1], cv2.INTER_LINEAR)
    return forward


def render(
    face: Face, script: Script, camera: Camera, rng: np.random.Generator
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The clip's frames, BGR, in order; the same generator state gives the same bytes."""
    backward = _backward_field(face, script)
    crease_HxW = crease(backward, face.d)
    portrait = face.image_HxWx3.astype(np.float32)
    noise_frames = noise(face.image_HxWx3, camera.noise, rng)
    drift_Tx2 = _drift(script, rng) * (camera.drift * face.d / INTER_OCULAR)
    light_T = 1 + camera.flicker * _flicker(script, rng)
    rows_HxW, columns_HxW = grid(*face.shape)
    x_HxW, y_HxW = (np.ascontiguousarray(backward[..., axis]) for axis in (0, 1))
    # room that every frame uses again: new arrays of this size cost as much time as what is computed in them
    columns, rows, gain_HxW = (np.empty_like(crease_HxW) for _ in range(3))
    frame, of_channels = np.empty_like(portrait), np.empty_like(portrait)
    for strength, (dx, dy), light in zip(envelope(script).astype(np.float32), drift_Tx2, light_T, strict=True):
        for to, place_HxW, shift_HxW, drift in ((columns, columns_HxW, x_HxW, dx), (rows, rows_HxW, y_HxW, dy)):
            np.subtract(place_HxW, np.multiply(strength, shift_HxW, out=to), out=to)
            np.subtract(to, np.float32(drift), out=to)
        cv2.remap(portrait, columns, rows, cv2.INTER_CUBIC, dst=frame, borderMode=cv2.BORDER_REPLICATE)
        np.subtract(1, np.multiply(strength, crease_HxW, out=gain_HxW), out=gain_HxW)
        np.multiply(np.float32(light), gain_HxW, out=gain_HxW)
        cv2.multiply(frame, cv2.cvtColor(gain_HxW, cv2.COLOR_GRAY2BGR, dst=of_channels), dst=frame)
        yield cv2.add(frame, cv2.cvtColor(next(noise_frames), cv2.COLOR_GRAY2BGR, dst=of_channels), dtype=cv2.CV_8U)


def _backward_field(face: Face, script: Script) -> Float32[np.ndarray, "H W 2"]:
    return displacement_field(face, script.movements, script.peak * face.d / INTER_OCULAR)


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.indices((height, width), np.float32)
    return rows, columns


def crease(backward_HxWx2: np.ndarray, d: float) -> Float32[np.ndarray, "H W"]:
    """Relative darkening at the apex: skin pushed together folds and shades itself."""
    divergence = np.gradient(backward_HxWx2[..., 0], axis=1) + np.gradient(backward_HxWx2[..., 1], axis=0)
    compression = cv2.GaussianBlur(np.maximum(0, -divergence), (0, 0), 0.02 * d)
    return np.minimum(_CREASE * compression, _DARKEST_CREASE).astype(np.float32)


def noise(
    image_HxWx3: np.ndarray, at_mid_gray: float, rng: np.random.Generator
) -> Iterator[Float32[np.ndarray, "H W"]]:
    """Poisson-Gaussian noise of the luminance, frame after frame in one array: its variance grows with the light.

    It is drawn once per clip on a larger sheet, and each frame takes a random window of it: a new draw per frame would cost
    more time than everything else.
    """
    gray = cv2.cvtColor(image_HxWx3, cv2.COLOR_BGR2GRAY).astype(np.float32)
    variance = at_mid_gray**2 * (_READ_NOISE_SHARE + (1 - _READ_NOISE_SHARE) * gray / 128)
    deviation_HxW = np.sqrt(variance)
    height, width = gray.shape
    sheet = rng.standard_normal((height + height // 2, width + width // 2), np.float32)
    noise_HxW = np.empty_like(deviation_HxW)
    while True:
        top, left = rng.integers(height // 2), rng.integers(width // 2)
        sign = np.float32(rng.choice((-1, 1)))
        np.multiply(sign, deviation_HxW, out=noise_HxW)
        yield np.multiply(noise_HxW, sheet[top : top + height, left : left + width], out=noise_HxW)


def _drift(script: Script, rng: np.random.Generator) -> Float[np.ndarray, "T 2"]:
    """Slow sway of head and camera along x and y, at most 1; it is 0 at the onset."""
    seconds_T = (np.arange(script.frames) - script.onset) / script.fps
    hertz_3x2 = rng.uniform(0.2, 1.5, (3, 2))
    phase_3x2 = rng.uniform(0, 2 * np.pi, (3, 2))
    sway = np.sin(2 * np.pi * hertz_3x2 * seconds_T[:, None, None] + phase_3x2) - np.sin(phase_3x2)
    return sway.mean(1) / 2


def _flicker(script: Script, rng: np.random.Generator) -> Float[np.ndarray, "T"]:
    """The light of lamps on the mains, sampled by the camera's clock, with small random changes."""
    seconds_T = np.arange(script.frames) / script.fps
    hertz = _MAINS * rng.uniform(0.99, 1.01)
    mains = np.sin(2 * np.pi * hertz * seconds_T + rng.uniform(0, 2 * np.pi))
    return 0.7 * mains + 0.3 * rng.standard_normal(script.frames)
