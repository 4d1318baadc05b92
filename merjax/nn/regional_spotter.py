"""A spotter of our own, after the paper's idea: each region's motion by itself first, then all regions together."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.dropout import dropout_at

SCORES = (
    "micro",
    "macro",
    "onset",
    "apex",
    "offset",
)  # of a frame: whether it is in an expression of the kind, or near that
_SPREAD = (1, 2, 4, 8, 16)  # frames between the places that a layer's convolution looks at
_WIDTH = 5  # places
CONTEXT = (_WIDTH // 2) * sum(_SPREAD) + _WIDTH // 2  # frames on either side that have a part in a frame's scores


class OverTime(nn.Module):
    """A convolution of `width` frames that lie `spread` apart, as one matrix product: XLA's own are slow in loops on a CPU, and
    where every run and region has a kernel of its own. It keeps the length; beyond the ends are zeros.

    He's weights, zero biases.
    """

    units: int
    width: int = 1
    spread: int = 1

    @nn.compact
    def __call__(self, x_BxTxC: Float[Array, "B T C"]) -> Float[Array, "B T units"]:
        _, length, channels = x_BxTxC.shape
        kernel = self.param("kernel", nn.initializers.he_normal(), (self.width, channels, self.units))
        bias = self.param("bias", nn.initializers.zeros, (self.units,))
        edge = self.width // 2 * self.spread
        padded = jnp.pad(x_BxTxC, ((0, 0), (edge, edge), (0, 0)))
        taps = [padded[:, i * self.spread : i * self.spread + length] for i in range(self.width)]
        return jnp.concatenate(taps, -1) @ kernel.reshape(-1, self.units) + bias


class RegionMotion(nn.Module):
    """One region's motion over time: convolutions of 5 frames that lie 1, 2, 4, 8 and 16 apart, added to what came before."""

    units: int

    @nn.compact
    def __call__(self, x_BxTxC: Float[Array, "B T C"]) -> Float[Array, "B T units"]:
        y_BxTxD = OverTime(self.units, name="in")(x_BxTxC)
        for spread in _SPREAD:
            y_BxTxD = y_BxTxD + OverTime(self.units, _WIDTH, spread, name=f"spread{spread}")(nn.relu(y_BxTxD))
        return nn.relu(y_BxTxD)


class RegionalSpotter(nn.Module):
    """`RegionMotion` of each of the six regions, whose weights are its own; FC 32 and ReLU on all of them; a convolution of 5
    frames gives the five scores of `SCORES`."""

    units: int = 12

    @nn.compact
    def __call__(
        self,
        motion_BxTxRxC: Float[Array, "B T R C"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B T 5"]:
        """Scores of every frame, before the sigmoid; the first and last `CONTEXT` frames see zeros beyond the ends.

        Args:
            motion_BxTxRxC: the motion of the regions, about -1 to 1.
            dropout_rate: of the regions' output; may be traced.
            key: of the dropout; None means inference.
        """
        regions = nn.vmap(RegionMotion, in_axes=2, out_axes=2, variable_axes={"params": 0}, split_rngs={"params": True})
        y_BxTxRxD = regions(self.units, name="regions")(motion_BxTxRxC)
        y_BxTxD = dropout_at(0, y_BxTxRxD.reshape(*y_BxTxRxD.shape[:2], -1), dropout_rate, key)
        y_BxTxD = nn.relu(OverTime(32, name="together")(y_BxTxD))
        return OverTime(len(SCORES), _WIDTH, name="scores")(y_BxTxD)


def motion_channels(motion_BxTxRxVx2: Float[Array, "B T R V 2"]) -> Float[Array, "B T R C"]:
    """What the spotter sees of each region's V motion vectors: their parts and their lengths, C = 3 V, drawn together where
    they are large, so that a head that turns does not drown a brow that rises."""
    length = jnp.sqrt(jnp.square(motion_BxTxRxVx2).sum(-1, keepdims=True) + 1e-12)
    drawn = jnp.log1p(length) / length
    channels = jnp.concatenate([motion_BxTxRxVx2 * drawn, jnp.log1p(length)], -1)
    return channels.reshape(*channels.shape[:-2], -1)
