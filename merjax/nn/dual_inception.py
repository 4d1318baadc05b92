"""Dual-Inception (Zhou, Mao, Xue 2019): two streams of inception blocks on the two components of flow."""

import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.conv_layers import Conv, ConvReluPool
from merjax.nn.layers.dense import Classifier


class InceptionPool(nn.Module):
    """Four branches side by side, then a 2x2 max-pool: 1x1; 1x1 and 3x3; 1x1 and 5x5; max-pool 3x3 and 1x1.

    Every convolution has the same number of filters and a ReLU.
    """

    filters: int

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "O h w B"]:
        nearby_CxHxWxB = lax.reduce_window(x_CxHxWxB, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
        # pooling the branches pools their concatenation
        branches = [ConvReluPool(self.filters, 1, name="conv1")(x_CxHxWxB)]
        for size in (3, 5):
            reduced_CxHxWxB = nn.relu(Conv(self.filters, 1, name=f"reduce{size}")(x_CxHxWxB))
            branches.append(ConvReluPool(self.filters, size, name=f"conv{size}")(reduced_CxHxWxB))
        branches.append(ConvReluPool(self.filters, 1, name="after_pool")(nearby_CxHxWxB))
        return jnp.concatenate(branches)


class DualInception(nn.Module):
    """Two inception blocks per component, with 6 and 16 filters a branch, 28 -> 14 -> 7; then FC 1024 and FC K for both.

    ReLU follows every layer but the last; dropout follows FC 1024. He initialisation, zero biases.
    """

    classes: int

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "C 28 28 B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of the channels u and v of flow images in [0, 1]; arguments as `merjax.nn` says."""
        del weight_B
        streams = []
        for component, name in enumerate("uv"):
            y_CxHxWxB = x_CxHxWxB[component : component + 1]
            for filters in (6, 16):
                y_CxHxWxB = InceptionPool(filters, name=f"{name}_inception{filters}")(y_CxHxWxB)
            streams.append(y_CxHxWxB.reshape(-1, y_CxHxWxB.shape[-1]).T)
        return Classifier(self.classes, layers=1, name="fc")(jnp.concatenate(streams, 1), dropout_rate, key)
