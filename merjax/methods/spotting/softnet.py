"""SOFTNet (Liong, See and Wong 2021) as a method: a network for each kind of expression, on the flow over half its mean length.

Sample i of a video is the flow from frame i to frame i + k, where 2 k is the mean length of the kind's expressions, and the
network learns whether any of these frames is in an expression. Its scores, smoothed over 2 k frames, have peaks; a peak that
is high enough stands for an interval of 2 k frames. As for `merjax.methods.spotting.peaks`, the interval lies around the middle
of the frames that the flow is between, half of k later than in the published code.

k comes from the fold's training subjects alone, so folds may have different k: those with the same train together.
"""

import functools
from collections.abc import Hashable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.signal import find_peaks

from merjax.config import Config
from merjax.engine import Batch, Jobs, Outcome, Stage, StageJob, Variables
from merjax.methods.runs import Pictures, RunId, make_run, stacked
from merjax.methods.spotting.found import Found, usable_frames, whole
from merjax.methods.spotting.signals import Signal, Spot
from merjax.methods.spotting.softnet_windows import Windows, samples_of, trained_windows, windows_of
from merjax.methods.spotting.trained import (
    READS,
    SpotterNumbers,
    budget_of,
    half_lengths,
    moments_of,
    motion_of,
    optimiser_of,
    settings_of,
    spotter_numbers,
)
from merjax.methods.spotting.trained import refuse as refuse
from merjax.methods.stage_identity import Job, drawn, make_job
from merjax.nn.softnet import SIDE, SOFTNet
from merjax.protocols.tasks import SPOTTING
from merjax.stores.kept_motion import Needed
from merjax.stores.motion_store import MotionStore
from merjax.system.videos import frames
from merjax.training.selection import extra_snapshots, with_snapshots
from merjax.training.spotting_data import SpottingData

NAME, SHARE = "softnet", 0.55
LAST_EPOCHS = "spotter.epochs"  # of each stage
_SHARES = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
_RUNS_PER_PASS = 4  # their first layers see the same windows of a picture, which are gathered once for all of them
_COST = 1.02  # 1e6 multiply-adds of a window


def jobs(data: SpottingData, specs: Sequence[RunId]) -> Jobs[Found]:
    """A stage for each kind.

    Args:
        data: the videos.
        specs: the runs, of one `alike`.
    """
    config, halves = specs[0].config, half_lengths(data, specs[0].config, specs[0].fold)
    store, scores, steps, curves = motion_of(data, specs[0]), {}, {}, {}
    for kind in SPOTTING.classes:
        if not halves[kind]:
            continue
        windows = windows_of(data, kind, halves[kind])
        job = spotting_job(data, store, specs, kind, windows)
        result = yield job
        score_PxLxS, steps[kind] = moments_of(result, job.budget)
        scores[kind] = windows, score_PxLxS
        curves[job.stage.name] = result.curves
    settings = settings_of(config, SHARE, _SHARES)

    @functools.cache
    def peaks(p: int, moment: int, v: int, kind: str) -> list[Spot]:
        windows, score_PxLxS = scores[kind]
        own = windows.video_S == v
        score_S, usable_S = score_PxLxS[p, moment, own].astype(float), windows.usable_S[own]
        score_S[~usable_S] = score_S[usable_S].min(initial=0)
        spots = spots_of_scores(score_S, windows.k_N[v], data.videos[v].n_frames, kind)
        return whole(spots, usable_frames(data.videos[v]))

    def find(p: int, moment: int, setting: int, v: int, kind: str) -> list[Spot]:
        return [s for s in peaks(p, moment, v, kind) if s.confidence >= settings[setting]] if kind in scores else []

    return Found(find, settings, steps, curves)


def spotting_job(
    data: SpottingData, store: MotionStore, specs: Sequence[RunId], kind: str, windows: Windows
) -> StageJob:
    """One kind's stage, its runs and the windows that they train on."""
    config = READS.of(specs[0].config)
    runs = [make_run(data, spec, READS, spotter_numbers(spec.config.spotter)) for spec in specs]
    samples = samples_of(data, store, windows, np.arange(len(windows.video_S)), np.zeros(len(windows.video_S), int))
    rng = np.random.default_rng(drawn(specs[0].seed, "windows that are trained on", kind))
    trained = samples_of(data, store, windows, *trained_windows(windows, kind, config, rng))
    budget = with_snapshots(budget_of(config.spotter, len(trained.unit_S)), specs[0].config.selection)
    return StageJob(stage_of(kind, config.spotter.optimiser), stacked(runs), samples, budget, trained)


