"""SSSNet (Varanka, Peng, Zhao 2021), on 64 x 64 flow images, as in the MEB repository (github.com/tvaranka/meb)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.dropout import dropout, map_dropout
from merjax.nn.layers.initialisers import fan_in_uniform
from merjax.nn.layers.normalisation import BatchNorm, normalised
from merjax.nn.layers.pooling import window_max
from merjax.nn.layers.strided import StridedConv


class SSSNet(nn.Module):
    """Conv 5x5x32, ReLU, max-pool 3, batch normalisation; conv 3x3x64, ReLU, max-pool 2, batch normalisation; FC 256, ReLU, FC
    K. Convolutions do not pad, 64 -> 60 -> 20 -> 18 -> 9.

    Pooling comes before normalisation. Dropout of whole maps follows each normalisation, and dropout FC 256. All weights start
    as PyTorch's do.
    """

    classes: int

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "3 64 64 B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax.

        Args:
            x_CxHxWxB: flow images, each channel of each clip stretched to [0, 1].
            weight_B: how much each sample counts in batch normalisation.
            dropout_rate: may be traced.
            key: dropout's randomness. None means inference: nothing is dropped, and the running averages normalise.
        """
        y_CxHxWxB = x_CxHxWxB
        for layer, (maps, size, cell) in enumerate(((32, 5, 3), (64, 3, 2))):
            y_CxHxWxB = StridedConv(maps, size, name=f"conv{maps}")(y_CxHxWxB)
            y_CxHxWxB = window_max(nn.relu(y_CxHxWxB), cell, cell)
            y_CxHxWxB = normalised(BatchNorm(maps, name=f"norm{maps}"), y_CxHxWxB, weight_B, key is not None)
            if key is not None:
                y_CxHxWxB = map_dropout(y_CxHxWxB, dropout_rate, jax.random.fold_in(key, layer))
        y_BxD = nn.relu(_dense(256, "fc256", y_CxHxWxB.reshape(-1, y_CxHxWxB.shape[-1]).T))
        if key is not None:
            y_BxD = dropout(y_BxD, dropout_rate, jax.random.fold_in(key, 2))
        return _dense(self.classes, "fc", y_BxD)


def stretched(x_KxCxHxWxB: Array) -> Float[Array, "K C H W B"]:
    """Each channel of each clip from its own minimum at 0 to its own maximum at 1; a channel of one value becomes 0."""
    x = x_KxCxHxWxB.astype(jnp.float32)
    low, high = (f(x, axis=(2, 3), keepdims=True) for f in (jnp.min, jnp.max))
    return (x - low) / jnp.maximum(high - low, 1)


def _dense(units: int, name: str, x_BxD):
    init = fan_in_uniform(x_BxD.shape[1])
    return nn.Dense(units, kernel_init=init, bias_init=init, name=name)(x_BxD)
