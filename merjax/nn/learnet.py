"""LEARNet (Verma, Vipparthi, Singh, Murala 2020): four convolutional paths that exchange their maps, on dynamic images.

The layers and Keras's initial weights are those of the authors' code, whose convolutions all have stride 2: those of 1 x 1 look
at every fourth place only. The code has no training, so how to train it is a choice (sweeps/learnet.yaml).
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.dropout import dropout
from merjax.nn.layers.initialisers import as_keras
from merjax.nn.layers.normalisation import BatchNorm, weighted_moments
from merjax.nn.layers.strided import StridedConv

SIDE = 112
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
        """Scores before the softmax.

        Args:
            x_CxHxWxB: dynamic images in [0, 1].
            weight_B: how much each sample counts in batch normalisation.
            dropout_rate: may be traced.
            key: dropout's randomness. None means inference: nothing is dropped, and the running averages normalise.
        """
        counted_B = None if key is None else weight_B
        x_CxHxWxB = _halved(16, 3, x_CxHxWxB, "stem")
        ends = []
        for plain, adding in ((1, 2), (3, 4)):
            ends += _two_paths(x_CxHxWxB, counted_B, plain, adding)
        y_CxHxWxB = _normalised(jnp.concatenate(ends), counted_B, "norm")
        y_CxHxWxB = _halved(256, 3, y_CxHxWxB, "conv")
        start = as_keras(0)
        y_BxD = y_CxHxWxB.reshape(-1, y_CxHxWxB.shape[-1]).T
        y_BxD = nn.relu(nn.Dense(256, kernel_init=start.kernel, name="fc")(y_BxD))
        if key is not None:
            y_BxD = dropout(y_BxD, dropout_rate, jax.random.fold_in(key, 0))
        return nn.Dense(self.classes, kernel_init=start.kernel, name="out")(y_BxD)


def _two_paths(
    x_CxHxWxB: Float[Array, "C H W B"], weight_B: Float[Array, "B"] | None, plain: int, adding: int
) -> list[Float[Array, "64 h w B"]]:
    """The ends of a plain path and of one that adds the plain one's maps to its own, called by their two numbers."""
    plain_CxHxWxB = adding_CxHxWxB = x_CxHxWxB
    for step, (filters, size) in enumerate(_MAPS, 1):
        plain_CxHxWxB = _halved(filters, size, plain_CxHxWxB, f"path{plain}_{step}")
        adding_CxHxWxB = _halved(filters, size, adding_CxHxWxB, f"path{adding}_{step}")
        if step < len(_MAPS):
            adding_CxHxWxB = _normalised(plain_CxHxWxB + adding_CxHxWxB, weight_B, f"norm{adding}_{step}")
    return [plain_CxHxWxB, adding_CxHxWxB]


def _halved(filters: int, size: int, x_CxHxWxB: Float[Array, "C H W B"], name: str) -> Float[Array, "O h w B"]:
    """Convolution with stride 2 and ReLU; what Keras calls "same" puts the odd line of zeros at the end."""
    lines = x_CxHxWxB.shape[1]
    zeros = max((-(-lines // 2) - 1) * 2 + size - lines, 0)
    padding = (zeros // 2, zeros - zeros // 2)
    return nn.relu(StridedConv(filters, size, 2, padding, start=as_keras, name=name)(x_CxHxWxB))


def _normalised(
    y_CxHxWxB: Float[Array, "C H W B"], weight_B: Float[Array, "B"] | None, name: str
) -> Float[Array, "C H W B"]:
    moments = None if weight_B is None else weighted_moments(y_CxHxWxB, weight_B)
    return BatchNorm(len(y_CxHxWxB), _EPSILON, _SHARE, name=name)(y_CxHxWxB, moments)
