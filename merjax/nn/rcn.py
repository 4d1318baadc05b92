"""The RCN family (Xia, Peng, Khor, Feng, Zhao 2020): recurrent convolutional networks on three-channel flow images.

They are as in the code that the authors published (github.com/xiazhaoqiang/ParameterFreeRCNs-MicroExpressionRec): A adds an
attention without parameters to a recurrent block, S has denser connections in the block, W a wider first layer; P, C and F were
found by a search over these parts. That code cannot construct P and F (the first line of each names a class that does not
exist), so their published scores come from other code; here they are what is written in their bodies. Layers that it makes and
never calls are left out, which changes the number of parameters and nothing else: at 64 maps S has 55,747 of the 92,803 that
its code counts, P and C 52,675 of 131,075.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.class_attention import attention
from merjax.nn.layers.convolution import max_pool
from merjax.nn.layers.dropout import dropout_at
from merjax.nn.layers.initialisers import LayerStart, as_pytorch
from merjax.nn.layers.normalisation import BatchNorm, normalised
from merjax.nn.layers.pooling import adaptive_average, nearest, window_max
from merjax.nn.layers.strided import StridedConv

FLAWS = ("second stream twice",)


class Form(NamedTuple):
    """How a network of the family is put together.

    Attributes:
        head: its first layer: "narrow", one convolution 5x5 without padding; "wide", three of 3x3 in steps of three pixels
            that look one, two and three pixels far; "pair", two of 3x3 that look one and three pixels far.
        dense: whether the block adds all of its earlier states; else the block's input alone.
        attention: what the attention looks at: nothing, the "first" layer's maps (it then weighs the last ones), the "input"
            (it weighs the first layer's), or the "block"'s input (it weighs the block's 1x1 convolution).
    """

    head: Literal["narrow", "wide", "pair"]
    dense: bool
    attention: Literal["", "first", "input", "block"]


FORMS = {
    "rcn_a": Form("narrow", False, "first"),
    "rcn_s": Form("narrow", True, ""),
    "rcn_w": Form("wide", False, ""),
    "rcn_p": Form("pair", True, "first"),
    "rcn_c": Form("wide", True, "input"),
    "rcn_f": Form("wide", True, "block"),
}


class RCN(nn.Module):
    """A first layer, a block of a 1x1 convolution and a 3x3 convolution that is applied twice (dense: three times) with the
    same weights, max-pool 2, average-pool to `pool` x `pool` cells, FC K. 28 -> 12 (wide, pair: 10) -> 6 (5).

    Dropout follows each max-pool and the first layer. In the wide heads ReLU comes before batch normalisation, elsewhere after
    it. The attention weighs every place by how much the classes' own weights find there; gradients reach these weights through
    it. Where a map has fewer pixels than cells, the average repeats them, as at 28 x 28 with the 7 x 7 cells of the script's
    defaults. Convolutions start as He's by their outputs, their biases as PyTorch's; the last layer normal of deviation .01.

    Attributes:
        classes: K.
        form: one of `FORMS`.
        maps: of every layer, a multiple of 4.
        pool: cells along a side of the last map.
        flaws: "second stream twice": F's third convolution is not used, and its second one stands in its place, normalised
            and dropped out twice, as in the published code.
    """

    classes: int
    form: Form
    maps: int = 64
    pool: int = 7
    flaws: tuple[str, ...] = ()

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "3 H W B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of flow images in [0, 1]; arguments as `merjax.nn` says."""
        shape = (self.maps, self.pool, self.pool, self.classes)
        kernel_CxHxWxK = self.param("kernel", nn.initializers.normal(0.01), shape)
        bias_K = self.param("bias", nn.initializers.zeros, (self.classes,))
        counted_B = None if key is None else weight_B
        head = Head(self.maps, self.form.head, self.flaws, name="head")
        y_CxHxWxB = head(x_CxHxWxB, counted_B, dropout_rate, key)
        if self.form.attention == "input":
            # averages over channels fit whatever number of them a picture has
            seen = attention(self._cells(x_CxHxWxB.mean(0, keepdims=True)), kernel_CxHxWxK.mean(0, keepdims=True))
            y_CxHxWxB = y_CxHxWxB * nearest(seen, *y_CxHxWxB.shape[1:3])
        if self.form.attention in ("first", "block"):
            seen = attention(self._cells(y_CxHxWxB), kernel_CxHxWxK)
        within = nearest(seen, *y_CxHxWxB.shape[1:3]) if self.form.attention == "block" else None
        block = Block(self.maps, self.form.dense, name="block")
        y_CxHxWxB = self._cells(dropout_at(9, max_pool(block(y_CxHxWxB, within, counted_B)), dropout_rate, key))
        if self.form.attention == "first":
            y_CxHxWxB = y_CxHxWxB * seen
        return jnp.einsum("chwb,chwk->bk", y_CxHxWxB, kernel_CxHxWxK) + bias_K

    def _cells(self, y_CxHxWxB):
        return adaptive_average(y_CxHxWxB, self.pool)


class Head(nn.Module):
    """The first layer of the family, see `Form`: [3, H, W, B] -> [maps, h, w, B]."""

    maps: int
    kind: Literal["narrow", "wide", "pair"]
    flaws: tuple[str, ...]

    @nn.compact
    def __call__(self, x_CxHxWxB, counted_B, dropout_rate, key):
        half, quarter = self.maps // 2, self.maps // 4
        if self.kind == "narrow":
            y_CxHxWxB = _conv(self.maps, 5, "conv", padding=0)(x_CxHxWxB)
            y_CxHxWxB = nn.relu(normalised(BatchNorm(self.maps, name="norm"), y_CxHxWxB, counted_B))
            return dropout_at(0, max_pool(y_CxHxWxB), dropout_rate, key)
        if self.kind == "wide":
            layers = [
                (_conv(maps, 3, f"conv{i}", stride=3, padding=i, dilation=i), BatchNorm(maps, name=f"norm{i}"))
                for i, maps in ((1, half), (2, quarter), (3, quarter))
            ]
            if "second stream twice" in self.flaws:
                layers[2] = layers[1]
        else:
            layers = [(_conv(half, 3, f"conv{i}", dilation=i), BatchNorm(half, name=f"norm{i}")) for i in (1, 3)]
        streams = []
        for site, (conv, norm) in enumerate(layers):
            y_CxHxWxB = normalised(norm, nn.relu(conv(x_CxHxWxB)), counted_B)
            y_CxHxWxB = window_max(y_CxHxWxB, 3, 3, 1) if self.kind == "pair" else y_CxHxWxB
            streams.append(dropout_at(site, y_CxHxWxB, dropout_rate, key))
        return jnp.concatenate(streams)


class Block(nn.Module):
    """The recurrent or dense block before its pooling: [maps, h, w, B] -> [maps, h, w, B].

    y = relu(norm(conv1(x))), weighed by an attention if there is one; then again and again c(x + y), where c is one
    convolution 3x3 with batch normalisation and ReLU; dense, all earlier states are added. Each use of c moves its running
    averages.
    """

    maps: int
    dense: bool

    @nn.compact
    def __call__(self, x_CxHxWxB, within_HxWxB, counted_B):
        conv, norm = _conv(self.maps, 3, "recurrent"), BatchNorm(self.maps, name="recurrent_norm")
        forward = _conv(self.maps, 1, "forward")(x_CxHxWxB)
        y_CxHxWxB = nn.relu(normalised(BatchNorm(self.maps, name="forward_norm"), forward, counted_B))
        if within_HxWxB is not None:
            y_CxHxWxB = y_CxHxWxB * within_HxWxB
        total_CxHxWxB = x_CxHxWxB
        for _ in range(3 if self.dense else 2):
            sum_CxHxWxB = total_CxHxWxB + y_CxHxWxB
            y_CxHxWxB = nn.relu(normalised(norm, conv(sum_CxHxWxB), counted_B))
            total_CxHxWxB = sum_CxHxWxB if self.dense else x_CxHxWxB
        return y_CxHxWxB


def _conv(
    maps: int, size: int, name: str, stride: int = 1, padding: int | None = None, dilation: int = 1
) -> StridedConv:
    """A `padding` of None keeps the size."""
    edge = dilation * (size // 2) if padding is None else padding
    return StridedConv(maps, size, stride, (edge, edge), dilation, start=_start, name=name)


def _start(fan_in: int) -> LayerStart:
    """As the published code's: He's by the outputs, and PyTorch's biases."""
    return LayerStart(nn.initializers.variance_scaling(2.0, "fan_out", "normal"), as_pytorch(fan_in).bias)
