"""SSSNet (Varanka, Peng, Zhao 2021), on 64 x 64 flow images, as in the MEB repository (github.com/tvaranka/meb)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.dense import dense
from merjax.nn.layers.dropout import dropout_at, map_dropout
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
        """Scores before the softmax, of what `stretched` gives; arguments as `merjax.nn` says."""
        counted_B = None if key is None else weight_B
        y_CxHxWxB = x_CxHxWxB
        for layer, (maps, size, cell) in enumerate(((32, 5, 3), (64, 3, 2))):
            y_CxHxWxB = StridedConv(maps, size, name=f"conv{maps}")(y_CxHxWxB)
            y_CxHxWxB = window_max(nn.relu(y_CxHxWxB), cell, cell)
            y_CxHxWxB = normalised(BatchNorm(maps, name=f"norm{maps}"), y_CxHxWxB, counted_B)
            if key is not None:
                y_CxHxWxB = map_dropout(y_CxHxWxB, dropout_rate, jax.random.fold_in(key, layer))
        y_BxD = y_CxHxWxB.reshape(-1, y_CxHxWxB.shape[-1]).T
        y_BxD = nn.relu(dense(256, y_BxD.shape[1], "fc256")(y_BxD))
        return dense(self.classes, 256, "fc")(dropout_at(2, y_BxD, dropout_rate, key))


def stretched(x_KxCxHxWxB: Array) -> Float[Array, "K C H W B"]:
    """Each channel of each clip from its own minimum at 0 to its own maximum at 1; a channel of one value becomes 0."""
    x = x_KxCxHxWxB.astype(jnp.float32)
    low, high = (f(x, axis=(2, 3), keepdims=True) for f in (jnp.min, jnp.max))
    return (x - low) / jnp.maximum(high - low, 1)
