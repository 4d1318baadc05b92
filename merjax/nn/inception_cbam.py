"""Inception blocks with batch normalisation and CBAM: the flow branch of IncepTR (Zhou, Huang, Xu 2023), and Dual-ATME (Zhou,
Huang, Li, Wang 2023), on 28 x 28 flow images.

IncepTR has a transformer on the picture beside this branch; it is left out here, and so is a 1x1 convolution of 12,544 weights
that its code makes and never calls. Dual-ATME has two branches, for the flow picture and for a picture that is put together
from regions of interest of it. How the latter is made was not published, so both branches see the flow picture here.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.convolution import max_pool
from merjax.nn.layers.dense import dense
from merjax.nn.layers.dropout import dropout_at
from merjax.nn.layers.normalisation import BatchNorm, normalised
from merjax.nn.layers.pooling import window_max
from merjax.nn.layers.strided import StridedConv

_REDUCED, _SHRUNK = 6, 16  # maps before the 3x3 and 5x5 convolutions; how much narrower CBAM's hidden layer is
_FILTERS = (6, 12)  # of each of the four branches of the two blocks
_ALIKE = 0.01  # weight of the loss that draws Dual-ATME's branches to one another


class InceptionCBAM(nn.Module):
    """Two inception blocks of 24 and 48 maps, max-pool 2, CBAM; FC 1024, batch normalisation, ReLU, dropout, FC K.
    28 -> 28 -> 14. All weights start as PyTorch's do."""

    classes: int

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "3 28 28 B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of flow images in [-1, 1]; arguments as `merjax.nn` says."""
        counted_B = None if key is None else weight_B
        y_CxHxWxB = x_CxHxWxB
        for filters in _FILTERS:
            y_CxHxWxB = Inception(filters, name=f"inception{filters}")(y_CxHxWxB, counted_B)
        y_CxHxWxB = CBAM(name="cbam")(max_pool(y_CxHxWxB))
        return Tail(self.classes, name="fc")(_flat(y_CxHxWxB), counted_B, dropout_rate, key)


class DualATME(nn.Module):
    """Two branches of inception block 24, max-pool 2, inception block 48, max-pool 2, and one CBAM for both; then together FC
    1024, batch normalisation, ReLU, dropout, FC K. 28 -> 14 -> 7. All weights start as PyTorch's do.

    The loss has a part that draws the branches to one another: .01 (1 - the cosine between their outputs). CBAM sits on both
    branches, as in the code; the paper draws it on one.
    """

    classes: int

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "3 28 28 B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of flow images in [-1, 1]; arguments as `merjax.nn` says."""
        counted_B = None if key is None else weight_B
        cbam, branches = CBAM(name="cbam"), []
        for branch in range(2):
            y_CxHxWxB = x_CxHxWxB
            for filters in _FILTERS:
                block = Inception(filters, name=f"branch{branch}_inception{filters}")
                y_CxHxWxB = max_pool(block(y_CxHxWxB, counted_B))
            branches.append(_flat(cbam(y_CxHxWxB)))
        self.sow("losses", "alike", _ALIKE * (1 - _cosine(*branches)))
        return Tail(self.classes, name="fc")(jnp.concatenate(branches), counted_B, dropout_rate, key)


class Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; 1x1 and 5x5; max-pool 3x3 and 1x1. Batch normalisation and ReLU follow
    every convolution."""

    filters: int

    @nn.compact
    def __call__(self, x_CxHxWxB, counted_B):
        def conv(y_CxHxWxB, maps, size, name):
            y_CxHxWxB = StridedConv(maps, size, 1, (size // 2, size // 2), name=name)(y_CxHxWxB)
            return nn.relu(normalised(BatchNorm(maps, name=f"{name}_norm"), y_CxHxWxB, counted_B))

        branches = [conv(x_CxHxWxB, self.filters, 1, "conv1")]
        for size in (3, 5):
            reduced_CxHxWxB = conv(x_CxHxWxB, _REDUCED, 1, f"reduce{size}")
            branches.append(conv(reduced_CxHxWxB, self.filters, size, f"conv{size}"))
        branches.append(conv(window_max(x_CxHxWxB, 3, 1, 1), self.filters, 1, "after_pool"))
        return jnp.concatenate(branches)


class CBAM(nn.Module):
    """Attention to channels, by one hidden layer on their means and on their maxima, then to places, by a convolution 3x3 of
    the channels' mean and maximum (Woo, Park, Lee, Kweon 2018)."""

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "C H W B"]:
        channels = len(x_CxHxWxB)
        shrunk = channels // _SHRUNK
        narrow, widen = dense(shrunk, channels, "narrow"), dense(channels, shrunk, "widen")
        channel_BxC = sum(widen(nn.relu(narrow(f(x_CxHxWxB, axis=(1, 2)).T))) for f in (jnp.mean, jnp.max))
        x_CxHxWxB = x_CxHxWxB * nn.sigmoid(channel_BxC).T[:, None, None]
        seen_2xHxWxB = jnp.stack([x_CxHxWxB.mean(0), x_CxHxWxB.max(0)])
        return x_CxHxWxB * nn.sigmoid(StridedConv(1, 3, 1, (1, 1), name="places")(seen_2xHxWxB))


class Tail(nn.Module):
    """FC 1024, batch normalisation, ReLU, dropout, FC K, on features `[D, B]`."""

    classes: int

    @nn.compact
    def __call__(self, x_DxB, counted_B, dropout_rate, key):
        y_DxB = dense(1024, len(x_DxB), "hidden")(x_DxB.T).T
        y_DxB = nn.relu(normalised(BatchNorm(1024, name="norm"), y_DxB, counted_B))
        return dense(self.classes, 1024, "out")(dropout_at(0, y_DxB, dropout_rate, key).T)


def _flat(y_CxHxWxB):
    return y_CxHxWxB.reshape(-1, y_CxHxWxB.shape[-1])


def _cosine(a_DxB, b_DxB):
    lengths_B = jnp.sqrt(jnp.square(a_DxB).sum(0) * jnp.square(b_DxB).sum(0))
    return (a_DxB * b_DxB).sum(0) / jnp.maximum(lengths_B, 1e-8)
