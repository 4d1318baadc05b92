"""Convolutions as flax modules; images are `[C, H, W, B]`."""

from flax import linen as nn
from flax.linen.initializers import Initializer
from jaxtyping import Array, Float

from merjax.nn.layers.cells import Pooling
from merjax.nn.layers.convolution import conv_relu_pool, convolve
from merjax.nn.layers.convolution_runs import EXACT, Computing, Pixels

_he = nn.initializers.he_normal()


class Conv(nn.Module):
    """A convolution that keeps the size (odd `size`, SAME), with bias: [C, H, W, B] -> [O, H, W, B]. Zero biases."""

    filters: int
    size: int
    initial: Initializer = _he

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "O H W B"]:
        shape = (self.size, self.size, x_CxHxWxB.shape[0], self.filters)
        kernel_HWIO = self.param("kernel", self.initial, shape)
        bias_O = self.param("bias", nn.initializers.zeros, (self.filters,))
        return convolve(x_CxHxWxB, kernel_HWIO) + bias_O[:, None, None, None]


class ConvReluPool(nn.Module):
    """MP(Conv) with a ReLU between them: `filters` filters of `size` x `size`. Zero biases."""

    filters: int
    size: int
    pooling: Pooling = "floor"
    initial: Initializer = _he
    computing: Computing = EXACT

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C H W B"] | Pixels) -> Float[Array, "O h w B"]:
        kernel_HWIO = self.param("kernel", self.initial, (self.size, self.size, x_CxHxWxB.shape[0], self.filters))
        bias_O = self.param("bias", nn.initializers.zeros, (self.filters,))
        return conv_relu_pool(x_CxHxWxB, kernel_HWIO, bias_O, self.pooling, self.computing)
