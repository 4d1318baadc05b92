"""The LSTMs of `merjax.nn.layers.recurrent` for accelerators, where small kernels and loops that wait for data cost most.

One scan over a fixed number of frames takes all regions, and all runs that are mapped side by side, through one batched
product and one element-wise kernel per frame. The inputs' part of the gates is computed before it, for all frames in one
product. The scan keeps h and c only: the backward pass makes all gates anew in one product, goes back through the frames, and
gets the weights' gradients as one product after that. A turn of a loop takes several frames, and writes what they give at once.

Nothing depends on the data but values. Frames after a sequence's end are computed and not read: the gradient enters at that
end, so they receive exact zeros. Arrays of all frames are `[R, T, B, ...]`, the order that the products give them, so nothing
is transposed. K is inputs, state and the bias's one (D + H + 1), as in `recurrent`; U the frames of a turn.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from merjax.nn.layers.backend import on_gpu
from merjax.nn.layers.gates import openings, slope

_TURN = 4  # U: more would save few writes more, and make a larger program


def last_states(kernel_RxKx4H, x_RxTxBxD, length_B, gates):
    """h at each sequence's last frame, [R, B, H]; zeros for empty ones.

    Args:
        kernel_RxKx4H: [W_x, W_h, b] along K, times `gates.factors`.
        x_RxTxBxD: sequences; padding must be finite.
        length_B: frames of each, 0 to T.
        gates: the function that stands for sigmoid.
    """
    x_RxTxBxD = jnp.pad(x_RxTxBxD, ((0, 0), (0, -x_RxTxBxD.shape[1] % _TURN), (0, 0), (0, 0)))
    return _last_states(kernel_RxKx4H, x_RxTxBxD, length_B, gates)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _last_states(kernel_RxKx4H, x_RxTxBxD, length_B, gates):
    """`last_states` of sequences that are padded to whole turns."""
    return _forward(kernel_RxKx4H, x_RxTxBxD, length_B, gates)[0]


def _forward(kernel_RxKx4H, x_RxTxBxD, length_B, gates):
    """The last states, and [h, c] of all frames, before the first one zeros."""
    regions, frames, batch, inputs = x_RxTxBxD.shape
    units = kernel_RxKx4H.shape[2] // 4
    kernel_h_RxHx4H, bias_Rx1x4H = kernel_RxKx4H[:, inputs:-1], kernel_RxKx4H[:, -1:]
    from_x_RxTxBx4H = jnp.einsum("rtbd,rdg->rtbg", x_RxTxBxD, kernel_RxKx4H[:, :inputs])

    def frame(h_RxBxH, c_RxBxH, from_x_RxBx4H):
        z_RxBx4H = jnp.einsum("rbh,rhg->rbg", h_RxBxH, kernel_h_RxHx4H) + (from_x_RxBx4H + bias_Rx1x4H)
        i, f, g, o = jnp.split(openings(z_RxBx4H, gates), 4, axis=-1)
        c_RxBxH = (0.5 + 0.5 * f) * c_RxBxH + (0.5 + 0.5 * i) * g
        return (0.5 + 0.5 * o) * jnp.tanh(c_RxBxH), c_RxBxH

    def turn(number, carry):
        h_RxBxH, c_RxBxH, kept_RxTxBx2H = carry
        from_x_RxUxBx4H = _at(from_x_RxTxBx4H, number * _TURN, _TURN)
        states = []
        for u in range(_TURN):
            h_RxBxH, c_RxBxH = frame(h_RxBxH, c_RxBxH, from_x_RxUxBx4H[:, u])
            states.append(jnp.concatenate([h_RxBxH, c_RxBxH], axis=-1))
        return h_RxBxH, c_RxBxH, _put(kept_RxTxBx2H, jnp.stack(states, axis=1), number * _TURN + 1)

    zeros_RxBxH = jnp.zeros((regions, batch, units))
    start = zeros_RxBxH, zeros_RxBxH, jnp.zeros((regions, frames + 1, batch, 2 * units))
    *_, kept_RxTxBx2H = lax.fori_loop(0, frames // _TURN, turn, start)
    last_RxBxH = jnp.take_along_axis(kept_RxTxBx2H, length_B[None, None, :, None], axis=1)[:, 0, :, :units]
    return last_RxBxH, kept_RxTxBx2H


def _last_states_forward(kernel_RxKx4H, x_RxTxBxD, length_B, gates):
    asked_for_dx = x_RxTxBxD.perturbed
    arguments = kernel_RxKx4H.value, x_RxTxBxD.value, length_B.value
    last_RxBxH, kept_RxTxBx2H = _forward(*arguments, gates)
    return last_RxBxH, (arguments, kept_RxTxBx2H, jnp.zeros(()) if asked_for_dx else None)


def _last_states_backward(gates, residuals, dlast_RxBxH):
    (kernel_RxKx4H, x_RxTxBxD, length_B), kept_RxTxBx2H, asked_for_dx = residuals
    frames, inputs, units = x_RxTxBxD.shape[1], x_RxTxBxD.shape[3], dlast_RxBxH.shape[2]
    h_RxTxBxH = kept_RxTxBx2H[:, :-1, :, :units]  # before each frame
    xh1_RxTxBxK = jnp.concatenate([x_RxTxBxD, h_RxTxBxH, jnp.ones_like(x_RxTxBxD[..., :1])], axis=-1)
    gates_RxTxBx4H = openings(jnp.einsum("rtbk,rkg->rtbg", xh1_RxTxBxK, kernel_RxKx4H), gates)
    kernel_h_RxHx4H = kernel_RxKx4H[:, inputs:-1]

    def frame(dh_RxBxH, dc_RxBxH, gates_RxBx4H, c_before_RxBxH, c_RxBxH):
        i, f, g, o = jnp.split(gates_RxBx4H, 4, axis=-1)
        tanh_c_RxBxH = jnp.tanh(c_RxBxH)
        dc_RxBxH = dc_RxBxH + dh_RxBxH * (0.5 + 0.5 * o) * (1 - tanh_c_RxBxH**2)
        through_c = 0.5 * g * slope(i, gates), 0.5 * c_before_RxBxH * slope(f, gates), (0.5 + 0.5 * i) * (1 - g * g)
        dz = [*(gate * dc_RxBxH for gate in through_c), 0.5 * tanh_c_RxBxH * slope(o, gates) * dh_RxBxH]
        dz_RxBx4H, dc_RxBxH = _made_once(jnp.concatenate(dz, axis=-1), dc_RxBxH * (0.5 + 0.5 * f))
        return jnp.einsum("rbg,rhg->rbh", dz_RxBx4H, kernel_h_RxHx4H), dc_RxBxH, dz_RxBx4H

    def turn(back, carry):
        """The gradients of a turn's gates take the place of the gates."""
        dh_RxBxH, dc_RxBxH, gates_then_dz_RxTxBx4H = carry
        first = frames - (back + 1) * _TURN
        gates_RxUxBx4H = _at(gates_then_dz_RxTxBx4H, first, _TURN)
        c_RxUxBxH = _at(kept_RxTxBx2H, first, _TURN + 1)[..., units:]
        dz: list[jax.Array] = []
        for u in reversed(range(_TURN)):
            dh_RxBxH = jnp.where((first + u == length_B - 1)[:, None], dlast_RxBxH, dh_RxBxH)
            own = gates_RxUxBx4H[:, u], c_RxUxBxH[:, u], c_RxUxBxH[:, u + 1]
            dh_RxBxH, dc_RxBxH, dz_RxBx4H = frame(dh_RxBxH, dc_RxBxH, *own)
            dz.insert(0, dz_RxBx4H)
        return dh_RxBxH, dc_RxBxH, _put(gates_then_dz_RxTxBx4H, jnp.stack(dz, axis=1), first)

    start = jnp.zeros_like(dlast_RxBxH), jnp.zeros_like(dlast_RxBxH), gates_RxTxBx4H
    *_, dz_RxTxBx4H = lax.fori_loop(0, frames // _TURN, turn, start)
    dkernel_RxKx4H = jnp.einsum("rtbk,rtbg->rkg", xh1_RxTxBxK, dz_RxTxBx4H)
    if asked_for_dx is None:
        return dkernel_RxKx4H, None, None
    return dkernel_RxKx4H, jnp.einsum("rtbg,rdg->rtbd", dz_RxTxBx4H, kernel_RxKx4H[:, :inputs]), None


_last_states.defvjp(_last_states_forward, _last_states_backward, symbolic_zeros=True)


def _made_once(*arrays):
    """The arrays. For a GPU XLA would make them anew, from all frames of the turn, in each kernel that reads them: 2 GB more
    for 68 runs. A TPU keeps much in its scratch memory, and was not counted with the barrier at its compiler's usual effort."""
    return lax.optimization_barrier(arrays) if on_gpu() else arrays


def _at(of_frames_RxTxBxX, first, count):
    """`count` frames of all runs: under vmap T stays one axis, where JAX would write a gather that looks up `first` for each
    run."""
    return _frames_of(1, count)(of_frames_RxTxBxX, first)


def _put(of_frames_RxTxBxX, own_RxUxBxX, first):
    """The array with the frames from `first` on replaced; as `_at`."""
    return _frames_replaced(1)(of_frames_RxTxBxX, own_RxUxBxX, first)


@functools.cache
def _frames_of(axis, count):
    @custom_vmap
    def frames_of(of_frames, first):
        return lax.dynamic_slice_in_dim(of_frames, first, count, axis)

    @frames_of.def_vmap
    def of_mapped_runs(axis_size, in_batched, of_frames, first):
        del axis_size
        assert in_batched == [True, False], "all runs go through the same frames"
        return _frames_of(axis + 1, count)(of_frames, first), True

    return frames_of


@functools.cache
def _frames_replaced(axis):
    @custom_vmap
    def frames_replaced(of_frames, own, first):
        return lax.dynamic_update_slice_in_dim(of_frames, own, first, axis)

    @frames_replaced.def_vmap
    def of_mapped_runs(axis_size, in_batched, of_frames, own, first):
        assert in_batched[1:] == [True, False], "all runs go through the same frames"
        if not in_batched[0]:
            of_frames = jnp.broadcast_to(of_frames, (axis_size, *of_frames.shape))
        return _frames_replaced(axis + 1)(of_frames, own, first), True

    return frames_replaced
