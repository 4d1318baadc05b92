"""The gates of LSTMs as one function of all four sums, and its slopes.

All four gates go through one tanh (sigmoid(z) = 1/2 + 1/2 tanh(z/2), the inner halves folded into the weights); a hard sigmoid
is 1/2 + 1/2 clip(2 z/5, -1, 1). So the gates i, f and o are kept as y of 1/2 + 1/2 y, and g as it is.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# How a gate's sum z becomes its opening: 1 / (1 + exp(-z)), or the straight line 0.2 z + 0.5 cut off at 0 and 1, which was
# TensorFlow's default for LSTMs until 2019.
Gates = Literal["sigmoid", "hard sigmoid"]


def factors(gates: Gates, units: int) -> Float[Array, "G"]:
    """What the columns of an LSTM's weights (gates i, f, g, o of `units` units each) are multiplied by before `openings`."""
    half = 0.5 if gates == "sigmoid" else 0.4
    return jnp.repeat(jnp.array([half, half, 1.0, half]), units)  # of the sigmoid gates i, f and o


def openings(z: Float[Array, "*rows G"], gates: Gates) -> Float[Array, "*rows G"]:
    """tanh of every sum; with hard sigmoids, those of i, f and o cut off at -1 and 1."""
    if gates == "sigmoid":
        return jnp.tanh(z)
    g_4H = np.repeat([False, False, True, False], z.shape[-1] // 4)
    return jnp.where(g_4H, jnp.tanh(z), jnp.clip(z, -1, 1))


def slope(y: Float[Array, "*rows H"], gates: Gates) -> Float[Array, "*rows H"]:
    """The slope of `openings` in i, f and o, where they give y."""
    return 1 - y * y if gates == "sigmoid" else (jnp.abs(y) < 1).astype(y.dtype)
