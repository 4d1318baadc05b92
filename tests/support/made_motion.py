"""Small motion stores of made signals: expressions at known frames in noise, without a face or a picture; in milliseconds."""

from pathlib import Path

import numpy as np
from support.face_shape import face_points

from merjax.datasets.long_videos import TrueInterval
from merjax.faces.region_motion import PLACES
from merjax.stores.motion_store import SIDE, MotionStore, StoredVideo, between, open_motion_store
from merjax.stores.motion_writing import close_motion_store, video_folder, video_hash, write_arrays

LENGTHS = {"micro": 12, "macro": 45}  # frames at 30 per second


def make_motion_store(
    path: Path,
    *,
    subjects: int = 3,
    videos: int = 2,
    frames: int = 300,
    fps: float = 30.0,
    kinds: tuple[str, ...] = ("micro", "macro"),
    gaps: tuple[tuple[int, int], ...] = (),
    flows: tuple[int, ...] = (),
    seed: int = 0,
) -> MotionStore:
    """Write a store: each subject's last video has no expression, the others one of each kind.

    Args:
        path: its folder.
        subjects, videos, frames, fps: how many, and how long the videos are.
        kinds: the kinds of expressions in a video, in order of time.
        gaps: of every video.
        flows: distances k for which flow pictures are written, in which expressions are bright.
        seed: of noise and of where expressions lie.
    """
    rng, stored, hashes = np.random.default_rng(seed), [], []
    for number in range(subjects * videos):
        subject, of_subject = divmod(number, videos)
        truth = () if of_subject == videos - 1 else _truth(rng, frames, fps, kinds)
        names = "made", f"s{subject + 1:02d}", f"{subject + 1:02d}_{of_subject + 1:04d}"
        video = StoredVideo(*names, fps, frames, truth, gaps, video_folder(number))
        (path / video.folder).mkdir(parents=True)
        write_arrays(path / video.folder, _arrays(rng, video))
        for k in flows:
            np.save(path / video.folder / f"flow_{k}.npy", _flow(rng, video, k))
        stored.append(video)
        hashes.append(video_hash(path / video.folder))
    close_motion_store(path, stored, hashes, {"made": "for tests"}, statement="")
    return open_motion_store(path)


def _truth(rng, frames, fps, kinds) -> tuple[TrueInterval, ...]:
    truth, part = [], frames // len(kinds)
    for n, kind in enumerate(kinds):
        length = round(LENGTHS[kind] * fps / 30)
        onset = n * part + int(rng.integers(10, part - length - 10))
        truth.append(TrueInterval(onset, onset + length // 2, onset + length - 1, kind, "positive"))
    return tuple(truth)


def _strength(video: StoredVideo) -> np.ndarray:
    """How far an expression has moved the face from rest, at most 1 (micro) or 3 (macro)."""
    strength_T = np.zeros(video.n_frames)
    for true in video.truth:
        shape = 0.5 * (1 - np.cos(np.linspace(0, 2 * np.pi, true.offset - true.onset + 1)))
        strength_T[true.onset : true.offset + 1] += shape * (3 if true.kind == "macro" else 1)
    return strength_T


def _arrays(rng, video: StoredVideo) -> dict[str, np.ndarray]:
    T, strength_T = video.n_frames, _strength(video)
    regions_TxRx2 = rng.normal(0, 0.05, (T, 6, 2))
    regions_TxRx2[:, [0, 1, 5], 1] += 3 * strength_T[:, None]  # brows and mouth
    moved_TxSx2 = rng.normal(0, 0.1, (T, len(PLACES), 2))
    moved_TxSx2[:, :-2, 1] += 3 * strength_T[:, None]  # all but the lids, straight down
    for first, last in video.gaps:
        regions_TxRx2[first : last + 1], moved_TxSx2[first : last + 1] = 0, 0
    windows = between(video.gaps, T)
    return {
        "regions": regions_TxRx2,
        "windows": np.array([(first, last - first + 1) for first, last in windows]),
        "signals": np.concatenate([moved_TxSx2[first : last + 1] for first, last in windows]),
        "points": np.tile(_points(), (len(windows), 1, 1)),
        "crops": _crops(rng, strength_T),
        "numbers": np.arange(T),
    }


def _crops(rng, strength_T) -> np.ndarray:
    """A texture whose lower half moves down with an expression, by whole pixels."""
    texture = rng.integers(0, 255, (SIDE // 4, SIDE // 4)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    crops = np.repeat(texture[None], len(strength_T), 0)
    for t, strength in enumerate(strength_T):
        crops[t, SIDE // 2 :] = np.roll(texture[SIDE // 2 :], round(2 * strength), 0)
    return crops


def _points() -> np.ndarray:
    """68 points somewhat like a face's, in pixels of a crop."""
    return face_points(SIDE / 4 / 0.6, SIDE / 2, SIDE * 3 / 8)


def _flow(rng, video: StoredVideo, k: int) -> np.ndarray:
    strength_T = _strength(video)
    moved_N = np.abs(strength_T[k:] - strength_T[: video.n_frames - k])
    noise = rng.integers(0, 40, (video.n_frames - k, 42, 42, 3))
    return (noise + 60 * np.minimum(moved_N, 3)[:, None, None, None]).astype(np.uint8)
