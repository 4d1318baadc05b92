"""Initial weights, as in the libraries and the code that networks were published with."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray


class LayerStart(NamedTuple):
    """The initial weights and biases of a layer."""

    kernel: nn.initializers.Initializer
    bias: nn.initializers.Initializer


def as_pytorch(fan_in: int) -> LayerStart:
    """PyTorch's defaults for a layer whose outputs have `fan_in` inputs: uniform within 1 / sqrt(fan_in) of zero."""

    def uniform(key: PRNGKeyArray, shape: tuple[int, ...], dtype=jnp.float32) -> Float[Array, "..."]:
        return jax.random.uniform(key, shape, dtype, -(fan_in**-0.5), fan_in**-0.5)

    return LayerStart(uniform, uniform)


def as_keras(fan_in: int) -> LayerStart:
    """Keras's defaults: Glorot's uniform weights, zero biases."""
    del fan_in
    return LayerStart(nn.initializers.glorot_uniform(), nn.initializers.zeros)


class Start(NamedTuple):
    """The initial weights of a network's convolutions, of its FC layers and of the last of these; all biases start at 0."""

    convolution: nn.initializers.Initializer
    dense: nn.initializers.Initializer
    last: nn.initializers.Initializer


_he = nn.initializers.he_normal()

# "he" is merjax's own; "normal" is that of the code published in 2022 for the successor of the paper
Initial = Literal["he", "normal"]
STARTS: dict[Initial, Start] = {
    "he": Start(_he, _he, _he),
    "normal": Start(nn.initializers.normal(0.1), nn.initializers.normal(0.01), nn.initializers.glorot_uniform()),
}
