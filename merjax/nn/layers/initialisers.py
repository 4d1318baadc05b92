"""The initial weights of flow networks, as in the libraries that they were published with."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray


def fan_in_uniform(fan_in: int) -> nn.initializers.Initializer:
    """Uniform within 1 / sqrt(fan_in) of zero, as PyTorch starts both kernels and biases."""

    def init(key: PRNGKeyArray, shape: tuple[int, ...], dtype=jnp.float32) -> Float[Array, "..."]:
        return jax.random.uniform(key, shape, dtype, -(fan_in**-0.5), fan_in**-0.5)

    return init
