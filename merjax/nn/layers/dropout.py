"""Dropout with a traced rate: rates are hyper-parameters that runs are vmapped over."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.backend import on_cpu

_STEPS = 2**16


def dropout(x: Float[Array, "*shape"], rate: Float[Array, ""] | float, key: PRNGKeyArray) -> Float[Array, "*shape"]:
    """Zero each element with probability `rate` and scale the rest so that the expectation stays.

    The rate is rounded to a multiple of 2**-16. Rate 0 returns x itself, bit by bit; rate 1 returns zeros.
    """
    threshold = jnp.round(jnp.asarray(rate, jnp.float32) * _STEPS)
    bits = _bits(key, x.shape)
    if on_cpu():  # where XLA would draw them again wherever they are used, the gradient included
        bits = jax.lax.optimization_barrier(bits)
    kept = jnp.asarray(bits, jnp.float32) >= threshold
    scale = _STEPS / jnp.maximum(_STEPS - threshold, 1)
    return jnp.where(kept, x * scale.astype(x.dtype), 0)


def dropout_at(
    site: int, x: Float[Array, "*shape"], rate: Float[Array, ""] | float, key: PRNGKeyArray | None
) -> Float[Array, "*shape"]:
    """Dropout at one of a network's sites, which share the network's key; without a key (inference) x itself."""
    return x if key is None else dropout(x, rate, jax.random.fold_in(key, site))


def map_dropout(
    x_CxHxWxB: Float[Array, "C H W B"], rate: Float[Array, ""] | float, key: PRNGKeyArray
) -> Float[Array, "C H W B"]:
    """Dropout of whole maps: all places of a channel of a sample are zeroed together."""
    channels, _, _, batch = x_CxHxWxB.shape
    return x_CxHxWxB * dropout(jnp.ones((channels, batch), x_CxHxWxB.dtype), rate, key)[:, None, None]


def _bits(key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
    """Sixteen random bits per element; drawn as 32-bit words, since drawing uint16 costs a whole word each."""
    size = math.prod(shape)
    words = jax.random.bits(key, ((size + 1) // 2,), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:size].reshape(shape)
