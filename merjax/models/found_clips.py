"""Intervals of a recording as the clips that a model takes: pictures around the face, at the rate of the training data, in a
clip store that is prepared as the clips were that the model learnt from."""

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from jaxtyping import Int

from merjax.config import Config
from merjax.datasets.clip import Clip, Release
from merjax.datasets.overrides import OWN
from merjax.faces.crops import Points
from merjax.faces.face_boxes import FaceBox
from merjax.faces.head_tracking import Reference, cut_crop, followed, in_crop, likeness, placed
from merjax.faces.landmarks import FoundFace, face_in_box, find_face
from merjax.faces.pictures import Image, read_image
from merjax.methods.registry import method_of
from merjax.models.own_video import Analysis, FoundInterval
from merjax.stores.clip_crops import CropSettings, refuse_unknown_settings
from merjax.stores.features import DYNAMIC, Feature, features_of
from merjax.stores.motion_store import SIDE
from merjax.system.errors import MerjaxError
from merjax.system.paths import make_folder
from merjax.training.frames import select_frames

_MARGIN = 0.75  # of a face's box, which its pictures show on every side: the detector and the crops need surroundings
_ALIKE = 1.1  # rates of a ratio below this are taken as equal


class Preparation(NamedTuple):
    """How a model's clips are prepared: the crops' settings, and the features, as `merjax.prepare_store` takes them."""

    crops: CropSettings
    features: tuple[str, ...]


def preparation_of(card: Mapping[str, Any], config: Config) -> Preparation:
    """How the clips were prepared that a model learnt from.

    Args:
        card: of one model, `Model.card`.
        config: its settings.

    Raises:
        MerjaxError: this merjax cannot prepare clips in that way.
    """
    made = dict(card.get("preparation") or {})
    said = {key: made[key] for key in ("colour", "align", "geometry") if key in made}
    if said.get("geometry") == "authors":
        said.setdefault("colour", "rgb")
    settings = CropSettings(**said)
    refuse_unknown_settings(settings)
    feature = method_of(config.method).feature(config)
    if feature is None:
        return Preparation(settings, ())
    kind = DYNAMIC if feature == DYNAMIC else "flow"
    chosen = [made[f"{kind} {key}"] for key in Feature(feature).settings if key != "side" and f"{kind} {key}" in made]
    words = (":".join([feature, *chosen]),)
    features_of(words)
    return Preparation(settings, words)


def rate_for(fps: float, known: Sequence[float]) -> float:
    """The rate of the clips that a model is to see: the video's own if it learnt from clips of that rate, else the nearest."""
    nearest = min(known, key=lambda rate: max(rate / fps, fps / rate), default=fps)
    return fps if max(nearest / fps, fps / nearest) < _ALIKE else nearest


class Seeing(NamedTuple):
    """Which frames of an interval a model is shown.

    Attributes:
        spec: those at which it looks, as `data.frames` says: "count:8", evenly spread whatever the rate, or "apex:5"; or "all".
        rate: frames per second of the clips from which these frames are taken.
    """

    spec: str
    rate: float


def seeing_of(config: Config, fps: float, known: Sequence[float]) -> Seeing:
    """Which frames of a video a model is shown. One that takes a number of frames is shown these alone, any other all of them.
    They are at the rate of its training data, unless it takes one picture of a clip or evenly spread frames.

    Args:
        config: the model's settings.
        fps: of the video.
        known: rates of the clips that it learnt from.
    """
    if method_of(config.method).pictures(config) == "clip flow":
        return Seeing("all", fps)
    kind, _, _ = config.data.frames.partition(":")
    if kind == "count":
        return Seeing(config.data.frames, fps)
    return Seeing(config.data.frames if kind == "apex" else "all", rate_for(fps, known))


def shown(interval: FoundInterval, fps: float, seeing: Seeing) -> Int[np.ndarray, "T"]:
    """The video's own frames that a model is shown of an interval; the first is the onset, with which others are compared."""
    frame_T = resampled(interval, fps, seeing.rate)
    if seeing.spec == "all":
        return frame_T
    apex = np.abs(frame_T - interval.apex).argmin()
    clip = pd.DataFrame({"n_frames": [len(frame_T)], "onset": [0], "apex": [apex]})
    return frame_T[np.union1d([0], select_frames(seeing.spec, clip)[0])]


def resampled(interval: FoundInterval, fps: float, rate: float) -> Int[np.ndarray, "T"]:
    """The frames of a video that a camera of another rate would have seen of an interval: the last that was shown then."""
    if rate == fps:
        return np.arange(interval.onset, interval.offset + 1)
    length = max(2, math.ceil((interval.offset - interval.onset) * rate / fps - 0.5) + 1)
    return np.minimum(interval.onset + (np.arange(length) * fps / rate + 0.5).astype(int), interval.offset)


