"""The network that merjax called RCN-A before it had that of the authors' code (`merjax.nn.rcn`), for its results and models.

It was written from the paper (Xia, Peng, Khor, Zhao 2020) alone and differs in five points: its convolutions all keep the
size; its recurrent layer has no batch normalisation, as in the paper that introduced such layers (Liang and Hu 2015); the layer
adds what it finds in its state to what the 1x1 convolution finds in its input, instead of convolving the sum of input and
state; the attention looks at the last map, with weights that it does not train; and weights start in another way.
"""

import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.class_attention import attention
from merjax.nn.layers.conv_layers import Conv
from merjax.nn.layers.convolution import max_pool
from merjax.nn.layers.dropout import dropout_at
from merjax.nn.layers.initialisers import as_pytorch
from merjax.nn.layers.normalisation import BatchNorm, normalised

_FILTERS, _ROUNDS = 64, 2


class RCNAMerjax(nn.Module):
    """Conv 5x5x64, batch normalisation, ReLU, max-pool 2; a recurrent layer, max-pool 2; attention, FC K. 28 -> 14 -> 7.

    In each of two rounds, the recurrent layer adds the same 3x3 convolution of its own state to a 1x1 convolution of its
    input and applies ReLU. The attention weighs every place by how much the classes' own weights find there: each class's
    map is stretched to [0, 1], and the maps are averaged. Dropout follows each pooling. Convolutions keep the size. He
    initialisation, zero biases; the last layer starts as PyTorch's do.
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
        """Scores before the softmax, of flow images in [0, 1]; arguments as `merjax.nn` says."""
        y_CxHxWxB = Conv(_FILTERS, 5, name="conv")(x_CxHxWxB)
        counted_B = None if key is None else weight_B
        y_CxHxWxB = nn.relu(normalised(BatchNorm(_FILTERS, name="norm"), y_CxHxWxB, counted_B))
        y_CxHxWxB = dropout_at(0, max_pool(y_CxHxWxB), dropout_rate, key)
        forward_CxHxWxB = Conv(_FILTERS, 1, name="feed_forward")(y_CxHxWxB)
        again = Conv(_FILTERS, 3, name="recurrent")
        y_CxHxWxB = nn.relu(forward_CxHxWxB)
        for _ in range(_ROUNDS):
            y_CxHxWxB = nn.relu(forward_CxHxWxB + again(y_CxHxWxB))
        y_CxHxWxB = dropout_at(1, max_pool(y_CxHxWxB), dropout_rate, key)
        start = as_pytorch(y_CxHxWxB[..., 0].size)
        kernel_CxHxWxK = self.param("kernel", start.kernel, (*y_CxHxWxB.shape[:-1], self.classes))
        bias_K = self.param("bias", start.bias, (self.classes,))
        y_CxHxWxB = y_CxHxWxB * attention(y_CxHxWxB, lax.stop_gradient(kernel_CxHxWxK))
        return jnp.einsum("chwb,chwk->bk", y_CxHxWxB, kernel_CxHxWxK) + bias_K
