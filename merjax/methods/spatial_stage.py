"""The spatial stage (Sec. 3.2): one CNN per region, trained frame by frame on the region's own labels."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from merjax.config import EngineConfig, SpatialConfig
from merjax.engine import Batch, Outcome, Samples, Stage, Variables
from merjax.methods.numbers import InModel, Real
from merjax.methods.optimisers import adamw
from merjax.methods.stage_identity import StageReads
from merjax.nn.layers.backend import on_cpu
from merjax.nn.layers.convolution_runs import EXACT, Computing, Pixels
from merjax.nn.layers.losses import focal_loss, is_right, several_focal_loss, several_right
from merjax.nn.region_cnn import apply_regions, features_regions, init_regions
from merjax.nn.shallow_cnn import PAPERS_SPATIAL, SpatialForm

# All regions of a geometry are trained, whichever of them the classifier keeps: their networks share nothing, so trials with
# different regions have this stage in common.
SPATIAL = StageReads(
    "spatial",
    version=1,
    settings=(
        *("data.protocol", "data.input", "data.standardise", "data.frames", "data.whole_face", "data.anger", "control"),
        *("loss.gamma", "loss.alpha", "loss.label_smoothing", "spatial.network", "spatial.epochs", "spatial.batch"),
        *("spatial.learning_rate", "spatial.weight_decay", "spatial.beta1", "spatial.beta2", "spatial.dropout"),
        *("data.class_iv", "data.scaling", "spatial.patches", "spatial.pooling", "spatial.initial", "spatial.epsilon"),
        *("spatial.drop_features", "spatial.trained_on"),
    ),
)


class SpatialNumbers(NamedTuple):
    """What the spatial stage takes as data.

    Attributes:
        learning_rate, beta1, beta2, weight_decay: of the optimiser.
        dropout: the rate after the FC layers.
        gamma, smoothing: of the focal loss.
        alpha_RxK: class weights of each region, 0 beyond its own k(r) classes; where a clip may have several, `[R, K, 2]`.
        mean_RxC, scale_RxC: of the input, fitted on the fold's training frames.
        target_NxR: region labels of every clip; 0 for those that are not trained on.
    """

    learning_rate: InModel[Real]
    beta1: InModel[Real]
    beta2: InModel[Real]
    weight_decay: InModel[Real]
    dropout: InModel[Real]
    gamma: InModel[Real]
    smoothing: InModel[Real]
    alpha_RxK: InModel[Float[Array | np.ndarray, "R K *weights"]]
    mean_RxC: InModel[Float[Array | np.ndarray, "R C"]]
    scale_RxC: InModel[Float[Array | np.ndarray, "R C"]]
    target_NxR: Int[Array | np.ndarray, "N R"]


def spatial_form(config: SpatialConfig, computing: Computing = EXACT) -> SpatialForm:
    """What the networks look like."""
    return SpatialForm(config.network, config.pooling, config.initial, config.drop_features, config.patches, computing)


def computing_of(config: EngineConfig) -> Computing:
    """How the networks are computed where runs lie side by side."""
    return Computing(config.convolution, "bfloat16" if config.precision == "bfloat16" else "float32")


@functools.cache
def spatial_stage(
    classes_R: tuple[int, ...],
    channels: int = 1,
    form: SpatialForm = PAPERS_SPATIAL,
    epsilon: float = 1e-8,
    several: bool = False,
) -> Stage:
    """The stage for regions with k(r) classes each and images with `channels` channels; `epsilon` is Adam's. With `several`, a
    region may show several of its classes or none."""
    loss_of, right_of = (several_focal_loss, several_right) if several else (focal_loss, is_right)

    def images(batch: Batch, numbers: SpatialNumbers):
        of = normalised if on_cpu() else pixels
        return of(batch.inputs, numbers.mean_RxC, numbers.scale_RxC)

    def init(key, numbers: SpatialNumbers):
        return Variables(init_regions(key, classes_R, channels, form))

    def loss(variables, batch: Batch, weight_B, numbers: SpatialNumbers, key):
        x = images(batch, numbers)
        logits_RxBxK = apply_regions(variables.params, x, numbers.dropout, key, classes_R, form)
        target_RxB = numbers.target_NxR[batch.unit_B].T
        loss_RxB = jax.vmap(loss_of, (0, 0, 0, None, None))(
            logits_RxBxK, target_RxB, numbers.alpha_RxK, numbers.gamma, numbers.smoothing
        )
        share_B = weight_B / jnp.maximum(weight_B.sum(), 1e-9)
        right_RxB = jax.vmap(right_of)(logits_RxBxK, target_RxB)
        # the regions' networks share nothing, so the sum trains each of them by its own mean loss
        total = (loss_RxB @ share_B).sum()
        return Outcome(total, {"loss": total, "accuracy": (right_RxB @ share_B).mean()})

    def apply(variables, batch: Batch, numbers: SpatialNumbers):
        x = images(batch, numbers)
        return features_regions(variables.params, x, form)

    return Stage("spatial", init, loss, apply, functools.partial(adamw, epsilon=epsilon), compiles_long=True)


def frame_samples(
    frames: Sequence[np.ndarray], row_S: np.ndarray, clip_S: np.ndarray, onset_row_S: np.ndarray | None
) -> Samples:
    """Samples of the spatial stage: each is a frame.

    Args:
        frames: per region, the store's `frames x H x W` (gray) or `frames x H x W x 3` (RGB, motion).
        row_S: each sample's row in the store.
        clip_S: the clip it belongs to.
        onset_row_S: the row of its clip's onset frame, which is subtracted; None if nothing is subtracted.

    Inputs of K batches are one array `[K, C, H, W, B]` per region, of the frames' type or, for differences, int16.
    """

    def gather(sample_KxB: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(_gather_region(of_region, sample_KxB) for of_region in frames)

    def _gather_region(of_region: np.ndarray, sample_KxB: np.ndarray) -> np.ndarray:
        seen = of_region[row_S[sample_KxB]]
        if onset_row_S is not None:
            seen = seen.astype(np.int16) - of_region[onset_row_S[sample_KxB]]
        frames_KxBxHxWxC = seen if seen.ndim == 5 else seen[..., None]
        return np.ascontiguousarray(frames_KxBxHxWxC.transpose(0, 4, 2, 3, 1))

    return Samples(clip_S, gather)


def normalised(
    inputs: tuple[Array, ...],
    mean_RxC: Float[Array | np.ndarray, "R C"],
    scale_RxC: Float[Array | np.ndarray, "R C"],
) -> tuple[Float[Array, "C H W B"], ...]:
    """The input in units of the full gray range, minus the training mean and divided by the training scale of each region and
    channel."""
    mean_RxCx1x1x1, scale_RxCx1x1x1 = (x_RxC[..., None, None, None] for x_RxC in (mean_RxC, scale_RxC))
    return tuple((x.astype(jnp.float32) / 255 - mean_RxCx1x1x1[r]) / scale_RxCx1x1x1[r] for r, x in enumerate(inputs))


def pixels(
    inputs: tuple[Array, ...],
    mean_RxC: Float[Array | np.ndarray, "R C"],
    scale_RxC: Float[Array | np.ndarray, "R C"],
) -> tuple[Pixels, ...]:
    """What `normalised` gives, for networks that take the input as it is stored, with its mean and scale beside it."""
    return tuple(
        Pixels(x, jnp.asarray(255 * mean_RxC[r]), jnp.asarray(255 * scale_RxC[r])) for r, x in enumerate(inputs)
    )
