"""The losses of the paper's Sec. 3.2, that of its successor's temporal stage, and the focal loss of each class by itself."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

Loss = Literal["focal", "binary focal"]


def focal_loss(
    logits_BxK: Float[Array, "B K"],
    label_B: Int[Array, "B"],
    alpha_K: Float[Array | np.ndarray, "K"],
    gamma: Float[Array, ""] | np.float32 | float,
    smoothing: Float[Array, ""] | np.float32 | float = 0.0,
) -> Float[Array, "B"]:
    """The focal loss -sum_i alpha_i y_i (1 - p_i)^gamma log p_i of the softmax probabilities p (Eq. 5).

    Args:
        logits_BxK: scores before the softmax; -inf switches a class off (it must not be a label).
        label_B: the true class of each sample.
        alpha_K: a weight per class.
        gamma: the focusing parameter, >= 0, may be traced. 0 gives the cross-entropy (Eq. 4).
        smoothing: the share of y that is spread evenly over all classes, may be traced. 0 is the paper's one-hot y.

    Returns: one loss per sample; weighting and averaging are the caller's.
    """
    live_BxK = logits_BxK > -jnp.inf
    log_p_BxK = jnp.where(live_BxK, jax.nn.log_softmax(logits_BxK), 0)
    missing_BxK = -jnp.expm1(log_p_BxK)
    # 0 ** gamma has no finite derivative for gamma < 1, so a probability of one is set apart.
    certain_BxK = missing_BxK <= 0
    power_BxK = jnp.where(certain_BxK, 1, missing_BxK) ** gamma
    focus_BxK = jnp.where(certain_BxK & (gamma > 0), 0, power_BxK)
    y_BxK = jax.nn.one_hot(label_B, logits_BxK.shape[1])
    y_BxK = (1 - smoothing) * y_BxK + smoothing * live_BxK / live_BxK.sum(1, keepdims=True)
    return -(alpha_K * y_BxK * focus_BxK * log_p_BxK).sum(1)


def binary_focal_loss(
    logits_BxK: Float[Array, "B K"],
    label_B: Int[Array, "B"],
    alpha_K: Float[Array | np.ndarray, "K"],
    gamma: Float[Array, ""] | np.float32 | float,
    smoothing: Float[Array, ""] | np.float32 | float = 0.0,
) -> Float[Array, "B"]:
    """The focal loss of each class against all others, summed over the classes of the softmax: -alpha_label sum_i [y_i
    (1 - p_i)^gamma log p_i + (1 - y_i) p_i^gamma log(1 - p_i)], as in the code published in 2022 (without alpha).

    log(1 - p_i) is taken from the other classes' scores, so it stays finite where p_i rounds to 1.

    Args:
        logits_BxK, label_B, gamma, smoothing: as for `focal_loss`; all scores are finite.
        alpha_K: a weight per class, of the samples that have it.

    Returns: one loss per sample.
    """
    classes = logits_BxK.shape[1]
    log_p_BxK = jax.nn.log_softmax(logits_BxK)
    others_BxKxK = jnp.where(jnp.eye(classes, dtype=bool), -jnp.inf, log_p_BxK[:, None])
    log_rest_BxK = jax.nn.logsumexp(others_BxKxK, axis=2)
    y_BxK = jax.nn.one_hot(label_B, classes)
    y_BxK = (1 - smoothing) * y_BxK + smoothing / classes
    # exp(gamma log x) is x ** gamma, and has a finite derivative where x is 0
    hit_BxK = y_BxK * jnp.exp(gamma * log_rest_BxK) * log_p_BxK
    miss_BxK = (1 - y_BxK) * jnp.exp(gamma * log_p_BxK) * log_rest_BxK
    return -jnp.asarray(alpha_K)[label_B] * (hit_BxK + miss_BxK).sum(1)


def several_focal_loss(
    logits_BxK: Float[Array, "B K"],
    label_B: Int[Array, "B"],
    alpha_Kx2: Float[Array | np.ndarray, "K 2"],
    gamma: Float[Array, ""] | np.float32 | float,
    smoothing: Float[Array, ""] | np.float32 | float = 0.0,
) -> Float[Array, "B"]:
    """The focal loss of samples that may have several classes or none: the mean over classes of -alpha (1 - p)^gamma log p,
    where p is the probability of the truth about the class by a sigmoid of its own (Lin et al. 2017, Eq. 5).

    Args:
        logits_BxK: scores before the sigmoid; -inf switches a class off, which then does not count.
        label_B: the classes of each sample, as the sum of 2**k over their numbers k.
        alpha_Kx2: a weight per class, for samples without it and for those with it.
        gamma: the focusing parameter, >= 0, may be traced. 0 gives the binary cross-entropy.
        smoothing: the share of the truth that is spread evenly over having the class and not.

    Returns: one loss per sample.
    """
    live_BxK = logits_BxK > -jnp.inf
    logits_BxK = jnp.where(live_BxK, logits_BxK, 0)
    log_with_BxK, log_without_BxK = jax.nn.log_sigmoid(logits_BxK), jax.nn.log_sigmoid(-logits_BxK)
    y_BxK = (label_B[:, None] >> jnp.arange(logits_BxK.shape[1])) & 1
    y_BxK = (1 - smoothing) * y_BxK + smoothing / 2
    alpha_Kx2 = jnp.asarray(alpha_Kx2)
    # exp(gamma log x) is x ** gamma, and has a finite derivative where x is 0
    with_BxK = alpha_Kx2[:, 1] * y_BxK * jnp.exp(gamma * log_without_BxK) * log_with_BxK
    without_BxK = alpha_Kx2[:, 0] * (1 - y_BxK) * jnp.exp(gamma * log_with_BxK) * log_without_BxK
    return -(live_BxK * (with_BxK + without_BxK)).sum(1) / jnp.maximum(live_BxK.sum(1), 1)


def is_right(logits_BxK: Float[Array, "B K"], label_B: Int[Array, "B"]) -> Bool[Array, "B"]:
    """Whether the likeliest class is the true one."""
    return logits_BxK.argmax(-1) == label_B


def several_right(logits_BxK: Float[Array, "B K"], label_B: Int[Array, "B"]) -> Float[Array, "B"]:
    """The share of its classes about which each sample is answered right; see `several_focal_loss`."""
    live_BxK = logits_BxK > -jnp.inf
    y_BxK = (label_B[:, None] >> jnp.arange(logits_BxK.shape[1])) & 1
    return (live_BxK & ((logits_BxK > 0) == y_BxK)).sum(1) / jnp.maximum(live_BxK.sum(1), 1)
