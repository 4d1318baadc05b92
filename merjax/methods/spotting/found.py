"""What spotters find, run by run, and which moment and setting of a run is tested: `merjax.training.selection` for intervals.

A spotter gives intervals for each of several settings (how sure an interval must be) and, if it is trained, at each of
several moments of its training. Kinds are matched separately, so each has a moment and a setting of its own:

- fixed: the last moment, and the setting that the config names: nothing is chosen by scores.
- inner: those with the highest F1 on the inner subjects' videos, which a second run has not trained on; of a spotter that is
  not trained, on all training subjects' videos.
- oracle: those with the highest F1 on the held-out subject's own videos; it leaks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from merjax.methods.runs import RunId
from merjax.methods.spotting.signals import Spot
from merjax.methods.spotting.stored import in_own_frames
from merjax.protocols.folds import subjects_of
from merjax.scoring.spotting.matching import matched
from merjax.scoring.spotting.scores import spotting_scores
from merjax.stores.motion_store import StoredVideo
from merjax.training.spotting_data import SpottingData


class Found(NamedTuple):
    """What a chunk of runs found.

    Attributes:
        find: run, moment, setting and video by their numbers, and a kind -> that kind's intervals, in stored frames. It is
            called for few videos of each run, so it may work only then; it should remember what it gave.
        settings: how sure an interval must be; the first is the config's own.
        steps: of each kind that is sought, the optimiser steps that had been taken at the moments; a kind that is not there is
            not sought.
        curves: by stage and metric, `[P, steps]`.
    """

    find: Callable[[int, int, int, int, str], Sequence[Spot]]
    settings: tuple[float, ...]
    steps: Mapping[str, np.ndarray]
    curves: dict[str, dict[str, np.ndarray]]


class Point(NamedTuple):
    """A moment and a setting, by their numbers."""

    moment: int
    setting: int


def held_out_videos(
    data: SpottingData, inside: SpottingData | None, spec: RunId, p: int, outer: Found | None, inner: Found | None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """By rule of selection, what run p found in the videos that it held out; see `merjax.sweeps.folder.read_predictions`.

    Args:
        data, inside: the videos, and the same with inner subjects held out, if a rule needs it.
        spec: the run.
        p: its number among the runs.
        outer, inner: what the runs found that train on all training subjects, and on all but the inner ones.
    """
    selection, fold = spec.config.selection, data.folds[spec.fold]
    for rule in selection.rules:
        tested = inner if rule == "inner" and selection.after == "keep" else outer
        assert tested is not None
        pieces = []
        for videos in _each(data, rule, fold.test_N):
            points = {kind: _chosen(data, inside, spec, p, rule, tested, inner, videos, kind) for kind in tested.steps}
            pieces += [_rows_of(data, v, tested, p, points) for v in videos]
        yield rule, pd.DataFrame([row for rows in pieces for row in rows]).assign(fold=fold.name, selection=rule)


def best_point(found: Found, p: int, data: SpottingData, videos: Iterable[int], kind: str) -> Point | None:
    """The moment and setting of a run with the highest F1 of a kind in some videos, in all of them together.

    Among several, those with the fewest false intervals, of these the last moment and the first setting. None if the videos
    have no expression of the kind, so that every F1 is 0.
    """
    videos = list(videos)
    truth = {v: [t for t in data.store.truth(data.videos[v]) if t.kind == kind] for v in videos}
    if not any(truth.values()):
        return None
    best, point = (-1.0, 0, 0, 0), Point(0, 0)
    for moment in range(len(found.steps.get(kind, ()))):
        for setting in range(len(found.settings)):
            counts = np.zeros(3, int)
            for v in videos:
                spots = found.find(p, moment, setting, v, kind)
                counts += matched(_ends(spots), _ends(truth[v]))[1:]
            rank = (float(spotting_scores(counts)["F1"]), -int(counts[1]), moment, -setting)
            if rank > best:
                best, point = rank, Point(moment, setting)
    return point


def _each(data: SpottingData, rule: str, test_N: np.ndarray) -> Iterator[list[int]]:
    """The held-out videos for which something is chosen together: the oracle chooses for each subject."""
    subject_N = subjects_of(data.index)
    if rule != "oracle":
        yield np.flatnonzero(test_N).tolist()
        return
    for subject in np.unique(subject_N[test_N]):
        yield np.flatnonzero(test_N & (subject_N == subject)).tolist()


def _chosen(
    data: SpottingData,
    inside: SpottingData | None,
    spec: RunId,
    p: int,
    rule: str,
    tested: Found,
    inner: Found | None,
    videos: Sequence[int],
    kind: str,
) -> Point:
    by_default, point = Point(len(tested.steps[kind]) - 1, 0), None
    if rule == "inner":
        assert inner is not None
        assert inside is not None
        trained = len(inner.curves) > 0
        asked_N = inside.folds[spec.fold].test_N if trained else data.folds[spec.fold].train_N
        point = best_point(inner, p, data, np.flatnonzero(asked_N).tolist(), kind)
    elif rule == "oracle":
        point = best_point(tested, p, data, videos, kind)
    return point or by_default


def _ends(intervals: Sequence[Any]) -> np.ndarray:
    return np.array([(i.onset, i.offset) for i in intervals], int).reshape(-1, 2)


def _rows_of(data: SpottingData, v: int, found: Found, p: int, points: dict[str, Point]) -> list[dict[str, Any]]:
    """A row for the video, for each of its true intervals and for each found one, in the video's own frames."""
    video, number_T = data.videos[v], data.store.array(data.videos[v], "numbers")
    named: dict[str, Any] = {"database": video.database, "subject": video.subject, "clip": video.name}
    named |= {"seconds": video.n_frames / video.fps}
    rows = [_row(named, "video", 0, int(number_T[-1]), None, "", 0.0, "", 0)]
    for true in video.truth:
        rows.append(_row(named, "true", true.onset, true.offset, true.apex, true.kind, 0.0, true.emotion, 0))
    for kind, (moment, setting) in points.items():
        for s in in_own_frames(found.find(p, moment, setting, v, kind), number_T):
            rows.append(
                _row(named, "found", s.onset, s.offset, s.apex, kind, s.confidence, "", found.steps[kind][moment])
            )
    return rows


def _row(
    named: dict[str, Any],
    row: str,
    onset: int,
    offset: int,
    apex: int | None,
    kind: str,
    confidence: float,
    emotion: str,
    step: int,
) -> dict[str, Any]:
    place = {"row": row, "onset": onset, "offset": offset, "apex": -1 if apex is None else apex}
    return named | place | {"kind": kind, "confidence": float(confidence), "emotion": emotion, "step": int(step)}


def usable_frames(video: StoredVideo) -> np.ndarray:
    """Whether each stored frame has a usable face."""
    usable_T = np.ones(video.n_frames, bool)
    for first, last in video.gaps:
        usable_T[first : last + 1] = False
    return usable_T


def whole(spots: Iterable[Spot], usable_T: np.ndarray) -> list[Spot]:
    """The intervals that reach across no frame without a usable face."""
    return [spot for spot in spots if usable_T[spot.onset : spot.offset + 1].all()]
