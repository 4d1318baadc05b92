"""The regional spotter as a method: the six regions' motion over time, and for each frame how near an onset, an apex and an
offset are and of which kind (`merjax.nn.regional_spotter`).

Videos are seen at 30 frames per second, in stretches. Of each region it sees the mean motion over a tenth of a second, that of
the places within it, since lips that part have no mean motion, and how far these are from where they rest. An interval is an
apex with the best onset before it and the best offset after it, not shorter than half the shortest and not longer than one and
a half times the longest expression of the kind on the fold's training subjects.
"""

import functools
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float
from scipy.signal import find_peaks

from merjax.config import Config
from merjax.engine import Batch, Jobs, Outcome, Samples, Stage, StageJob, Variables
from merjax.methods.runs import Pictures, RunId, make_run, stacked
from merjax.methods.spotting.found import Found, usable_frames
from merjax.methods.spotting.signals import Spot
from merjax.methods.spotting.trained import (
    READS,
    SpotterNumbers,
    budget_of,
    moments_of,
    motion_of,
    optimiser_of,
    settings_of,
    spotter_numbers,
)
from merjax.methods.spotting.trained import refuse as refuse
from merjax.methods.stage_identity import Job, make_job
from merjax.nn.regional_spotter import CONTEXT, SCORES, RegionalSpotter, motion_channels
from merjax.stores.kept_motion import Needed
from merjax.stores.motion_store import MotionStore, StoredVideo
from merjax.stores.place_motion import MOST_PLACES, mirrored
from merjax.training.selection import extra_snapshots, with_snapshots
from merjax.training.spotting_data import SpottingData

NAME, SHARE = "regional_spotter", 0.5
LAST_EPOCHS = "spotter.epochs"  # of the one stage
_SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
_RATE = 30.0  # frames per second
_STRETCH = 192  # frames that a sample has scores of; it sees CONTEXT more on either side
# px: about what a micro-expression moves in a tenth of a second, and a macro-expression in all
_UNITS = np.repeat([0.5, 2.0], [1 + MOST_PLACES, MOST_PLACES])[:, None]
_VECTORS = len(_UNITS)
_POINT_WEIGHT = 9.0  # how much more an onset, an apex or an offset weighs than a frame without one
_NEAR = 0.15  # a point's target falls off within this share of the expression's length
_LEAST = 0.03  # of an apex: lower ones are not followed
_SHARED = 0.5  # of two intervals that share more of the shorter one, the less sure is dropped
_COST = 0.04  # 1e6 multiply-adds of a frame


class Stretches(NamedTuple):
    """Stretches of all videos, one after another.

    Attributes:
        motion_N: of each video, `T x R x V x 2` at 30 frames per second, with `CONTEXT` frames of nothing before it and enough
            after it.
        target_N: of each video, `T x 5`, what `merjax.nn.regional_spotter.SCORES` shall be.
        video_S, start_S: each stretch's video and first frame.
    """

    motion_N: list[np.ndarray]
    target_N: list[np.ndarray]
    video_S: np.ndarray
    start_S: np.ndarray


def jobs(data: SpottingData, specs: Sequence[RunId]) -> Jobs[Found]:
    """The one stage.

    Args:
        data: the videos.
        specs: the runs, of one `alike`.
    """
    config, stretches = specs[0].config, stretches_of(data, motion_of(data, specs[0]))
    job = spotting_job(data, specs, stretches)
    result = yield job
    score_PxLxSxTx5, step_L = moments_of(result, job.budget)
    settings = settings_of(config, SHARE, _SHARES)

    @functools.cache
    def spots(p: int, moment: int, v: int) -> list[Spot]:
        own = stretches.video_S == v
        score_Tx5 = np.asarray(score_PxLxSxTx5[p, moment, own], float).reshape(-1, len(SCORES))
        return in_video(score_Tx5, data.videos[v], spans_of(data, specs[p].fold))

    def find(p: int, moment: int, setting: int, v: int, kind: str) -> list[Spot]:
        return [s for s in spots(p, moment, v) if s.kind == kind and s.confidence >= settings[setting]]

    return Found(find, settings, dict.fromkeys(data.task.classes, step_L), {job.stage.name: result.curves})


def spotting_job(data: SpottingData, specs: Sequence[RunId], stretches: Stretches) -> StageJob:
    """The stage, its runs and the stretches that they train on."""
    config = READS.of(specs[0].config)
    runs = [make_run(data, spec, READS, spotter_numbers(spec.config.spotter)) for spec in specs]

    def gather(sample_KxB: np.ndarray) -> dict[str, np.ndarray]:
        pieces = [_piece(stretches, *divmod(s, len(stretches.video_S))) for s in sample_KxB.ravel().tolist()]
        motion, target = (np.stack(parts) for parts in zip(*pieces, strict=True))
        return {
            "motion": motion.reshape(*sample_KxB.shape, *motion.shape[1:]),
            "target": target.reshape(*sample_KxB.shape, *target.shape[1:]),
        }

    samples = Samples(stretches.video_S, gather)
    trained = Samples(np.tile(stretches.video_S, 1 + config.spotter.varied), gather)
    budget = with_snapshots(budget_of(config.spotter, len(trained.unit_S)), specs[0].config.selection)
    return StageJob(_stage(config.spotter.optimiser), stacked(runs), samples, budget, trained)


