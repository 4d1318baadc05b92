"""Fully connected layers of flow networks."""

from collections.abc import Callable

from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.dropout import dropout_at
from merjax.nn.layers.initialisers import LayerStart, as_pytorch


def dense(units: int, inputs: int, name: str, start: Callable[[int], LayerStart] = as_pytorch) -> nn.Dense:
    """FC `units` for so many inputs, with the initial weights and biases that `start` gives for them."""
    kernel, bias = start(inputs)
    return nn.Dense(units, kernel_init=kernel, bias_init=bias, name=name)


class Classifier(nn.Module):
    """`layers` layers of 1024 units, each with ReLU and dropout, then FC K. He initialisation, zero biases."""

    classes: int
    layers: int

    @nn.compact
    def __call__(
        self, x_BxD: Float[Array, "B D"], dropout_rate: Float[Array, ""] | float, key: PRNGKeyArray | None
    ) -> Float[Array, "B K"]:
        for layer in range(self.layers):
            x_BxD = nn.relu(nn.Dense(1024, kernel_init=nn.initializers.he_normal())(x_BxD))
            x_BxD = dropout_at(layer, x_BxD, dropout_rate, key)
        return nn.Dense(self.classes, kernel_init=nn.initializers.he_normal())(x_BxD)
