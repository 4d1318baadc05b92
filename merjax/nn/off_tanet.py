"""Off-TANet (Zhang, Liu, Zhou 2021): a small residual network with three kinds of attention, on 112 x 112 flow images.

The layers are those of the authors' code. Its "self-attention" mixes no places: each channel's map, a matrix of 14 x 14 like
those of its queries and keys, is multiplied entry by entry with a softmax over all 196 entries of (keys + a fixed code of
positions) under the queries. So values shrink by about 196, which the batch normalisation behind it undoes. The four heads of
seven maps are one layer of 28 maps, since no head touches another.

The code trains on flow in pixels; here each channel of an image is spread over 0 to 1.
"""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.convolution import max_pool
from merjax.nn.layers.dense import dense
from merjax.nn.layers.dropout import dropout_at
from merjax.nn.layers.initialisers import as_pytorch
from merjax.nn.layers.normalisation import BatchNorm, normalised
from merjax.nn.layers.strided import StridedConv


class OffTANet(nn.Module):
    """Conv 7x7x8 with stride 2, ReLU, batch normalisation; two residual blocks of 18 and 28 maps; a block with attention to 8
    maps; FC 64, FC 64, FC K with ReLU and dropout. 112 -> 56 -> 28 -> 14 -> 7. All weights start as PyTorch's do."""

    classes: int

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "3 112 112 B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of flow images in [0, 1]; arguments as `merjax.nn` says."""
        counted_B = None if key is None else weight_B
        y_CxHxWxB = nn.relu(StridedConv(8, 7, 2, (3, 3), name="stem")(x_CxHxWxB))
        y_CxHxWxB = normalised(BatchNorm(8, name="stem_norm"), y_CxHxWxB, counted_B)
        for filters in (18, 28):
            y_CxHxWxB = Residual(filters, name=f"residual{filters}")(y_CxHxWxB, counted_B)
        y_CxHxWxB = Attended(8, name="attended")(y_CxHxWxB, counted_B)
        y_BxD = y_CxHxWxB.reshape(-1, y_CxHxWxB.shape[-1]).T
        for layer in range(2):
            y_BxD = nn.relu(dense(64, y_BxD.shape[1], f"fc{layer}")(y_BxD))
            y_BxD = dropout_at(layer, y_BxD, dropout_rate, key)
        return dense(self.classes, 64, "out")(y_BxD)


class Residual(nn.Module):
    """Twice conv 3x3, batch normalisation, ReLU; plus a 1x1 convolution of the input; max-pool 2."""

    filters: int

    @nn.compact
    def __call__(
        self, x_CxHxWxB: Float[Array, "C H W B"], counted_B: Float[Array, "B"] | None
    ) -> Float[Array, "O h w B"]:
        y_CxHxWxB = conv_norm_relu(self.filters, x_CxHxWxB, counted_B, "1")
        y_CxHxWxB = conv_norm_relu(self.filters, y_CxHxWxB, counted_B, "2")
        return max_pool(y_CxHxWxB + StridedConv(self.filters, 1, name="input")(x_CxHxWxB))


class Attended(nn.Module):
    """Conv 3x3, batch normalisation, ReLU; attention over channels, over places, and of each map to itself; conv 3x3, batch
    normalisation, ReLU; plus a 1x1 convolution of the input; max-pool 2."""

    filters: int

    @nn.compact
    def __call__(
        self, x_CxHxWxB: Float[Array, "C H W B"], counted_B: Float[Array, "B"] | None
    ) -> Float[Array, "O h w B"]:
        channels = len(x_CxHxWxB)
        y_CxHxWxB = conv_norm_relu(channels, x_CxHxWxB, counted_B, "1")
        y_CxHxWxB = y_CxHxWxB * self._channels(y_CxHxWxB)
        means_and_maxima = jnp.stack([y_CxHxWxB.mean(0), y_CxHxWxB.max(0)])
        y_CxHxWxB = y_CxHxWxB * nn.sigmoid(StridedConv(1, 3, 1, (1, 1), bias=False, name="places")(means_and_maxima))
        query, key, value = (StridedConv(channels, 1, name=name)(y_CxHxWxB) for name in ("query", "key", "value"))
        y_CxHxWxB = conv_norm_relu(self.filters, self_attention(query, key, value), counted_B, "2")
        return max_pool(y_CxHxWxB + StridedConv(self.filters, 1, name="input")(x_CxHxWxB))

    def _channels(self, y_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "C 1 1 B"]:
        """How much each channel counts, by its mean and its maximum: 28 -> 1 -> 28 without biases."""
        channels = len(y_CxHxWxB)
        down_C = self.param("channels_down", as_pytorch(channels).kernel, (channels,))
        up_C = self.param("channels_up", as_pytorch(1).kernel, (channels,))
        hidden_B = sum(nn.relu(down_C @ pooled_CxB) for pooled_CxB in (y_CxHxWxB.mean((1, 2)), y_CxHxWxB.max((1, 2))))
        return nn.sigmoid(up_C[:, None] * hidden_B)[:, None, None]


def self_attention(
    query_CxHxWxB: Float[Array, "C H W B"], key_CxHxWxB: Float[Array, "C H W B"], value_CxHxWxB: Float[Array, "C H W B"]
) -> Float[Array, "C H W B"]:
    """softmax(Q K^T + Q P^T) times V, entry by entry, of each channel's square maps Q, K and V; the softmax is over the map."""
    side = query_CxHxWxB.shape[1]
    key_CxHxWxB = key_CxHxWxB + position_code(side)[:, :, None]
    product_CxIxJxB = jnp.einsum("ciwb,cjwb->cijb", query_CxHxWxB, key_CxHxWxB)
    return nn.softmax(product_CxIxJxB, axis=(1, 2)) * value_CxHxWxB


def position_code(side: int) -> Float[np.ndarray, "H W"]:
    """P[i, j] = s(i) + s(j), where s is the sine at even and the cosine at odd lines of 10000^-(floor(i / 2) / side)."""
    line = np.arange(side)
    angle = 10000.0 ** -(line // 2 / side)
    s = np.where(line % 2 == 0, np.sin(angle), np.cos(angle)).astype(np.float32)
    return s[:, None] + s


def conv_norm_relu(
    filters: int, x_CxHxWxB: Float[Array, "C H W B"], counted_B: Float[Array, "B"] | None, name: str
) -> Float[Array, "O H W B"]:
    """Conv 3x3 that keeps the size, batch normalisation, ReLU: the layers `conv{name}` and `norm{name}` of the caller."""
    y_CxHxWxB = StridedConv(filters, 3, 1, (1, 1), name=f"conv{name}")(x_CxHxWxB)
    return nn.relu(normalised(BatchNorm(filters, name=f"norm{name}"), y_CxHxWxB, counted_B))