@functools.cache
def stage_of(kind: str, optimiser: str) -> Stage:
    """The stage of one kind; equal settings give one stage, whose programs are then compiled once."""
    model = SOFTNet()

    def init(key, numbers: SpotterNumbers):
        return Variables(model.init(key, jnp.zeros((3, SIDE, SIDE, 1)))["params"])

    def loss(variables, batch: Batch, weight_B, numbers: SpotterNumbers, key):
        score_B, target_B = apply(variables, batch, numbers), batch.inputs["target"]
        share_B = weight_B / jnp.maximum(weight_B.sum(), 1e-9)
        error = jnp.square(score_B - target_B) @ share_B
        return Outcome(error, {"loss": error, "accuracy": ((score_B > 0.5) == (target_B > 0.5)) @ share_B})

    def apply(variables, batch: Batch, numbers: SpotterNumbers) -> jax.Array:
        return jnp.asarray(model.apply({"params": variables.params}, batch.inputs["pictures"]))

    def prepare(inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return inputs | {"pictures": inputs["pictures"].astype(jnp.float32) / 255}

    return Stage(stage_name(kind), init, loss, apply, optimiser_of(optimiser), prepare, runs_per_pass=_RUNS_PER_PASS)


def stage_name(kind: str) -> str:
    """The name of one kind's stage."""
    return f"{NAME} {kind}"


def spots_of_scores(score_S: Float[np.ndarray, "S"], k: int, n_frames: int, kind: str) -> list[Spot]:
    """The peaks of a video's scores as intervals.

    Args:
        score_S: of the windows [i, i + k).
        k: frames.
        n_frames: of the video.
        kind: of the expressions.

    Returns:
        Intervals of 2 k + 1 frames by their onset, however low the peak: their confidence is how far from the mean to the
        maximum of the smoothed scores it reaches, p of the published threshold.
    """
    smooth = smoothed(score_S, k)
    if not len(smooth) or np.ptp(smooth) == 0:
        return []
    mean, top = float(smooth.mean()), float(smooth.max())
    peaks, _ = find_peaks(smooth, height=mean, distance=max(1, k))
    spots = []
    for peak in peaks:
        centre = int(peak) + k + k // 2
        onset, offset = max(0, centre - k), min(n_frames - 1, centre + k)
        spots.append(Spot(onset, offset, min(centre, n_frames - 1), kind, (float(smooth[peak]) - mean) / (top - mean)))
    return spots


def smoothed(score_S: Signal, k: int) -> Signal:
    """The mean of the 2 k scores around each, without those that lack some: the first is that of score k."""
    return np.convolve(score_S, np.full(2 * k, 1 / (2 * k)), "valid") if len(score_S) >= 2 * k else np.zeros(0)


def alike(data: SpottingData, config: Config, fold: int) -> Hashable:
    """What runs must have in common to train together: k of each kind, at each frame rate, and whether motion is permuted."""
    return (config.control, *_windows_told(data, config, fold))


def windows_said(data: SpottingData, config: Config) -> tuple[str, ...]:
    """A sentence for each set of windows, with the folds that have it."""
    of_window: dict[str, list[str]] = {}
    for f, fold in enumerate(data.folds):
        of_window.setdefault(", ".join(_windows_told(data, config, f)), []).append(fold.name)
    return tuple(f"k is {window}: {len(folds)} folds ({', '.join(folds)})" for window, folds in of_window.items())


def _windows_told(data: SpottingData, config: Config, fold: int) -> list[str]:
    rates = sorted({video.fps for video in data.videos})
    told = []
    for kind, half in half_lengths(data, config, fold).items():
        for fps in rates:
            k = f"{frames(half, fps)} frames" if half else "none"
            told.append(f"{kind} {k}" + (f" at {fps:g} per second" if len(rates) > 1 else ""))
    return told


def needed(data: SpottingData, config: Config) -> frozenset[Needed]:
    """The flow of all videos over each fold's k."""
    return frozenset(
        Needed(v, "flow", frames(half, video.fps))
        for f in range(len(data.folds))
        for half in half_lengths(data, config, f).values()
        for v, video in enumerate(data.videos)
        if half
    )


def identities(data: SpottingData, spec: RunId) -> tuple[Job, ...]:
    """The identity of a run's stages, which train on the same."""
    return (make_job(READS, data, spec.config, spec.seed, spec.fold),)


def feature(config: Config) -> None:
    """Flow is computed when it is first asked for, and belongs to the store."""


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """Optimiser steps of each kind's stage, about: how many windows there are depends on k."""
    about = budget_of(config.spotter, max(1, round(frames * config.spotter.kept))).steps
    return {stage_name(kind): about for kind in SPOTTING.classes}


def pictures(config: Config) -> Pictures:
    """The flow over half an expression."""
    return "clip flow"


def stage_cost(data: SpottingData, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run, in units of 1e9."""
    passes = 3 * config.spotter.epochs * config.spotter.kept + extra_snapshots(config.selection) + 1
    return {stage_name(kind): passes * data.frames * _COST / 1e3 for kind in SPOTTING.classes}
