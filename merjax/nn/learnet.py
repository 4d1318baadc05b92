"""LEARNet (Verma, Vipparthi, Singh, Murala 2020): four convolutional paths that exchange their maps, on dynamic images.

The layers and Keras's initial weights are those of the authors' code, whose convolutions all have stride 2: those of 1 x 1 look
at every fourth place only. The code has no training, so how to train it is a choice (sweeps/learnet.yaml).
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.dense import dense
from merjax.nn.layers.dropout import dropout_at
from merjax.nn.layers.initialisers import as_keras
from merjax.nn.layers.normalisation import BatchNorm, normalised
from merjax.nn.layers.strided import StridedConv

_MAPS = ((16, 1), (32, 3), (64, 5))  # filters and size of a path's convolutions
_EPSILON, _SHARE = 1e-3, 0.01  # of batch normalisation in Keras


class LEARNet(nn.Module):
    """Conv 3x3x16; four paths of conv 1x1x16, 3x3x32, 5x5x64; their 256 maps together, conv 3x3x256, FC 256, FC K.
    112 -> 56 -> 28 -> 14 -> 7 -> 4.

    The second and the fourth path add the maps of the path before them to their own after their first two convolutions, and
    normalise the sums; the 256 maps are normalised too. ReLU follows every layer but the last, dropout the FC layer.
    """

    classes: int

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "3 112 112 B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of dynamic images in [0, 1]; arguments as `merjax.nn` says."""
        counted_B = None if key is None else weight_B
        x_CxHxWxB = _halved(16, 3, x_CxHxWxB, "stem")
        ends = []
        for plain, adding in ((1, 2), (3, 4)):
            ends += _two_paths(x_CxHxWxB, counted_B, plain, adding)
        y_CxHxWxB = normalised(_norm("norm", 256), jnp.concatenate(ends), counted_B)
        y_CxHxWxB = _halved(256, 3, y_CxHxWxB, "conv")
        y_BxD = y_CxHxWxB.reshape(-1, y_CxHxWxB.shape[-1]).T
        y_BxD = nn.relu(dense(256, y_BxD.shape[1], "fc", as_keras)(y_BxD))
        return dense(self.classes, 256, "out", as_keras)(dropout_at(0, y_BxD, dropout_rate, key))


def _two_paths(
    x_CxHxWxB: Float[Array, "C H W B"], counted_B: Float[Array, "B"] | None, plain: int, adding: int
) -> list[Float[Array, "64 h w B"]]:
    """The ends of a plain path and of one that adds the plain one's maps to its own, called by their two numbers."""
    plain_CxHxWxB = adding_CxHxWxB = x_CxHxWxB
    for step, (filters, size) in enumerate(_MAPS, 1):
        plain_CxHxWxB = _halved(filters, size, plain_CxHxWxB, f"path{plain}_{step}")
        adding_CxHxWxB = _halved(filters, size, adding_CxHxWxB, f"path{adding}_{step}")
        if step < len(_MAPS):
            norm = _norm(f"norm{adding}_{step}", filters)
            adding_CxHxWxB = normalised(norm, plain_CxHxWxB + adding_CxHxWxB, counted_B)
    return [plain_CxHxWxB, adding_CxHxWxB]


def _halved(filters: int, size: int, x_CxHxWxB: Float[Array, "C H W B"], name: str) -> Float[Array, "O h w B"]:
    """Convolution with stride 2 and ReLU; what Keras calls "same" puts the odd line of zeros at the end."""
    lines = x_CxHxWxB.shape[1]
    zeros = max((-(-lines // 2) - 1) * 2 + size - lines, 0)
    padding = (zeros // 2, zeros - zeros // 2)
    return nn.relu(StridedConv(filters, size, 2, padding, start=as_keras, name=name)(x_CxHxWxB))


def _norm(name: str, channels: int) -> BatchNorm:
    return BatchNorm(channels, _EPSILON, _SHARE, name=name)
