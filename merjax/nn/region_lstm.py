"""The temporal model of the paper's Eqs. 6 and 7: one LSTM per region, then one classifier for all."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import Initializer
from jaxtyping import Array, Float, Int, PRNGKeyArray

from merjax.nn.layers.dropout import dropout
from merjax.nn.layers.gates import Gates
from merjax.nn.layers.initialisers import Initial
from merjax.nn.layers.recurrent import lstm

_SLOPE = 0.01  # of LeakyReLU


class TemporalForm(NamedTuple):
    """What the temporal model looks like; `merjax.config.TemporalConfig` explains each.

    Attributes:
        gates: of the LSTMs.
        region_gate: whether a gate over regions comes before FC 256.
        initial: the initial weights.
    """

    gates: Gates = "sigmoid"
    region_gate: bool = False
    initial: Initial = "he"


PAPERS_TEMPORAL = TemporalForm()


class _Starts(NamedTuple):
    """Initial weights of the LSTMs' two kernels (of all regions), FC 256, the last layer, and the gate's two layers."""

    kernel_x: Initializer
    kernel_h: Initializer
    fc256: Initializer
    out: Initializer
    gate_in: Initializer
    gate_out: Initializer


class TemporalClassifier(nn.Module):
    """STF_r = LSTM_r(SF_1(r), ..., SF_N(r)), then FC_K(FC_256(concat STF_r)).

    LeakyReLU (slope 0.01) and dropout follow the LSTMs and FC 256. The LSTMs' parameters are stacked on a leading
    region axis. With a gate over regions, FC 256 gets x * sigmoid(FC_D(LeakyReLU(FC_{D/4}(x)))) for the D values x of all
    regions.

    Biases start at zero, but at 1 for the forget gate (so that early training does not forget). With `initial` "he" input
    kernels start Glorot uniform, recurrent kernels orthogonal per gate, FC layers He normal. With "normal" they start as in
    the code published in 2022: input kernels normal of deviation .01, recurrent kernels orthogonal as a whole, FC 256 normal
    of .1, the gate's first layer normal of .01, its second and the last layer Glorot uniform.
    """

    units: int
    classes: int
    form: TemporalForm = PAPERS_TEMPORAL

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
        start = _STARTS[self.form.initial]
        kernel_x = self.param("kernel_x", start.kernel_x, shape)
        kernel_h = self.param("kernel_h", start.kernel_h, (regions, self.units, 4 * self.units))
        bias = self.param("bias", _forget_bias, (regions, 4 * self.units))
        features_RxTxBxD = features_BxTxRxD.transpose(2, 1, 0, 3)
        stf_RxBxH = lstm(kernel_x, kernel_h, bias, features_RxTxBxD, length_B, self.form.gates)
        stf_RxBxH = nn.leaky_relu(stf_RxBxH, _SLOPE) * region_mask_R[:, None, None]
        stf_BxD = stf_RxBxH.transpose(1, 0, 2).reshape(len(length_B), -1)
        stf_BxD = _drop(stf_BxD, dropout_rates[0], key, 0)
        if self.form.region_gate:
            stf_BxD = RegionGate(start.gate_in, start.gate_out, name="gate")(stf_BxD)
        hidden_BxD = nn.Dense(256, kernel_init=start.fc256, name="fc256")(stf_BxD)
        hidden_BxD = _drop(nn.leaky_relu(hidden_BxD, _SLOPE), dropout_rates[1], key, 1)
        return nn.Dense(self.classes, kernel_init=start.out, name="out")(hidden_BxD)


class RegionGate(nn.Module):
    """x * sigmoid(FC_D(LeakyReLU(FC_{D/4}(x)))): each of D values, times how far it is let through."""

    start_in: Initializer
    start_out: Initializer

    @nn.compact
    def __call__(self, x_BxD: Float[Array, "B D"]) -> Float[Array, "B D"]:
        width = x_BxD.shape[1]
        hidden_BxD = nn.leaky_relu(nn.Dense(width // 4, kernel_init=self.start_in, name="fc_in")(x_BxD), _SLOPE)
        return x_BxD * nn.sigmoid(nn.Dense(width, kernel_init=self.start_out, name="fc_out")(hidden_BxD))


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


def _orthogonal_whole(key: PRNGKeyArray, shape: tuple[int, int, int]) -> Float[Array, "R H G"]:
    regions, units, gates = shape
    whole = nn.initializers.orthogonal(column_axis=-1)
    return jax.vmap(lambda key: whole(key, (units, gates)))(jax.random.split(key, regions))


_he, _normal, _glorot = nn.initializers.he_normal(), nn.initializers.normal, nn.initializers.glorot_uniform
_STARTS: dict[Initial, _Starts] = {
    "he": _Starts(_glorot(batch_axis=0), _orthogonal_gates, _he, _he, _he, _he),
    "normal": _Starts(_normal(0.01), _orthogonal_whole, _normal(0.1), _glorot(), _normal(0.01), _glorot()),
}
