"""SOFTNet's windows: which there are in long videos, what each shall score, and which are trained on in which forms."""

import functools
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from merjax.config import Config
from merjax.engine import Samples
from merjax.methods.spotting.found import usable_frames
from merjax.nn.softnet import SIDE
from merjax.stores.motion_store import MotionStore
from merjax.system.videos import frames
from merjax.training.spotting_data import SpottingData

_FORMS = 4  # of a window: as it is, mirrored, blurred, with noise
_NOISE = 0.1  # deviation, as scikit-image's random_noise has it


class Windows(NamedTuple):
    """The windows of all videos with one kind's k.

    Attributes:
        k_N: of each video, frames.
        video_S, start_S: each window's video and first frame.
        target_S: 1 if the window shares a frame with an expression of the kind, else 0.
        usable_S: whether every frame of it has a usable face.
    """

    k_N: tuple[int, ...]
    video_S: np.ndarray
    start_S: np.ndarray
    target_S: np.ndarray
    usable_S: np.ndarray


def windows_of(data: SpottingData, kind: str, half: float) -> Windows:
    """All windows of all videos, in order.

    Args:
        data: the videos.
        kind: of the expressions.
        half: half their mean length, in seconds.
    """
    k_N, pieces = [], []
    for v, video in enumerate(data.videos):
        k = frames(half, video.fps)
        start = np.arange(max(0, video.n_frames - k))
        target, usable_T = np.zeros(len(start), bool), usable_frames(video)
        for true in data.store.truth(video):
            if true.kind == kind:
                target |= (start <= true.offset) & (start + k > true.onset)
        usable = np.array([usable_T[i : i + k + 1].all() for i in start], bool)
        k_N.append(k)
        pieces.append((np.full(len(start), v), start, target, usable))
    video_S, start_S, target_S, usable_S = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return Windows(tuple(k_N), video_S, start_S, target_S, usable_S)


def trained_windows(
    windows: Windows, kind: str, config: Config, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The windows that are drawn from in training, and the form of each: of those without an expression a random share; of
    those with a micro-expression all forms.

    All runs draw from the same, and a run gives no weight to those of its held-out subjects.
    """
    positive = np.flatnonzero(windows.target_S & windows.usable_S)
    negative = np.flatnonzero(~windows.target_S & windows.usable_S)
    kept = negative[rng.random(len(negative)) < config.spotter.kept]
    forms = _FORMS if kind == "micro" and config.spotter.varied else 1
    chosen = np.concatenate([np.repeat(positive, forms), kept])
    return chosen, np.concatenate([np.tile(np.arange(forms), len(positive)), np.zeros(len(kept), int)])


def varied(picture: UInt8[np.ndarray, "H W 3"], form: int, rng_key: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """A window's picture in one of its forms: 0 as it is, 1 mirrored, 2 blurred, 3 with noise."""
    if form == 1:
        return picture[:, ::-1]
    if form == 2:
        return cv2.GaussianBlur(picture, (7, 7), 0)
    if form == 3:
        noise = np.random.default_rng(rng_key).normal(0, 255 * _NOISE, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8)
    return picture


def samples_of(
    data: SpottingData, store: MotionStore, windows: Windows, number_M: np.ndarray, form_M: np.ndarray
) -> Samples:
    """Windows as samples, each of them one of a video's.

    Args:
        data: the videos.
        store: the store whose flow is seen.
        windows: all windows.
        number_M, form_M: the numbers of the samples' windows, and their forms.
    """
    video_M, start_M = windows.video_S[number_M], windows.start_S[number_M]
    target_M = windows.target_S[number_M].astype(np.float32)

    @functools.cache
    def flow(v: int) -> np.ndarray:
        return store.flow(data.videos[v], windows.k_N[v])

    def gather(sample_KxB: np.ndarray) -> dict[str, np.ndarray]:
        flat = sample_KxB.ravel()
        pictures = np.empty((len(flat), SIDE, SIDE, 3), np.uint8)
        for n, m in enumerate(flat.tolist()):
            v, start = int(video_M[m]), int(start_M[m])
            pictures[n] = varied(flow(v)[start], form_M[m], (v, start))
        pictures = pictures.reshape(*sample_KxB.shape, SIDE, SIDE, 3)
        return {"pictures": np.ascontiguousarray(np.moveaxis(pictures, (1, 4), (4, 1))), "target": target_M[sample_KxB]}

    return Samples(video_M, gather)
