"""The temporal stage (Sec. 3.3): one LSTM per region and the classifier on all of them, trained clip by clip."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from merjax.config import TemporalConfig
from merjax.engine import Batch, Outcome, Samples, Stage, Variables
from merjax.methods.numbers import Count, InModel, Real
from merjax.methods.optimisers import adamw
from merjax.methods.stage_identity import StageReads
from merjax.nn.layers.losses import (
    Loss,
    binary_focal_loss,
    focal_loss,
    is_right,
    several_focal_loss,
    several_right,
)
from merjax.nn.region_lstm import PAPERS_TEMPORAL, TemporalClassifier, TemporalForm
from merjax.nn.shallow_cnn import FEATURES

TEMPORAL = StageReads(
    "temporal",
    version=1,
    settings=(
        *("data.protocol", "data.frames", "data.whole_face", "control", "regions"),
        *("loss.gamma", "loss.alpha", "loss.label_smoothing", "temporal.units", "temporal.mask", "temporal.epochs"),
        *("temporal.batch", "temporal.learning_rate", "temporal.weight_decay", "temporal.beta1", "temporal.beta2"),
        *("temporal.dropout_lstm", "temporal.dropout_fc", "temporal.precision"),
        *("temporal.length", "temporal.padding", "temporal.integer_features", "temporal.gates", "temporal.region_gate"),
        *("temporal.initial", "temporal.loss", "temporal.l1", "temporal.epsilon"),
    ),
)


class TemporalNumbers(NamedTuple):
    """What the temporal stage takes as data.

    Attributes:
        learning_rate, beta1, beta2, weight_decay: of the optimiser.
        dropout_lstm, dropout_fc: the rates on the LSTMs' output and after FC256.
        gamma, smoothing: of the focal loss.
        alpha_K: class weights; where a clip may have several classes, `[K, 2]`.
        mask_R: 1 for the regions that reach the classifier.
        read_after: the number of frames after which the LSTMs' state is read; 0: at each clip's last one.
        target_N: labels of every clip; 0 for those that are not trained on.
        features_SxRxD: the run's own spatial features, of every frame in use; 0 for regions that are not.
    """

    learning_rate: InModel[Real]
    beta1: InModel[Real]
    beta2: InModel[Real]
    weight_decay: InModel[Real]
    dropout_lstm: InModel[Real]
    dropout_fc: InModel[Real]
    gamma: InModel[Real]
    smoothing: InModel[Real]
    alpha_K: InModel[Float[Array | np.ndarray, "K *weights"]]
    mask_R: InModel[Float[Array | np.ndarray, "R"]]
    read_after: InModel[Count]
    target_N: Int[Array | np.ndarray, "N"]
    features_SxRxD: Float[Array | np.ndarray, "S R D"]


class TemporalKind(NamedTuple):
    """What decides the programs of a temporal stage, beside the shapes.

    Attributes:
        form: of the networks.
        in_front: whether sequences end at the last step and are padded in front.
        loss, l1: the loss, and the factor of FC 256's absolute weights in it.
        epsilon: Adam's.
        several: whether a clip may have several classes, or none; the loss is then the focal loss of each class.
    """

    form: TemporalForm = PAPERS_TEMPORAL
    in_front: bool = False
    loss: Loss = "focal"
    l1: float = 0.0
    epsilon: float = 1e-8
    several: bool = False


PAPERS_KIND = TemporalKind()


def temporal_kind(config: TemporalConfig, several: bool = False) -> TemporalKind:
    """The kind that a config asks for."""
    form = TemporalForm(config.gates, config.region_gate, config.initial)
    return TemporalKind(form, config.padding == "in front", config.loss, config.l1, config.epsilon, several)


@functools.cache
def temporal_stage(
    regions: int, classes: int, units: int, steps: int, inputs: int = FEATURES, kind: TemporalKind = PAPERS_KIND
) -> Stage:
    """The stage for clips of at most `steps` frames with `inputs` features per region and frame."""
    model = TemporalClassifier(units, classes, kind.form)
    of_one = {"focal": focal_loss, "binary focal": binary_focal_loss}[kind.loss]
    loss_of, right_of = (several_focal_loss, several_right) if kind.several else (of_one, is_right)

    def scores(params, batch: Batch, numbers: TemporalNumbers, rates, key):
        row_BxT, length_B = batch.inputs
        step_T = jnp.arange(steps)
        real_BxT = step_T >= steps - length_B[:, None] if kind.in_front else step_T < length_B[:, None]
        features_BxTxRxD = jnp.where(real_BxT[..., None, None], numbers.features_SxRxD[row_BxT], 0.0)
        read_B = jnp.where(numbers.read_after > 0, numbers.read_after, length_B)
        return model.apply({"params": params}, features_BxTxRxD, read_B, numbers.mask_R, rates, key)

    def init(key, numbers: TemporalNumbers):
        features_BxTxRxD = jnp.zeros((1, 1, regions, inputs))
        ones = jnp.ones(1, jnp.int32), jnp.ones(regions)
        return Variables(model.init(key, features_BxTxRxD, *ones, (0.0, 0.0), None)["params"])

    def loss(variables, batch: Batch, weight_B, numbers: TemporalNumbers, key):
        logits_BxK = scores(variables.params, batch, numbers, (numbers.dropout_lstm, numbers.dropout_fc), key)
        target_B = numbers.target_N[batch.unit_B]
        loss_B = loss_of(logits_BxK, target_B, numbers.alpha_K, numbers.gamma, numbers.smoothing)
        share_B = weight_B / jnp.maximum(weight_B.sum(), 1e-9)
        right_B = right_of(logits_BxK, target_B)
        total = loss_B @ share_B
        if kind.l1:
            total += kind.l1 * jnp.abs(variables.params["fc256"]["kernel"]).sum()
        return Outcome(total, {"loss": total, "accuracy": right_B @ share_B})

    def apply(variables, batch: Batch, numbers: TemporalNumbers):
        return scores(variables.params, batch, numbers, (0.0, 0.0), None)

    return Stage("temporal", init, loss, apply, functools.partial(adamw, epsilon=kind.epsilon))


def clip_samples(length_N: np.ndarray, length: int = 0, in_front: bool = False) -> Samples:
    """Samples of the temporal stage: each is a clip.

    Args:
        length_N: frames in use of each clip; their features lie one clip after another.
        length: the frames of a sequence, where longer clips are cut; 0: those of the longest clip.
        in_front: whether clips end at the end of their sequences.

    Inputs of K batches are the features' places `[K, B, T]` (0 where there is no frame) and the lengths `[K, B]`.
    """
    first_N = np.cumsum(length_N) - length_N
    steps = sequence_length(length_N, length)
    used_N = np.minimum(length_N, steps)
    frame_NxT = np.arange(steps) - (steps - used_N[:, None] if in_front else 0)
    real_NxT = (frame_NxT >= 0) & (frame_NxT < used_N[:, None])
    row_NxT = np.where(real_NxT, first_N[:, None] + frame_NxT, 0).astype(np.int32)

    def gather(clip_KxB: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return row_NxT[clip_KxB], used_N[clip_KxB].astype(np.int32)

    return Samples(np.arange(len(length_N)), gather)


def sequence_length(length_N: np.ndarray, length: int) -> int:
    """Frames of a sequence: those that a config asks for, or those of the longest clip."""
    return length or int(length_N.max())
