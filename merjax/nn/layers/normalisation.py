"""Batch normalisation for runs that must not see all of a batch (Ioffe and Szegedy 2015), and layer normalisation."""

from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float


class Moments(NamedTuple):
    """Mean and (biased) variance of each channel over a batch, and over how many values of a channel they were taken."""

    mean_C: Float[Array, "C"]
    variance_C: Float[Array, "C"]
    values: Float[Array, ""]


def weighted_moments(x_CxHxWxB: Float[Array, "C H W B"], weight_B: Float[Array, "B"]) -> Moments:
    """The moments over the samples of a batch, weighted: a sample of weight 0 counts as absent.

    If all weights are 0, so are the moments.
    """
    _, height, width, _ = x_CxHxWxB.shape
    count = weight_B.sum() * height * width
    share_B = weight_B / jnp.maximum(count, 1e-9)
    mean_C = x_CxHxWxB.sum((1, 2)) @ share_B
    variance_C = jnp.square(x_CxHxWxB - mean_C[:, None, None, None]).sum((1, 2)) @ share_B
    return Moments(mean_C, variance_C, count)


class BatchNorm(nn.Module):
    """Brings each channel to mean 0 and variance 1, then scales and shifts it.

    Conventions are PyTorch's: epsilon 1e-5, and running averages (collection "batch_stats") in which a batch counts a
    tenth, with the unbiased variance. Networks from elsewhere have another epsilon and share.
    """

    channels: int
    epsilon: float = 1e-5
    share: float = 0.1

    def setup(self):
        self.scale = self.param("scale", nn.initializers.ones, (self.channels,))
        self.bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, (self.channels,))
        self.variance = self.variable("batch_stats", "variance", jnp.ones, (self.channels,))

    def __call__(self, x: Float[Array, "C *places"], moments: Moments | None) -> Float[Array, "C *places"]:
        """Normalise by a batch's moments, which also enter the running averages; where they are None, by these averages."""
        mean_C, variance_C = (self.mean.value, self.variance.value) if moments is None else moments[:2]
        if moments is not None and not self.is_initializing():
            unbiased_C = moments.variance_C * moments.values / jnp.maximum(moments.values - 1, 1)
            for average, value_C in ((self.mean, moments.mean_C), (self.variance, unbiased_C)):
                average.value = (1 - self.share) * average.value + self.share * lax.stop_gradient(value_C)
        factor_C = self.scale * lax.rsqrt(variance_C + self.epsilon)
        each = (-1, *[1] * (x.ndim - 1))
        return (x - mean_C.reshape(each)) * factor_C.reshape(each) + self.bias.reshape(each)


def normalised(
    norm: BatchNorm, x: Float[Array, "C *places B"], counted_B: Float[Array, "B"] | None
) -> Float[Array, "C *places B"]:
    """Maps `[C, H, W, B]` or units `[C, B]`, by the batch's moments with these weights; None: by the running averages."""
    maps = x if x.ndim == 4 else x[:, None, None]
    return norm(x, None if counted_B is None else weighted_moments(maps, counted_B))


class LayerNorm(nn.Module):
    """Brings the channels of each place of each sample to mean 0 and variance 1, then scales and shifts each channel."""

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "C H W B"]:
        scale_C, bias_C = (self.param(name, start, x_CxHxWxB.shape[:1]) for name, start in _AFFINE)
        centred_CxHxWxB = x_CxHxWxB - x_CxHxWxB.mean(0)
        y_CxHxWxB = centred_CxHxWxB * lax.rsqrt(jnp.square(centred_CxHxWxB).mean(0) + 1e-5)
        return y_CxHxWxB * scale_C[:, None, None, None] + bias_C[:, None, None, None]


_AFFINE = (("scale", nn.initializers.ones), ("bias", nn.initializers.zeros))
