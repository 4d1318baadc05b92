"""The fully connected end of several flow networks."""

import jax
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.dropout import dropout


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
            if key is not None:
                x_BxD = dropout(x_BxD, dropout_rate, jax.random.fold_in(key, layer))
        return nn.Dense(self.classes, kernel_init=nn.initializers.he_normal())(x_BxD)
