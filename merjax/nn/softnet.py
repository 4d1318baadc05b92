"""SOFTNet (Liong, See and Wong 2021): three shallow streams on the flow of a video from one frame to another, for spotting."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from merjax.nn.layers.conv_layers import Conv
from merjax.nn.layers.dense import dense
from merjax.nn.layers.initialisers import as_keras

SIDE = 42  # pixels of its pictures
_FILTERS = (3, 5, 8)  # of the streams of u, v and optical strain
_POOL = 6  # pixels: max-pooling of 3 x 3 and then of 2 x 2, with nothing between them; ReLU may as well follow it


class SOFTNet(nn.Module):
    """Conv 5x5 with 3, 5 and 8 filters and ReLU on u, v and optical strain; max-pool 3, max-pool 2; FC 400, ReLU; FC 1.

    Convolutions keep the size, 42 -> 14 -> 7. Glorot's uniform weights and zero biases, as Keras has them.
    """

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "3 42 42 B"]) -> Float[Array, "B"]:
        """How much of an expression there is in each window, about 0 to 1: a regression without a bound.

        Args:
            x_CxHxWxB: u, v and optical strain in [0, 1].
        """
        streams = []
        for channel, filters in enumerate(_FILTERS):
            stream = Conv(filters, 5, initial=as_keras(0).kernel, name=f"conv{filters}")
            streams.append(nn.relu(_largest(stream(x_CxHxWxB[channel : channel + 1]))))
        y_OxHxWxB = jnp.concatenate(streams)
        y_BxD = y_OxHxWxB.reshape(-1, y_OxHxWxB.shape[-1]).T
        y_BxD = nn.relu(dense(400, y_BxD.shape[1], "fc", as_keras)(y_BxD))
        return dense(1, 400, "score", as_keras)(y_BxD)[:, 0]


def _largest(y_OxHxWxB: Float[Array, "O H W B"]) -> Float[Array, "O h w B"]:
    """The maximum of each block; equal values share the gradient."""
    maps, height, width, batch = y_OxHxWxB.shape
    return y_OxHxWxB.reshape(maps, height // _POOL, _POOL, width // _POOL, _POOL, batch).max((2, 4))