def cut_out(analysis: Analysis, seeing: Seeing, folder: Path, model: Path) -> Release:
    """Write the pictures around the face in all intervals, and give them as clips; an interval without a face in its first
    picture is left out.

    Of several faces the one is taken whose motion was measured.

    Args:
        analysis: what was found in a video.
        seeing: which frames are shown.
        folder: for the pictures; it is made anew.
        model: dlib's 68-point model.
    """
    shutil.rmtree(folder, ignore_errors=True)
    clips = []
    for number, interval in enumerate(analysis.intervals):
        frame_T = shown(interval, analysis.fps, seeing)
        if written := _written(analysis, interval, sorted({*frame_T.tolist()}), folder / str(number), model):
            clips.append(_clip(analysis, number, interval, frame_T, written))
    return Release(OWN, folder, tuple(clips), ())


def number_of(clip: str) -> int:
    """The place of an interval among those of its video, from its clip's name."""
    return int(clip)


def _clip(
    analysis: Analysis,
    number: int,
    interval: FoundInterval,
    frame_T: Int[np.ndarray, "T"],
    written: Mapping[int, Path],
) -> Clip:
    seconds = max(1, interval.offset - interval.onset) / analysis.fps
    return Clip(
        database=OWN,
        subject=analysis.name,
        name=str(number),
        frames=tuple(written[frame] for frame in frame_T.tolist()),
        onset=0,
        apex=int(np.abs(frame_T - interval.apex).argmin()),
        offset=len(frame_T) - 1,
        emotion="",
        action_units="",
        objective_class=None,
        fps=max(1, len(frame_T) - 1) / seconds,
        kind="micro" if interval.kind == "micro" else "macro",
    )


def _written(
    analysis: Analysis, interval: FoundInterval, frames: Sequence[int], folder: Path, model: Path
) -> dict[int, Path]:
    """The files of an interval's pictures, by their numbers in the video; none without a face."""
    crop = np.asarray(analysis.store.array(analysis.video, "crops")[analysis.stored(interval.onset)])
    face = _face_of(read_image(analysis.picture(interval.onset), "gray"), crop, model)
    if face is None:
        return {}
    make_folder(folder)
    pictures = (read_image(analysis.picture(frame), "rgb") for frame in frames)
    files = {frame: folder / f"{frame}.png" for frame in frames}
    for file, picture in zip(files.values(), steadied(pictures, face.points), strict=True):
        rows, columns = _around(face.box, picture.shape)
        if not cv2.imwrite(str(file), cv2.cvtColor(picture[rows, columns], cv2.COLOR_RGB2BGR)):
            raise MerjaxError(f"{file} cannot be written; free some space and run the same line again")
    return files


def steadied(pictures: Iterable[Image], points: Points) -> Iterator[Image]:
    """Pictures in colour without the head's motion since the first of them: in clips of databases a head moves little, and in
    recordings it sways and nods.

    Args:
        pictures: of one size.
        points: the landmarks in the first one.
    """
    start = placement = placed(points)
    reference: Reference | None = None
    for picture in pictures:
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if reference is None:
            reference = Reference(cut_crop(gray, placement), in_crop(points, placement))
            yield picture
            continue
        placement = followed(placement, reference.followed(cut_crop(gray, placement)).head)
        to_start = placement[:, :2] @ np.linalg.inv(start[:, :2])
        there = np.column_stack([to_start, placement[:, 2] - to_start @ start[:, 2]])
        flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        yield cv2.warpAffine(picture, there, gray.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _face_of(picture: Image, crop: Image, model: Path) -> FoundFace | None:
    """Of the faces in a picture, the one that a crop of 128 px shows; None if there is none."""
    face = find_face(picture, model, "faint")
    if face is None or not face.others:
        return face
    others = (face_in_box(picture, box, face.padding, model, face.step) for box in face.others)
    seen = [face, *(other for other in others if other is not None)]
    return max(seen, key=lambda one: likeness(crop, cut_crop(picture, placed(one.points), SIDE)))


def _around(box: FaceBox, size: tuple[int, ...]) -> tuple[slice, slice]:
    margin = round(_MARGIN * box.side)
    return (
        slice(max(0, box.top - margin), min(size[0], box.bottom + 1 + margin)),
        slice(max(0, box.left - margin), min(size[1], box.right + 1 + margin)),
    )
