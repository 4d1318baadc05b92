"""The temporal model of the paper's Eqs. 6 and 7: one LSTM per region, then one classifier for all."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int, PRNGKeyArray

from merjax.nn.layers.dropout import dropout
from merjax.nn.layers.recurrent import lstm

_SLOPE = 0.01  # of LeakyReLU


class TemporalClassifier(nn.Module):
    """STF_r = LSTM_r(SF_1(r), ..., SF_N(r)), then FC_K(FC_256(concat STF_r)).

    LeakyReLU (slope 0.01) and dropout follow the LSTMs and FC 256. The LSTMs' parameters are stacked on a leading
    region axis. Input kernels start Glorot uniform, recurrent kernels orthogonal per gate, biases zero but 1 for the
    forget gate (so that early training does not forget); the FC layers start He normal.
    """

    units: int
    classes: int

    @nn.compact
    def __call__(
        self,
        features_BxTxRxD: Float[Array, "B T R D"],
        length_B: Int[Array, "B"],
        region_mask_R: Float[Array, "R"],
        dropout_rates: tuple[Float[Array, ""] | float, Float[Array, ""] | float],
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax.

        Args:
            features_BxTxRxD: spatial features, post-padded in T; the padding's values do not matter.
            length_B: frames of each clip.
            region_mask_R: 1 keeps a region, 0 switches it off (Table 5); may be traced.
            dropout_rates: after the LSTMs and after FC 256 (0.2 and 0.5 in the paper); may be traced.
            key: dropout's randomness; None drops nothing.
        """
        regions, inputs = features_BxTxRxD.shape[2:]
        shape = (regions, inputs, 4 * self.units)
        kernel_x = self.param("kernel_x", nn.initializers.glorot_uniform(batch_axis=0), shape)
        kernel_h = self.param("kernel_h", _orthogonal_gates, (regions, self.units, 4 * self.units))
        bias = self.param("bias", _forget_bias, (regions, 4 * self.units))
        features_RxTxBxD = features_BxTxRxD.transpose(2, 1, 0, 3)
        stf_RxBxH = lstm(kernel_x, kernel_h, bias, features_RxTxBxD, length_B)
        stf_RxBxH = nn.leaky_relu(stf_RxBxH, _SLOPE) * region_mask_R[:, None, None]
        stf_BxD = stf_RxBxH.transpose(1, 0, 2).reshape(len(length_B), -1)
        hidden_BxD = nn.Dense(256, kernel_init=nn.initializers.he_normal(), name="fc256")(
            _drop(stf_BxD, dropout_rates[0], key, 0)
        )
        hidden_BxD = _drop(nn.leaky_relu(hidden_BxD, _SLOPE), dropout_rates[1], key, 1)
        return nn.Dense(self.classes, kernel_init=nn.initializers.he_normal(), name="out")(hidden_BxD)


def _drop(x, rate, key: PRNGKeyArray | None, site: int):
    return x if key is None else dropout(x, rate, jax.random.fold_in(key, site))


def _orthogonal_gates(key: PRNGKeyArray, shape: tuple[int, int, int]) -> Float[Array, "R H G"]:
    regions, units, _ = shape
    gates = nn.initializers.orthogonal(column_axis=-1)
    square = jax.vmap(lambda key: gates(key, (units, units)))(jax.random.split(key, regions * 4))
    return square.reshape(regions, 4, units, units).transpose(0, 2, 1, 3).reshape(shape)


def _forget_bias(key: PRNGKeyArray, shape: tuple[int, int]) -> Float[Array, "R G"]:
    del key
    regions, gates = shape
    return jnp.tile(jnp.repeat(jnp.array([0.0, 1.0, 0.0, 0.0]), gates // 4), (regions, 1))
