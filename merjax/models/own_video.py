"""What was found in a recording of one's own: intervals, what a model says about each, and the motion around them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float32

from merjax.datasets.long_videos import pictures_of
from merjax.faces.regions import REGIONS
from merjax.stores.motion_store import MotionStore, StoredVideo
from merjax.system.videos import frame_path, is_video

if TYPE_CHECKING:  # motion is looked at without JAX
    from merjax.models.final_model import FinalModel
    from merjax.models.model import Model


class FoundInterval(NamedTuple):
    """An expression that was found, and what a model says about it.

    Attributes:
        onset, apex, offset: the video's own frames, counted from 0; both ends belong to it.
        kind: "micro" or "macro".
        confidence: how far the motion stands out at the apex, in the spotter's unit; larger is surer.
        probability_K: of each class, the mean over a model's members; () without a model, or where no face is found in it.
        share_R: the share of each of the six regions in the decision, in the order of `REGIONS`, which sum to 1; () without a
            model, or where its method has no regions.
        frame_T: the frames at which the model looked, the video's own.
        probability_TxK: the decision after each of these frames; () where the method has none.
    """

    onset: int
    apex: int
    offset: int
    kind: str
    confidence: float
    probability_K: tuple[float, ...] = ()
    share_R: tuple[float, ...] = ()
    frame_T: tuple[int, ...] = ()
    probability_TxK: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Analysis:
    """What was found in one recording.

    Attributes:
        name: of the video.
        source: the video file, or the folder of pictures.
        fps, n_frames: the video's own frames per second, and how many frames could be read.
        store: the motion store of this video alone.
        motion_FxR: how far each region is from where it rests, by stored frame, in px where the inner eye corners are 64 px
            apart; the nose's has the head's motion in it. 0 in gaps.
        second_F: the time of each stored frame.
        gaps: first and last second of each stretch without a usable face.
        intervals: what was found, by onset.
        classes: what the model tells; () without a model.
        model: the model; None where motion alone was looked at.
        told: what was found out about the recording, a sentence each.
    """

    name: str
    source: Path
    fps: float
    n_frames: int
    store: MotionStore
    motion_FxR: Float32[np.ndarray, "F R"]
    second_F: Float32[np.ndarray, "F"]
    gaps: tuple[tuple[float, float], ...]
    intervals: tuple[FoundInterval, ...]
    classes: tuple[str, ...]
    model: "FinalModel | Model | None"
    told: tuple[str, ...]

    @property
    def video(self) -> StoredVideo:
        """The video in its motion store."""
        return self.store.videos[0]

    def picture(self, frame: int) -> Path:
        """The place of one of the video's own frames, as `merjax.faces.pictures.read_image` takes it."""
        return frame_path(self.source, frame) if is_video(self.source) else self._pictures[frame]

    @cached_property
    def _pictures(self) -> tuple[Path, ...]:
        return tuple(pictures_of(self.source).values())

    def seconds(self, frame: int) -> float:
        """The time at which the video shows one of its own frames."""
        return float(self.second_F[self.stored(frame)])

    def stored(self, frame: int) -> int:
        """The stored frame that shows what the video shows at one of its own frames."""
        numbers_F = self.store.array(self.video, "numbers")
        return int(np.clip(np.searchsorted(numbers_F, frame, "right") - 1, 0, len(numbers_F) - 1))

    @property
    def table(self) -> pd.DataFrame:
        """A row per interval, as `intervals.csv` has them.

        Returns:
            columns onset_s, apex_s, offset_s: seconds; onset, apex, offset: frames of the video, counted from 1; kind; with a
            model, class ("" where there is no decision) and p_CLASS; confidence; share_REGION where the method has regions.
        """
        rows = [
            {
                **{f"{end}_s": round(self.seconds(getattr(one, end)), 3) for end in _ENDS},
                **{end: getattr(one, end) + 1 for end in _ENDS},
                "kind": one.kind,
                **self._decided(one),
                "confidence": one.confidence,
                **{f"share_{region.name}": share for region, share in zip(REGIONS, one.share_R, strict=False)},
            }
            for one in self.intervals
        ]
        return pd.DataFrame(rows, columns=self._columns)

    def _decided(self, one: FoundInterval) -> dict[str, str | float]:
        if not one.probability_K:
            return {"class": ""}
        surest = self.classes[int(np.argmax(one.probability_K))]
        return {"class": surest} | {f"p_{name}": p for name, p in zip(self.classes, one.probability_K, strict=True)}

    @property
    def _columns(self) -> list[str]:
        shares = [f"share_{region.name}" for region in REGIONS] if any(one.share_R for one in self.intervals) else []
        classes = ["class", *(f"p_{name}" for name in self.classes)] if self.classes else []
        return [*(f"{end}_s" for end in _ENDS), *_ENDS, "kind", *classes, "confidence", *shares]


_ENDS = ("onset", "apex", "offset")
