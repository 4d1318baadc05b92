"""HTNet (Wang, Zhang, Luo, Sankaranarayana 2024): a hierarchical transformer on four crops of a flow image.

As in the code that its authors published (github.com/wangzhifengharrison/HTNet), every attention is over one token: its blocks
hold one patch each. The softmax of one score is 1 whatever the queries and keys are, so these have a gradient of exactly 0 and
no effect, and are left out here. What is left of an attention is its values and its output, two linear layers. Published counts
of parameters include queries and keys: `queries_and_keys` of them.
"""

from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.dense import dense
from merjax.nn.layers.normalisation import LayerNorm
from merjax.nn.layers.pooling import window_max
from merjax.nn.layers.strided import StridedConv

PATCH, HEADS = 7, 3
_SHALLOW = 2  # layers of the first two levels


class HTNet(nn.Module):
    """Patches of 7 x 7 pixels, linear to `dim`; three levels of 2, 2 and `repeats` layers with `dim`, 2 `dim` and 4 `dim`
    channels and 3, 6 and 12 heads, joined by conv 3x3, layer normalisation and max-pool 3/2; layer normalisation, FC K.
    28 -> 4 -> 2 -> 1 places.

    A layer adds the attention of its normalised input to it, then two 1x1 convolutions with GELU between them (4 times as
    many channels). A level begins by adding one learnt number. All weights start as PyTorch's do, that number normal.
    """

    classes: int
    dim: int = 56
    repeats: int = 10

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "3 28 28 B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of mosaics of flow images with the images' own values, 0 to 255.

        The other arguments are not used: no sample touches another, and the published network drops nothing.
        """
        del weight_B, dropout_rate, key
        y_CxHxWxB = StridedConv(self.dim, 1, name="patches")(patches(x_CxHxWxB))
        for level, layers in enumerate((_SHALLOW, _SHALLOW, self.repeats)):
            channels = self.dim * 2**level
            y_CxHxWxB = y_CxHxWxB + self.param(f"position{level}", nn.initializers.normal(1.0), (1,))
            for layer in range(layers):
                y_CxHxWxB = Layer(HEADS * 2**level, name=f"level{level}_{layer}")(y_CxHxWxB)
            if level < 2:
                y_CxHxWxB = StridedConv(2 * channels, 3, 1, (1, 1), name=f"join{level}")(y_CxHxWxB)
                y_CxHxWxB = window_max(LayerNorm(name=f"join{level}_norm")(y_CxHxWxB), 3, 2, 1)
        y_CxB = LayerNorm(name="norm")(y_CxHxWxB).mean((1, 2))
        return dense(self.classes, len(y_CxB), "fc")(y_CxB.T)


class Layer(nn.Module):
    """One layer of a level, on maps `[C, h, w, B]`: what is left of its attention, and two 1x1 convolutions."""

    heads: int

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C h w B"]) -> Float[Array, "C h w B"]:
        channels = len(x_CxHxWxB)
        values = StridedConv(channels // self.heads * self.heads, 1, bias=False, name="values")
        x_CxHxWxB += StridedConv(channels, 1, name="out")(values(LayerNorm(name="norm_attention")(x_CxHxWxB)))
        wide_CxHxWxB = StridedConv(4 * channels, 1, name="widen")(LayerNorm(name="norm_widen")(x_CxHxWxB))
        return x_CxHxWxB + StridedConv(channels, 1, name="narrow")(nn.gelu(wide_CxHxWxB, approximate=False))


def patches(x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "D h w B"]:
    """The pixels of each patch of 7 x 7, in the order row, column, channel."""
    channels, height, width, batch = x_CxHxWxB.shape
    x = x_CxHxWxB.reshape(channels, height // PATCH, PATCH, width // PATCH, PATCH, batch)
    return x.transpose(2, 4, 0, 1, 3, 5).reshape(-1, height // PATCH, width // PATCH, batch)


def queries_and_keys(dim: int, repeats: int) -> int:
    """How many weights the published network has besides, in the queries and keys of its attentions."""
    levels = ((dim * 2**level, HEADS * 2**level) for level in range(3))
    each = [2 * channels * (channels // heads * heads) for channels, heads in levels]
    return sum(layers * weights for layers, weights in zip((_SHALLOW, _SHALLOW, repeats), each, strict=True))
