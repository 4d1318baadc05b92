"""What a model says about intervals of a recording: classes, the regions' shares in them, and the decision over time."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from merjax.faces.regions import FACE, REGIONS
from merjax.models import insight
from merjax.models.final_model import FinalModel, load_final_model
from merjax.models.found_clips import (
    Preparation,
    Seeing,
    cut_out,
    number_of,
    preparation_of,
    rate_for,
    seeing_of,
    shown,
)
from merjax.models.model import Model, load_model, opened_for
from merjax.models.own_video import Analysis, FoundInterval
from merjax.protocols import scheme_of
from merjax.stores.preparation import prepare_store
from merjax.stores.store import Store, open_store
from merjax.system.errors import MerjaxError
from merjax.system.paths import lacks_folder, user_path
from merjax.training.data import TrainingData

_CLIPS, _PICTURES = "clips", "pictures"


@dataclass(frozen=True)
class Recogniser:
    """A model that is ready for recordings.

    Attributes:
        model: a final model, or that of one fold.
        members: its trained runs.
        preparation: how its clips are prepared.
        rates: the frame rates of the clips that it learnt from; none where its card does not say.
    """

    model: FinalModel | Model
    members: tuple[Model, ...]
    preparation: Preparation
    rates: tuple[float, ...]

    @property
    def told(self) -> str:
        """A sentence on what to expect of the model, or, of a fold's, whom it was trained on."""
        if isinstance(self.model, FinalModel):
            return self.model.expectation
        unseen = ", ".join(self.model.card["held_out_subjects"])
        return f"the model is of one fold of the sweep {self.model.card['sweep']}, trained on all subjects but {unseen}"


def recogniser_of(model: FinalModel | Model | str | Path, anyway: bool = False) -> Recogniser:
    """A model made ready for recordings.

    Args:
        model: a final model or that of one fold, or its folder.
        anyway: whether to take one that may be no better than chance.

    Raises:
        MerjaxError: there is no such model, or it is damaged or of another version; its clips cannot be prepared here; it gives
            a clip several classes; or it may be no better than chance.
    """
    opened = model if isinstance(model, FinalModel | Model) else _opened(user_path(model))
    members = opened.members if isinstance(opened, FinalModel) else (opened,)
    config = members[0].config
    if scheme_of(config.data.protocol, config.data.class_iv).several:
        raise MerjaxError(
            f"the model tells which of {', '.join(opened.classes)} a clip has, and an interval is to have one class; train one "
            "with a protocol of emotions or with au5"
        )
    if not anyway and (why := _like_chance(opened)):
        raise MerjaxError(f"{why}: what it says about a recording may mean nothing; --anyway takes it all the same")
    return Recogniser(opened, members, preparation_of(members[0].card, config), _rates(members[0].card))


def _opened(folder: Path) -> FinalModel | Model:
    if lacking := lacks_folder(folder):
        raise MerjaxError(f"{folder} {lacking}; name a folder that `merjax train` wrote, or a fold's model of a sweep")
    return load_model(folder) if (folder / "card.json").is_file() else load_final_model(folder)


def _like_chance(model: FinalModel | Model) -> str:
    """Why a model may be no better than chance, as the beginning of a sentence; "" if its scores are better, or not known."""
    if isinstance(model, FinalModel):
        return model.expectation if model.chance_inside else ""
    score = (model.card["scores"] or {}).get("UAR")
    if score is None or score["interval"][0] > 1 / len(model.classes):
        return ""
    low, high = score["interval"]
    return (
        f"the sweep {model.card['sweep']} has a UAR of {low:.3f} to {high:.3f} in 95 % of resamples, and chance, "
        f"{1 / len(model.classes):.3f}, is among them"
    )


def _rates(card: Mapping[str, Any]) -> tuple[float, ...]:
    """The frame rates of the clips that a trained run learnt from; none where an earlier merjax wrote its card."""
    return tuple(sorted(map(float, card["data"].get("fps", ()))))


