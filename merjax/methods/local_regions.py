"""The paper's method: spatial stage, features, temporal stage (Fig. 6)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from merjax.config import Config
from merjax.engine import Jobs, Samples, StageJob
from merjax.faces.regions import REGIONS
from merjax.methods.numbers import traced_numbers
from merjax.methods.runs import Pictures, RunId, Trained, budget_of, make_run, stacked, training_labels, training_steps
from merjax.methods.spatial_stage import (
    SPATIAL,
    SpatialNumbers,
    computing_of,
    frame_samples,
    spatial_form,
    spatial_stage,
)
from merjax.methods.stage_identity import Job, drawn, make_job
from merjax.methods.temporal_stage import (
    TEMPORAL,
    TemporalNumbers,
    clip_samples,
    sequence_length,
    temporal_kind,
    temporal_stage,
)
from merjax.nn.patch_cnn import COLUMNS, ROWS
from merjax.nn.region_cnn import network_of
from merjax.stores.features import MOTION
from merjax.system.errors import MerjaxError
from merjax.training.data import TrainingData
from merjax.training.fitted import fitted_moments, label_weights, region_mask
from merjax.training.frames import HALF, half_of, trained_frames
from merjax.training.selection import extra_snapshots, snapshots_of, with_snapshots

LAST_EPOCHS = "temporal.epochs"  # of the temporal stage


def jobs(data: TrainingData, specs: Sequence[RunId]) -> Jobs[Trained]:
    """The two stages of runs of one group and one seed.

    Args:
        data: what they train on.
        specs: the runs, with one `program_group` and one seed.
    """
    spatial = yield spatial_job(data, specs)
    job = temporal_job(data, specs, spatial.outputs)
    temporal = yield job
    snapshots_PxLxNxK, step_L = snapshots_of(temporal.snapshots, temporal.outputs, job.budget, data.task.several)
    return Trained(snapshots_PxLxNxK, step_L, {"spatial": spatial.curves, "temporal": temporal.curves})


def spatial_job(data: TrainingData, specs: Sequence[RunId]) -> StageJob:
    """The spatial stage, its runs, and the frames that they train on."""
    config = SPATIAL.of(specs[0].config).spatial
    form = spatial_form(config, computing_of(specs[0].config.engine))
    stage = spatial_stage(data.classes_R, data.channels, form, config.epsilon, data.task.several)
    seen = _seen(data, specs[0].config)
    runs = stacked([make_run(seen, spec, SPATIAL, spatial_numbers(data, spec)) for spec in specs])
    frames_S = _half(data, specs[0])
    frames, half = frames_of(data), None if frames_S is None else frames_of(data, frames_S)
    return StageJob(stage, runs, frames, budget_of(config, len((half or frames).unit_S)), half)


def frames_of(data: TrainingData, among_S: np.ndarray | slice = slice(None)) -> Samples:
    """The frames in use, one clip after another; or those of them with these numbers."""
    subtracted_row_S = data.subtracted_row_S
    return frame_samples(
        data.frames,
        data.row_S[among_S],
        data.clip_S[among_S],
        None if subtracted_row_S is None else subtracted_row_S[among_S],
    )


def _seen(data: TrainingData, config: Config) -> TrainingData:
    """The data with what the spatial stage trains on as the folds' training sides: under `spatial.trained_on` all clips, so
    that all folds have one job."""
    return data if config.spatial.trained_on == "fold" else data.leaking


def _half(data: TrainingData, spec: RunId) -> np.ndarray | None:
    """The numbers of the frames that the spatial stage draws its batches from; None for all frames in use."""
    if spec.config.spatial.trained_on != HALF:
        return None
    return half_of(len(data.row_S), drawn(spec.seed, HALF).tolist())


def temporal_job(
    data: TrainingData, specs: Sequence[RunId], features_PxSxRxD: Sequence[Float[np.ndarray, "S R D"]]
) -> StageJob:
    """The temporal stage, its runs, each with its own features, and the clips that they train on."""
    config = TEMPORAL.of(specs[0].config)
    own, kind = config.temporal, temporal_kind(config.temporal, data.task.several)
    steps, inputs = sequence_length(data.length_N, own.length), features_PxSxRxD[0].shape[-1]
    stage = temporal_stage(len(data.streams), len(data.classes), own.units, steps, inputs, kind)
    runs = [
        make_run(data, spec, TEMPORAL, temporal_numbers(data, spec, features_SxRxD))
        for spec, features_SxRxD in zip(specs, features_PxSxRxD, strict=True)
    ]
    budget = with_snapshots(budget_of(own, len(data.index)), specs[0].config.selection)
    return StageJob(stage, stacked(runs), clip_samples(data.length_N, own.length, kind.in_front), budget)


def spatial_numbers(data: TrainingData, spec: RunId) -> SpatialNumbers:
    """What one run's spatial stage takes as data."""
    seen, config = _seen(data, spec.config), SPATIAL.of(spec.config)
    fold = seen.folds[spec.fold]
    _, target_NxR = training_labels(seen, spec)
    mean_RxC, scale_RxC = fitted_moments(data, fold, config)
    widest = max(data.classes_R)
    alpha_RxK = [
        label_weights(config.loss.alpha, target_N[fold.train_N], data.task.with_classes(k))
        for target_N, k in zip(target_NxR.T, data.classes_R, strict=True)
    ]
    return SpatialNumbers(
        **traced_numbers(config.spatial),
        gamma=np.float32(config.loss.gamma),
        smoothing=np.float32(config.loss.label_smoothing),
        alpha_RxK=np.stack([np.pad(a, ((0, widest - len(a)), (0, 0))[: a.ndim]) for a in alpha_RxK]),
        mean_RxC=mean_RxC,
        scale_RxC=scale_RxC,
        target_NxR=target_NxR,
    )


