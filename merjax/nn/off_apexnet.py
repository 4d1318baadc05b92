"""OFF-ApexNet (Liong, Gan, Yau, Huang, Tan 2018): two shallow streams on the two components of onset-to-apex flow."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.conv_layers import ConvReluPool
from merjax.nn.layers.dense import Classifier


class OFFApexNet(nn.Module):
    """Conv 5x5x6, max-pool 2, conv 5x5x16, max-pool 2 per component; then FC 1024, FC 1024, FC K for both together.

    ReLU follows every layer but the last; dropout follows the two large ones. Convolutions keep the size, 28 -> 14 -> 7. He
    initialisation, zero biases.
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
                y_CxHxWxB = ConvReluPool(filters, 5, name=f"{name}_conv{filters}")(y_CxHxWxB)
            streams.append(y_CxHxWxB.reshape(-1, y_CxHxWxB.shape[-1]).T)
        return Classifier(self.classes, layers=2, name="fc")(jnp.concatenate(streams, 1), dropout_rate, key)
