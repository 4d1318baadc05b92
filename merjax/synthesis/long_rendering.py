"""Turns the script of a long video into frames, one after the other, in memory that does not grow with its length."""

from collections.abc import Iterator
from typing import Any, cast

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from merjax.faces.crops import INTER_OCULAR
from merjax.synthesis.face import Face, displacement_field
from merjax.synthesis.long_scripts import LongScript, Track
from merjax.synthesis.rendering import Camera, crease, grid, noise

_NO_ROWS = cast(Any, None)  # places are pairs (x, y): there is no second map of rows, which OpenCV's stubs ask for


def render_long(
    face: Face, script: LongScript, camera: Camera, rng: np.random.Generator
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The video's frames, BGR, in order; the same generator state gives the same bytes.

    Of the camera only the noise and the flicker count: the head moves as the script says.
    """
    portrait = face.image_HxWx3.astype(np.float32)
    noise_frames = noise(face.image_HxWx3, camera.noise, rng)
    rows_HxW, columns_HxW = grid(*face.shape)
    still_HxWx2 = np.stack([columns_HxW, rows_HxW], axis=2)
    moving = _Moving(face, script.tracks)
    # room that every frame uses again: new arrays of this size cost as much time as what is computed in them
    places, headed, gain_HxW = np.empty_like(still_HxWx2), np.empty_like(still_HxWx2), np.empty_like(rows_HxW)
    frame, of_channels = np.empty_like(portrait), np.empty_like(portrait)
    for t in range(script.frames):
        backward, crease_HxW = moving.at(t)
        np.subtract(still_HxWx2, backward, out=places)
        head_2x3 = _head(face, script, t)
        cv2.warpAffine(places, head_2x3, face.shape[::-1], dst=headed, borderMode=cv2.BORDER_REPLICATE)
        cv2.remap(portrait, headed, _NO_ROWS, cv2.INTER_CUBIC, dst=frame, borderMode=cv2.BORDER_REPLICATE)
        light = script.light_T[t] * (1 + camera.flicker * rng.standard_normal())
        np.multiply(np.float32(light), np.subtract(1, crease_HxW, out=gain_HxW), out=gain_HxW)
        cv2.multiply(frame, cv2.cvtColor(gain_HxW, cv2.COLOR_GRAY2BGR, dst=of_channels), dst=frame)
        yield cv2.add(frame, cv2.cvtColor(next(noise_frames), cv2.COLOR_GRAY2BGR, dst=of_channels), dtype=cv2.CV_8U)


class _Moving:
    """The face's motion frame by frame; a track's field is made when it begins to move, and forgotten after its end."""

    def __init__(self, face: Face, tracks: tuple[Track, ...]) -> None:
        self._face, self._tracks = face, tracks
        self._last = [max(np.flatnonzero(track.strength_T), default=-1) for track in tracks]
        self._fields: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._backward: np.ndarray = np.zeros((*face.shape, 2), np.float32)
        self._dark_HxW: np.ndarray = np.zeros(face.shape, np.float32)
        self._scaled, self._scaled_HxW = np.empty_like(self._backward), np.empty_like(self._dark_HxW)

    def at(self, t: int) -> tuple[Float32[np.ndarray, "H W 2"], Float32[np.ndarray, "H W"]]:
        """Where the skin of a frame comes from, as displacement to it, and how much it is darkened: until the next call."""
        self._backward.fill(0)
        self._dark_HxW.fill(0)
        for n, track in enumerate(self._tracks):
            if t > self._last[n]:
                self._fields.pop(n, None)
            elif strength := np.float32(track.strength_T[t]):
                field, crease_HxW = self._field(n, track)
                self._backward += np.multiply(strength, field, out=self._scaled)
                self._dark_HxW += np.multiply(abs(strength), crease_HxW, out=self._scaled_HxW)
        return self._backward, np.minimum(self._dark_HxW, 1, out=self._dark_HxW)

    def _field(self, n: int, track: Track) -> tuple[np.ndarray, np.ndarray]:
        if n not in self._fields:
            field = displacement_field(self._face, track.movements, track.peak * self._face.d / INTER_OCULAR)
            self._fields[n] = field, crease(field, self._face.d)
        return self._fields[n]


def _head(face: Face, script: LongScript, t: int) -> np.ndarray:
    """Where the head of the first frame is in frame t: turned about the nose's bridge, and shifted; 2 x 3."""
    x, y, degrees = script.head_Tx3[t]
    centre = face.points_68x2[27]
    turn_2x3 = np.array(cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), float(degrees), 1.0), float)
    return turn_2x3 + np.array([[0, 0, x], [0, 0, y]]) * face.d / INTER_OCULAR
