"""A linear model of all pixels of a flow image: what a network has to beat."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray


class Linear(nn.Module):
    """FC K on the pixels. Trained with cross-entropy, it is multinomial logistic regression, whose loss has one minimum: so it
    starts at zero and draws nothing at random, and seeds differ only in the order of clips."""

    classes: int

    @nn.compact
    def __call__(
        self,
        x_CxHxWxB: Float[Array, "C H W B"],
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of flow images in [-1, 1]; the other arguments are not used."""
        del weight_B, dropout_rate, key
        kernel_CxHxWxK = self.param("kernel", nn.initializers.zeros, (*x_CxHxWxB.shape[:-1], self.classes))
        bias_K = self.param("bias", nn.initializers.zeros, (self.classes,))
        return jnp.einsum("chwb,chwk->bk", x_CxHxWxB, kernel_CxHxWxK) + bias_K
