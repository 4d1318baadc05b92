"""The losses of the paper's Sec. 3.2."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def focal_loss(
    logits_BxK: Float[Array, "B K"],
    label_B: Int[Array, "B"],
    alpha_K: Float[Array, "K"],
    gamma: Float[Array, ""] | float,
) -> Float[Array, "B"]:
    """The focal loss -alpha (1 - p)^gamma log p of the true class's softmax probability p (Eq. 5).

    Args:
        logits_BxK: scores before the softmax; -inf switches a class off (it must not be a label).
        label_B: the true class of each sample.
        alpha_K: a weight per class.
        gamma: the focusing parameter, >= 0, may be traced. 0 gives the cross-entropy.

    Returns: one loss per sample; weighting and averaging are the caller's.
    """
    log_p_B = jnp.take_along_axis(jax.nn.log_softmax(logits_BxK), label_B[:, None], axis=1)[:, 0]
    # (1 - p)^gamma through logarithms would be 0 * inf at p = 1; power's own derivative is inf there for gamma < 1.
    missing_B = -jnp.expm1(log_p_B)
    certain_B = missing_B <= 0
    focus_B = jnp.where(certain_B, jnp.where(gamma == 0, 1.0, 0.0), jnp.where(certain_B, 1.0, missing_B) ** gamma)
    return -alpha_K[label_B] * focus_B * log_p_B


def alpha_inverse_frequency(count_K: Int[Array, "K"] | Float[Array, "K"]) -> Float[Array, "K"]:
    """Class weights by inverse frequency (Sec. 3.2), scaled to mean 1 over the classes that occur.

    A class without samples gets 0: it is never a label of the counted set, and a stray one must not dominate the loss.
    """
    present_K = count_K > 0
    inverse_K = jnp.where(present_K, 1.0 / jnp.maximum(count_K, 1), 0.0)
    return inverse_K * (present_K.sum() / jnp.maximum(inverse_K.sum(), jnp.finfo(inverse_K.dtype).tiny))
