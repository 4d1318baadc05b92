"""A made analysis: three intervals in noise, a video of pictures of noise, and made decisions; without a face or a network."""

from pathlib import Path

import cv2
import numpy as np
from support.made_motion import make_motion_store

from merjax.faces.regions import REGIONS
from merjax.models.own_video import Analysis, FoundInterval

CLASSES = ("negative", "positive", "surprise")


def make_analysis(
    folder: Path,
    *,
    frames: int = 300,
    fps: float = 30.0,
    recognised: bool = True,
    found: bool = True,
    name: str = "talk",
) -> Analysis:
    """An analysis whose motion store and pictures lie in a folder.

    Args:
        folder: where its motion store ("motion") and its pictures (named after the video) are written.
        frames, fps: of the video.
        recognised: whether a model has told the classes; the last interval has no decision even then.
        found: whether anything was found.
        name: of the video.
    """
    rng = np.random.default_rng(0)
    gap = (frames - 20, frames - 11)
    store = make_motion_store(folder / "motion", subjects=1, videos=1, frames=frames, fps=fps, gaps=(gap,))
    (folder / name).mkdir(parents=True)
    for number in range(frames):
        picture = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8).repeat(10, 0).repeat(10, 1)
        cv2.imwrite(str(folder / name / f"{number:05d}.jpg"), picture)
    motion_FxR = np.abs(rng.normal(0, 0.2, (frames, len(REGIONS)))).astype(np.float32)
    ends = [(30, 36, 44, "micro"), (90, 110, 140, "macro"), (200, 207, 213, "micro")] if found else []
    for onset, _, offset, _ in ends:
        motion_FxR[onset : offset + 1] += 3 * np.hanning(offset + 1 - onset)[:, None]
    motion_FxR[gap[0] : gap[1] + 1] = 0
    intervals = tuple(
        _interval(rng, *own, confidence=3.0 - n, recognised=recognised and n < 2) for n, own in enumerate(ends)
    )
    return Analysis(
        name=name,
        source=folder / name,
        fps=fps,
        n_frames=frames,
        store=store,
        motion_FxR=motion_FxR,
        second_F=(np.arange(frames) / fps).astype(np.float32),
        gaps=((gap[0] / fps, (gap[1] + 1) / fps),),
        intervals=intervals,
        classes=CLASSES if recognised else (),
        model=None,
        told=("its rate changes: at even times of 30 per second 3 pictures are taken again",),
    )


def _interval(rng, onset, apex, offset, kind, confidence, recognised) -> FoundInterval:
    if not recognised:
        return FoundInterval(onset, apex, offset, kind, confidence)
    frame_T = tuple(np.linspace(onset, offset, 5).astype(int).tolist())
    probability_TxK = rng.dirichlet(np.ones(len(CLASSES)), len(frame_T))
    share_R = rng.dirichlet(np.ones(len(REGIONS)))
    return FoundInterval(
        *(onset, apex, offset, kind, confidence),
        tuple(probability_TxK[-1].tolist()),
        tuple(share_R.tolist()),
        frame_T,
        tuple(map(tuple, probability_TxK.tolist())),
    )