def temporal_numbers(data: TrainingData, spec: RunId, features_SxRxD: Float[np.ndarray, "S R D"]) -> TemporalNumbers:
    """What one run's temporal stage takes as data."""
    fold, config = data.folds[spec.fold], TEMPORAL.of(spec.config)
    target_N, _ = training_labels(data, spec)
    mask_R = region_mask(config.regions, data.streams)
    # rounded whether they were kept or not, and 0 where a network that this run does not use may have diverged
    seen_SxRxD = np.where(mask_R[:, None] > 0, features_SxRxD, 0).astype(config.temporal.precision).astype(np.float32)
    if config.temporal.integer_features:
        seen_SxRxD = np.trunc(seen_SxRxD)
    read_after = config.temporal.length or data.length_N[fold.train_N].max()
    return TemporalNumbers(
        **traced_numbers(config.temporal),
        gamma=np.float32(config.loss.gamma),
        smoothing=np.float32(config.loss.label_smoothing),
        alpha_K=label_weights(config.loss.alpha, target_N[fold.train_N], data.task),
        mask_R=mask_R,
        read_after=np.int32(0 if config.temporal.mask else read_after),
        target_N=target_N,
        features_SxRxD=seen_SxRxD,
    )


def identities(data: TrainingData, spec: RunId) -> tuple[Job, Job]:
    """The identities of the two stages of a run."""
    run = data, spec.config, spec.seed, spec.fold
    target_N, _ = training_labels(data, spec)
    seen, frames_S = _seen(data, spec.config), _half(data, spec)
    reaches = [data.row_S, data.clip_S, training_labels(seen, spec)[1], *([] if frames_S is None else [frames_S])]
    spatial = make_job(SPATIAL, seen, *run[1:], *reaches, inputs=data.feature_hashes(feature(spec.config)))
    return spatial, make_job(TEMPORAL, *run, data.clip_S, target_N, inputs=(spatial.hash,))


def refuse(data: TrainingData, config: Config) -> None:
    """Refuse a store without frames, or without their motion where that is asked for, and a loss that needs one class per clip
    for clips that may have several.

    Raises:
        MerjaxError: one of these; the message says what to do.
    """
    _ = data.channels
    if data.task.several and config.temporal.loss != "focal":
        raise MerjaxError(
            f"temporal.loss: {config.temporal.loss} needs one class per clip, but the clips of {data.scheme.name} may have "
            "several, each with a focal loss of its own; leave it out"
        )


def feature(config: Config) -> str | None:
    """The motion of every frame, if that is asked for."""
    return MOTION if config.data.input == "flow" else None


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """Optimiser steps of the two stages."""
    trained = trained_frames(config.spatial.trained_on, frames)
    return {"spatial": training_steps(config.spatial, trained), "temporal": training_steps(config.temporal, clips)}


def pictures(config: Config) -> Pictures:
    """Regions of the frames, or of their motion."""
    return "motion" if config.data.input == "flow" else "frames"


def output_bytes(config: Config, frames: int) -> int:
    """Bytes of the spatial features of one run, of every frame in use."""
    streams = 1 if config.data.whole_face else len(REGIONS)
    return frames * streams * width_of(config) * np.dtype(config.temporal.precision).itemsize


def stage_cost(data: TrainingData, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run's stages, in units of 1e9."""
    pixels, each = _pixels(data, config)
    frames, units = len(data.row_S), config.temporal.units
    steps = sequence_length(data.length_N, config.temporal.length)
    share = trained_frames(config.spatial.trained_on, frames) / frames
    passes = 3 * config.spatial.epochs * share + 1  # a step costs about three forward passes; features take one more
    lstm = (width_of(config) + units) * 4 * units * len(data.streams) * steps
    passes_of_clips = 3 * config.temporal.epochs + extra_snapshots(config.selection)
    return {
        "spatial": passes * frames * pixels * each / 1e9,
        # an LSTM's small products run at a fraction of the convolutions' speed
        "temporal": 4 * passes_of_clips * len(data.index) * lstm / 1e9,
    }


def clips_cut(data: TrainingData, config: Config) -> int:
    """How many clips have more frames in use than `temporal.length` takes."""
    return int((data.length_N > config.temporal.length).sum()) if config.temporal.length else 0


def width_of(config: Config) -> int:
    """Features of a region and frame."""
    return network_of(spatial_form(config.spatial)).features_D


def _pixels(data: TrainingData, config: Config) -> tuple[int, float]:
    """The pixels of one frame's regions, and the multiply-adds of each in the convolutions, and for patches in the gate."""
    if config.spatial.network != "patches":
        return sum(region.height * region.width for region in data.streams), 844
    joined = 72 * config.spatial.patches
    gate = (
        (joined**2 / 2 + joined * 162) / 64 / config.spatial.patches
    )  # a pooled position stands for 64 pixels of a patch
    return len(data.streams) * ROWS * COLUMNS, 1044 + gate
