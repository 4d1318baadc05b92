"""Attention without parameters of its own: where in an image the classes' own weights find something."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def attention(y_CxHxWxB: Float[Array, "C H W B"], kernel_CxHxWxK: Float[Array, "C H W K"]) -> Float[Array, "H W B"]:
    """How much the classes find at each place of an image: class-activation maps, stretched to [0, 1], averaged.

    A map that is the same everywhere becomes 0; in the published code of the RCN family it becomes 0 / 0.
    """
    map_KxHxWxB = jnp.einsum("chwb,chwk->khwb", y_CxHxWxB, kernel_CxHxWxK)
    low, high = (f(map_KxHxWxB, axis=(1, 2), keepdims=True) for f in (jnp.min, jnp.max))
    return ((map_KxHxWxB - low) / jnp.maximum(high - low, 1e-9)).mean(0)
