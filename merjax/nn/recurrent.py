"""The LSTM of the paper's Eq. 6 over sequences of unequal length.

All four gates go through one tanh (sigmoid(z) = 1/2 + 1/2 tanh(z/2), the inner halves folded into the weights), and the
gradient is written by hand: the gates' local derivatives are formed for all frames at once, so the loops hold little
but the two products with the recurrent kernel, and each weight's gradient is one large product after the loop.

Nothing is masked inside the loops. A state depends on its past only, so the frames behind a sequence's end cannot touch
the state at its end; and its gradient enters there, so what lies behind receives exact zeros.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


def lstm(
    kernel_x_Dx4H: Float[Array, "D G"],
    kernel_h_Hx4H: Float[Array, "H G"],
    bias_4H: Float[Array, "G"],
    x_TxBxD: Float[Array, "T B D"],
    length_B: Int[Array, "B"],
) -> Float[Array, "B H"]:
    """The state h of an LSTM at the last real frame of each sequence.

    With gates (i, f, g, o) = split(x W_x + h W_h + b) in this order along the kernels' columns:
    c = sigmoid(f) c + sigmoid(i) tanh(g), h = sigmoid(o) tanh(c), both zero at first.

    Args:
        kernel_x_Dx4H, kernel_h_Hx4H, bias_4H: W_x, W_h, b; G = 4 H.
        x_TxBxD: sequences, post-padded to T frames; the padding's values do not matter, not even NaN.
        length_B: frames of each sequence, 0 to T; an empty sequence ends in zeros.

    Differentiable in all arguments but `length_B`; the padding's gradient is zero.
    """
    real_TxB = jnp.arange(x_TxBxD.shape[0])[:, None] < length_B
    return _lstm(kernel_x_Dx4H, kernel_h_Hx4H, bias_4H, jnp.where(real_TxB[:, :, None], x_TxBxD, 0), length_B)


def lstm_reference(kernel_x_Dx4H, kernel_h_Hx4H, bias_4H, x_TxBxD, length_B) -> Float[Array, "B H"]:
    """What `lstm` computes, said plainly and differentiated by JAX: a finished sequence keeps its state."""

    def frame(state, inputs):
        h_BxH, c_BxH = state
        t, x_BxD = inputs
        i, f, g, o = jnp.split(x_BxD @ kernel_x_Dx4H + h_BxH @ kernel_h_Hx4H + bias_4H, 4, axis=-1)
        new_c_BxH = jax.nn.sigmoid(f) * c_BxH + jax.nn.sigmoid(i) * jnp.tanh(g)
        new_h_BxH = jax.nn.sigmoid(o) * jnp.tanh(new_c_BxH)
        real_Bx1 = (t < length_B)[:, None]
        return (jnp.where(real_Bx1, new_h_BxH, h_BxH), jnp.where(real_Bx1, new_c_BxH, c_BxH)), None

    zeros_BxH = jnp.zeros((x_TxBxD.shape[1], kernel_h_Hx4H.shape[0]), x_TxBxD.dtype)
    (h_BxH, _), _ = lax.scan(frame, (zeros_BxH, zeros_BxH), (jnp.arange(x_TxBxD.shape[0]), x_TxBxD))
    return h_BxH


@jax.custom_vjp
def _lstm(kernel_x_Dx4H, kernel_h_Hx4H, bias_4H, x_TxBxD, length_B):
    return _lstm_forward(kernel_x_Dx4H, kernel_h_Hx4H, bias_4H, x_TxBxD, length_B)[0]


def _lstm_forward(kernel_x_Dx4H, kernel_h_Hx4H, bias_4H, x_TxBxD, length_B):
    units = kernel_h_Hx4H.shape[0]
    scale_4H = _scale(units)
    z_TxBx4H = lax.optimization_barrier(x_TxBxD @ (kernel_x_Dx4H * scale_4H) + bias_4H * scale_4H)
    kernel_Hx4H = lax.optimization_barrier(kernel_h_Hx4H * scale_4H)

    def frame(state, z_Bx4H):
        h_BxH, c_BxH = state
        gates_Bx4H = lax.optimization_barrier(jnp.tanh(z_Bx4H + lax.optimization_barrier(h_BxH @ kernel_Hx4H)))
        i, f, g, o = jnp.split(gates_Bx4H, 4, axis=-1)
        new_c_BxH = lax.optimization_barrier((0.5 + 0.5 * f) * c_BxH + (0.5 + 0.5 * i) * g)
        tanh_c_BxH = lax.optimization_barrier(jnp.tanh(new_c_BxH))
        return ((0.5 + 0.5 * o) * tanh_c_BxH, new_c_BxH), (gates_Bx4H, c_BxH, tanh_c_BxH)

    zeros_BxH = jnp.zeros((x_TxBxD.shape[1], units), x_TxBxD.dtype)
    _, (gates_TxBx4H, c_TxBxH, tanh_c_TxBxH) = lax.scan(frame, (zeros_BxH, zeros_BxH), z_TxBx4H)
    h_TxBxH = (0.5 + 0.5 * gates_TxBx4H[..., 3 * units :]) * tanh_c_TxBxH
    last_BxH = jnp.take_along_axis(h_TxBxH, jnp.maximum(length_B - 1, 0)[None, :, None], axis=0)[0]
    last_BxH = jnp.where((length_B > 0)[:, None], last_BxH, 0)
    # h follows from what is saved, one multiplication later; saving less makes the loop shorter.
    residuals = (kernel_x_Dx4H, kernel_h_Hx4H, x_TxBxD, length_B, gates_TxBx4H, c_TxBxH, tanh_c_TxBxH, h_TxBxH)
    return last_BxH, residuals


def _lstm_backward(residuals, dlast_BxH):
    kernel_x_Dx4H, kernel_h_Hx4H, x_TxBxD, length_B, gates_TxBx4H, c_TxBxH, tanh_c_TxBxH, h_TxBxH = residuals
    frames, batch, units = h_TxBxH.shape
    scale_4H = _scale(units)
    dz_dc_TxBx3xH, dz_dh_TxBxH, dc_dh_TxBxH, forget_TxBxH = lax.optimization_barrier(
        _derivatives(gates_TxBx4H, c_TxBxH, tanh_c_TxBxH)
    )
    ends_TxBx1 = (jnp.arange(frames)[:, None] == length_B - 1)[:, :, None]
    kernel_4HxH = lax.optimization_barrier((kernel_h_Hx4H * scale_4H).T)

    def frame(state, inputs):
        dh_BxH, dc_BxH = state
        dz_dc_Bx3xH, dz_dh_BxH, dc_dh_BxH, forget_BxH, ends_Bx1 = inputs
        dh_BxH = jnp.where(ends_Bx1, dlast_BxH, dh_BxH)
        dc_BxH = lax.optimization_barrier(dc_BxH + dh_BxH * dc_dh_BxH)
        dz_Bx4xH = jnp.concatenate([dz_dc_Bx3xH * dc_BxH[:, None], (dz_dh_BxH * dh_BxH)[:, None]], axis=1)
        dz_Bx4H = lax.optimization_barrier(dz_Bx4xH.reshape(batch, -1))
        return (lax.optimization_barrier(dz_Bx4H @ kernel_4HxH), dc_BxH * forget_BxH), dz_Bx4H

    zeros_BxH = jnp.zeros_like(dlast_BxH)
    inputs = (dz_dc_TxBx3xH, dz_dh_TxBxH, dc_dh_TxBxH, forget_TxBxH, ends_TxBx1)
    _, dz_TxBx4H = lax.scan(frame, (zeros_BxH, zeros_BxH), inputs, reverse=True)
    before_TxBxH = jnp.concatenate([zeros_BxH[None], h_TxBxH[:-1]])
    over_time_and_batch = (((0, 1), (0, 1)), ((), ()))
    dkernel_x_Dx4H = lax.dot_general(x_TxBxD, dz_TxBx4H, over_time_and_batch) * scale_4H
    dkernel_h_Hx4H = lax.dot_general(before_TxBxH, dz_TxBx4H, over_time_and_batch) * scale_4H
    dx_TxBxD = dz_TxBx4H @ (kernel_x_Dx4H * scale_4H).T
    return dkernel_x_Dx4H, dkernel_h_Hx4H, dz_TxBx4H.sum((0, 1)) * scale_4H, dx_TxBxD, None


def _derivatives(gates_TxBx4H, c_TxBxH, tanh_c_TxBxH):
    """Of all frames at once: of z by way of c (gates i, f, g) and by way of h (gate o), of c by h, of c by the next c.

    With s = 1/2 + 1/2 tanh(z/2), ds = 1/2 (1 - tanh(z/2)^2) dz/2; the inner 1/2 is in the scaled weights.
    """
    i, f, g, o = jnp.split(gates_TxBx4H, 4, axis=-1)
    dz_dc_TxBx3xH = jnp.stack(
        [0.5 * g * (1 - i * i), 0.5 * c_TxBxH * (1 - f * f), (0.5 + 0.5 * i) * (1 - g * g)], axis=2
    )
    return dz_dc_TxBx3xH, 0.5 * tanh_c_TxBxH * (1 - o * o), (0.5 + 0.5 * o) * (1 - tanh_c_TxBxH**2), 0.5 + 0.5 * f


_lstm.defvjp(_lstm_forward, _lstm_backward)


def _scale(units):
    """Halves for the sigmoid gates i, f and o, one for g."""
    return jnp.repeat(jnp.array([0.5, 0.5, 1.0, 0.5]), units)