def stretches_of(data: SpottingData, store: MotionStore) -> Stretches:
    """All stretches of all videos; the last of a video reaches beyond its end, where nothing moves."""
    motion_N, target_N, video_S, start_S = [], [], list[int](), list[int]()
    for v, video in enumerate(data.videos):
        frame_T = _seen(video)
        length = -(-len(frame_T) // _STRETCH) * _STRETCH
        motion = np.zeros((length + 2 * CONTEXT, 6, _VECTORS, 2), np.float32)
        motion[CONTEXT : CONTEXT + len(frame_T)] = store.regional_motion(video)[frame_T] / _UNITS
        target = np.zeros((length, len(SCORES)), np.float32)
        target[: len(frame_T)] = targets_of(data, video, frame_T)
        motion_N.append(motion)
        target_N.append(target)
        video_S += [v] * (length // _STRETCH)
        start_S += range(0, length, _STRETCH)
    return Stretches(motion_N, target_N, np.array(video_S), np.array(start_S))


def targets_of(data: SpottingData, video: StoredVideo, frame_T: np.ndarray) -> Float[np.ndarray, "T 5"]:
    """What the scores of these stored frames shall be: 1 in an expression of the kind; 1 at an onset, an apex and an offset,
    and less the farther from it. An expression without an apex has it in its middle."""
    target_Tx5 = np.zeros((len(frame_T), len(SCORES)))
    for true in data.store.truth(video):
        inside_T = (frame_T >= true.onset) & (frame_T <= true.offset)
        target_Tx5[inside_T, SCORES.index(true.kind)] = 1
        apex = (true.onset + true.offset) / 2 if true.apex is None else true.apex
        near = max(video.fps / _RATE, _NEAR * (true.offset - true.onset))
        for name, place in (("onset", true.onset), ("apex", apex), ("offset", true.offset)):
            point_T = np.exp(-0.5 * np.square((frame_T - place) / near))
            target_Tx5[:, SCORES.index(name)] = np.maximum(target_Tx5[:, SCORES.index(name)], point_T)
    return target_Tx5


@functools.cache
def _stage(optimiser: str) -> Stage:
    """The stage; equal settings give one stage, whose programs are then compiled once."""
    model = RegionalSpotter()

    def init(key, numbers: SpotterNumbers):
        return Variables(model.init(key, jnp.zeros((1, 2 * CONTEXT + 1, 6, 3 * _VECTORS)), 0.0, None)["params"])

    def scores(variables, batch: Batch, rate, key):
        logits = model.apply({"params": variables.params}, motion_channels(batch.inputs["motion"]), rate, key)
        return jnp.asarray(logits)[:, CONTEXT : CONTEXT + _STRETCH]

    def loss(variables, batch: Batch, weight_B, numbers: SpotterNumbers, key):
        logits_BxTx5, target = scores(variables, batch, numbers.dropout, key), batch.inputs["target"]
        weight_BxTx5 = 1 + _POINT_WEIGHT * target
        error_B = (weight_BxTx5 * optax.sigmoid_binary_cross_entropy(logits_BxTx5, target)).mean((1, 2))
        share_B = weight_B / jnp.maximum(weight_B.sum(), 1e-9)
        right_B = ((logits_BxTx5 > 0) == (target > 0.5)).mean((1, 2))
        return Outcome(error_B @ share_B, {"loss": error_B @ share_B, "accuracy": right_B @ share_B})

    def apply(variables, batch: Batch, numbers: SpotterNumbers):
        return jax.nn.sigmoid(scores(variables, batch, 0.0, None))

    return Stage(NAME, init, loss, apply, optimiser_of(optimiser))


def spans_of(data: SpottingData, fold: int) -> dict[str, tuple[float, float]]:
    """The shortest and longest interval of each kind, in seconds, by the fold's training subjects; kinds that these do not
    show are not there."""
    return {
        kind: (0.5 * float(lengths.min()), 1.5 * float(lengths.max()))
        for kind, lengths in data.lengths_F[fold].items()
        if len(lengths)
    }


def in_video(
    score_Tx5: Float[np.ndarray, "T 5"], video: StoredVideo, spans: dict[str, tuple[float, float]]
) -> list[Spot]:
    """The intervals of a video, in its stored frames, whose scores at 30 frames per second these are."""
    frame_T = _seen(video)
    score_Tx5 = np.where(usable_frames(video)[frame_T, None], score_Tx5[: len(frame_T)], 0)
    found = []
    for kind, (shortest, longest) in spans.items():
        found += spots_of_scores(score_Tx5, kind, round(shortest * _RATE), round(longest * _RATE))
    usable_T = usable_frames(video)[frame_T]
    spots = without_overlaps([s for s in found if usable_T[s.onset : s.offset + 1].all()])
    return [
        s._replace(onset=int(frame_T[s.onset]), offset=int(frame_T[s.offset]), apex=int(frame_T[s.apex])) for s in spots
    ]


def spots_of_scores(score_Tx5: Float[np.ndarray, "T 5"], kind: str, shortest: int, longest: int) -> list[Spot]:
    """The intervals of one kind, however unsure.

    From each peak of apex and kind together, the onset and the offset are taken that are surest together with the mean score
    of the kind on the way to them. The confidence is the geometric mean of the four scores.

    Args:
        score_Tx5: the scores of each frame, see `merjax.nn.regional_spotter.SCORES`.
        kind: of the expressions.
        shortest, longest: offset minus onset, in frames.
    """
    inside_T = score_Tx5[:, SCORES.index(kind)]
    onset_T, apex_T, offset_T = (score_Tx5[:, SCORES.index(name)] for name in ("onset", "apex", "offset"))
    both_T = np.sqrt(apex_T * inside_T)
    summed = np.concatenate([[0.0], np.cumsum(inside_T)])
    peaks, _ = find_peaks(both_T, height=_LEAST, distance=max(1, shortest // 2))
    spots = []
    for apex in peaks.tolist():
        first, last = max(0, apex - longest), min(len(inside_T) - 1, apex + longest)
        before, after = np.arange(first, apex + 1), np.arange(apex, last + 1)
        onset = first + int(np.argmax(onset_T[before] * (summed[apex + 1] - summed[before]) / (apex + 1 - before)))
        offset = apex + int(np.argmax(offset_T[after] * (summed[after + 1] - summed[apex]) / (after + 1 - apex)))
        if shortest <= offset - onset <= longest:
            inside = (summed[offset + 1] - summed[onset]) / (offset + 1 - onset)
            sure = float((onset_T[onset] * apex_T[apex] * offset_T[offset] * inside) ** 0.25)
            spots.append(Spot(onset, offset, apex, kind, sure))
    return spots


def without_overlaps(spots: Sequence[Spot]) -> list[Spot]:
    """The intervals by their onset, without those that share more than half of the shorter one with a surer one."""
    kept: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: -spot.confidence):
        if all(_shared(spot, other) <= _SHARED for other in kept):
            kept.append(spot)
    return sorted(kept)


def _shared(one: Spot, other: Spot) -> float:
    common = min(one.offset, other.offset) - max(one.onset, other.onset) + 1
    return common / (min(one.offset - one.onset, other.offset - other.onset) + 1)


def _seen(video: StoredVideo) -> np.ndarray:
    """The stored frames that are seen, 30 in a second; some twice in a slower video."""
    count = max(1, round(video.n_frames * _RATE / video.fps))
    return np.minimum((np.arange(count) * video.fps / _RATE).round().astype(int), video.n_frames - 1)


def _piece(stretches: Stretches, form: int, s: int) -> tuple[np.ndarray, np.ndarray]:
    """A stretch's motion and targets; in form 1 mirrored."""
    v, start = stretches.video_S[s], stretches.start_S[s]
    motion = stretches.motion_N[v][start : start + _STRETCH + 2 * CONTEXT]
    return mirrored(motion) if form else motion, stretches.target_N[v][start : start + _STRETCH]


def alike(data: SpottingData, config: Config, fold: int) -> Hashable:
    """Runs see the same motion: permuted in time, or not."""
    return (config.control,)


def needed(data: SpottingData, config: Config) -> frozenset[Needed]:
    """Nothing: the store holds the motion of regions."""
    return frozenset()


def identities(data: SpottingData, spec: RunId) -> tuple[Job, ...]:
    """The identity of a run's stage."""
    return (make_job(READS, data, spec.config, spec.seed, spec.fold),)


def feature(config: Config) -> None:
    """The motion of regions belongs to the store."""


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """Optimiser steps of the one stage, about: how many stretches there are depends on the videos' lengths."""
    stretches = max(1, frames // _STRETCH + clips // 2)
    return {NAME: budget_of(config.spotter, (1 + config.spotter.varied) * stretches).steps}


def pictures(config: Config) -> Pictures:
    """The regions' motion."""
    return "motion"


def stage_cost(data: SpottingData, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run, in units of 1e9."""
    passes = 3 * config.spotter.epochs * (1 + config.spotter.varied) + extra_snapshots(config.selection) + 1
    return {NAME: passes * data.frames * _COST / 1e3}