def recognised(
    analysis: Analysis,
    recogniser: Recogniser,
    folder: Path,
    landmark_model: Path,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Analysis:
    """What was found in a recording, with what a model says about it.

    Args:
        analysis: the intervals.
        recogniser: the model.
        folder: of the recording's results, in which a clip store is written, or found if it is there.
        landmark_model: dlib's 68-point model.
        workers: number of processes that prepare clips.
        progress: called with (clips prepared, clips in all).
    """
    seeing = seeing_of(recogniser.members[0].config, analysis.fps, recogniser.rates)
    told = _told_of_rate(analysis.fps, seeing, recogniser.rates)
    if isinstance(recogniser.model, Model):
        told = [recogniser.told, *told]
    analysis = replace(analysis, classes=recogniser.model.classes, model=recogniser.model, told=(*analysis.told, *told))
    with ThreadPoolExecutor(1) as beside:  # clips are cut out by one core: the other compiles meanwhile
        rehearsed = beside.submit(_rehearse, recogniser.members)
        store = _clip_store(analysis, recogniser.preparation, seeing, folder, landmark_model, workers, progress)
        rehearsed.result()
    if store is None:
        return analysis
    data = opened_for(recogniser.members[0], store)
    networks, probability_NxK = _networks_of(recogniser.members), None
    if not networks or recogniser.members[0].config.temporal.length:  # which may cut clips, and insight does not
        table = recogniser.model(store)
        probability_NxK = table[[f"p_{name}" for name in analysis.classes]].to_numpy(float)
    intervals = list(analysis.intervals)
    for n, clip in enumerate(data.index["clip"]):
        number = number_of(clip)
        interval = _examined(intervals[number], networks, data, n, shown(intervals[number], analysis.fps, seeing))
        if probability_NxK is not None:
            interval = interval._replace(probability_K=tuple(probability_NxK[n].tolist()))
        intervals[number] = interval
    return replace(analysis, intervals=tuple(intervals))


def _rehearse(members: Sequence[Model]) -> None:
    """Compile what looks into networks, on a clip of nothing."""
    for networks in _networks_of(members[:1]):
        data = members[0].config.data
        kind, _, frames = data.frames.partition(":")
        length = int(frames) if kind in ("count", "apex") else 1
        streams = (FACE,) if data.whole_face else REGIONS
        channels = networks.mean_RxC.shape[1]
        nothing = tuple(np.zeros((channels, region.height, region.width, length), np.float32) for region in streams)
        insight.after_each_frame(networks, insight.features_of(networks, nothing))
        insight.pixel_gradients(networks, nothing, 0)


def _networks_of(members: Sequence[Model]) -> list[insight.Networks]:
    """The members' networks; none of a method without regions, or without a decision after each frame."""
    try:
        return [insight.networks_of(member) for member in members]
    except MerjaxError:
        return []


def _told_of_rate(fps: float, seeing: Seeing, known: Sequence[float]) -> list[str]:
    if not known:
        return ["the model does not say at which frame rate its clips were recorded: its clips here are not resampled"]
    if rate_for(fps, known) == fps:
        return []
    rate = seeing.rate
    if rate == fps:
        return [
            f"the video has {fps:g} frames per second and the model learnt from clips of {rate_for(fps, known):g}; it takes as "
            "many pictures of a clip whatever its rate"
        ]
    how = "pictures are repeated, which adds nothing to what was seen" if rate > fps else "some are left out"
    return [
        f"the video has {fps:g} frames per second and the model learnt from clips of {rate:g}: its clips here are resampled, "
        f"so that {how}"
    ]


def _clip_store(
    analysis: Analysis,
    preparation: Preparation,
    seeing: Seeing,
    folder: Path,
    landmark_model: Path,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> Store | None:
    """The clip store of a recording's intervals; None where no interval shows a face."""
    if (folder / _CLIPS).is_dir():  # by a call that was stopped
        return open_store(folder / _CLIPS)
    release = cut_out(analysis, seeing, folder / _PICTURES, landmark_model)
    if not release.clips:
        return None
    settings = preparation.crops
    store = prepare_store(
        release,
        folder / _CLIPS,
        colour=settings.colour,
        align=settings.align,
        geometry=settings.geometry,
        features=preparation.features,
        faces="faint",
        workers=workers,
        model=landmark_model,
        progress=progress,
    )
    shutil.rmtree(folder / _PICTURES)
    return store


def _examined(
    interval: FoundInterval, networks: Sequence[insight.Networks], data: TrainingData, n: int, frame_T: np.ndarray
) -> FoundInterval:
    """An interval with the frames at which the model looks. The members' networks add the decision after each frame, the last
    of which is the clip's own, and the regions' shares in that one.

    Raises:
        MerjaxError: the networks give no probabilities.
    """
    row_T = data.row_S[data.clip_S == n] - int(data.index["first_row"].iloc[n])
    seen = interval._replace(frame_T=tuple(frame_T[row_T].tolist()))
    if not networks:
        return seen
    images, steps = insight.images_of(data, n), int(data.length_N.max())
    over_time = [insight.after_each_frame(own, insight.features_of(own, images), steps) for own in networks]
    probability_TxK = np.mean(over_time, 0)
    if not np.isfinite(probability_TxK).all():
        raise MerjaxError("the model gives no probabilities for what was found: its training diverged; train it again")
    seen = seen._replace(
        probability_K=tuple(probability_TxK[-1].tolist()), probability_TxK=tuple(map(tuple, probability_TxK.tolist()))
    )
    if len(data.streams) != len(REGIONS):
        return seen
    target = int(probability_TxK[-1].argmax())
    shares = [np.array([g.sum() for g in insight.pixel_gradients(own, images, target)]) for own in networks]
    summed = [share.sum() for share in shares]
    if not all(summed):  # no pixel moves the decision: nothing can be shared
        return seen
    return seen._replace(
        share_R=tuple(np.mean([s / total for s, total in zip(shares, summed, strict=True)], 0).tolist())
    )
