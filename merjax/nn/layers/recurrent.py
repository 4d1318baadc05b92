"""The LSTMs of the paper's Eq. 6 over sequences of unequal length, one per region.

Inputs, state and bias go through one product, and the gradient is written by hand. Accelerators take the form of
`merjax.nn.layers.recurrent_scan`; this is a CPU's. There the products take two thirds of the time; the rest is saved in memory
and in padding:

- What the backward pass needs is written once, in place, into arrays of all regions and frames. The backward pass reads
  them frame by frame. The gates' gradients stay in the cache: every few frames they are added to the weights' gradient.
- Sequences are sorted, longest first, and the loop goes on with three, two and one quarter of them once the others have
  ended. It ends with the batch's longest sequence.

Nothing is masked inside the loops. A state depends on its past only, so the frames after a sequence's end cannot change
the state at its end. The gradient enters at that end, so the frames after it receive exact zeros. A loop may therefore run
longer than it must; runs that are mapped side by side all run as long as the longest of them, so that they share one loop.

In names, K is inputs, state and the bias's one (D + H + 1), n the sequences still running, S the frames of a block, M a
block's frames of n sequences. The barriers keep XLA from fusing element-wise work into the products (see
`merjax.system.jax_setup`).
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float, Int

from merjax.nn.layers.backend import on_cpu
from merjax.nn.layers.gates import Gates, factors, openings, slope
from merjax.nn.layers.recurrent_scan import last_states

_BLOCK = 8  # frames whose gates' gradients go into the weights' gradient together


def lstm(
    kernel_x_RxDx4H: Float[Array, "R D G"],
    kernel_h_RxHx4H: Float[Array, "R H G"],
    bias_Rx4H: Float[Array, "R G"],
    x_RxTxBxD: Float[Array, "R T B D"],
    length_B: Int[Array, "B"],
    gates: Gates = "sigmoid",
) -> Float[Array, "R B H"]:
    """The state h of R LSTMs at the last real frame of each sequence.

    Each with gates (i, f, g, o) = split(x W_x + h W_h + b) in this order along the kernels' columns:
    c = sigmoid(f) c + sigmoid(i) tanh(g), h = sigmoid(o) tanh(c), both zero at first.

    Args:
        kernel_x_RxDx4H, kernel_h_RxHx4H, bias_Rx4H: W_x, W_h, b; G = 4 H.
        x_RxTxBxD: sequences, post-padded to T frames; the padding's values do not matter, not even NaN.
        length_B: frames of each sequence, the same for all R, 0 to T. An empty sequence ends in zeros; a length above T
            gives NaN.
        gates: the function that stands for sigmoid.

    All in float32. Differentiable once, in reverse mode, in all arguments but `length_B`; the padding's gradient is zero.
    """
    units, frames = kernel_h_RxHx4H.shape[1], x_RxTxBxD.shape[1]
    said_B = jnp.asarray(length_B).astype(int)
    length_B = jnp.clip(said_B, 0, frames)
    kernel_RxKx4H = jnp.concatenate([kernel_x_RxDx4H, kernel_h_RxHx4H, bias_Rx4H[:, None]], axis=1)
    kernel_RxKx4H = kernel_RxKx4H * factors(gates, units)
    real_TxB = jnp.arange(frames)[:, None] < length_B
    x_RxTxBxD = jnp.where(real_TxB[:, :, None], x_RxTxBxD, 0)
    last = _last_states_in_phases if on_cpu() else last_states
    return jnp.where((said_B <= frames)[:, None], last(kernel_RxKx4H, x_RxTxBxD, length_B, gates), jnp.nan)


def lstm_reference(
    kernel_x_RxDx4H, kernel_h_RxHx4H, bias_Rx4H, x_RxTxBxD, length_B, gates: Gates = "sigmoid"
) -> Float[Array, "R B H"]:
    """What `lstm` computes, written plainly and differentiated by JAX: a finished sequence keeps its state."""
    sigmoid = jax.nn.sigmoid if gates == "sigmoid" else lambda z: jnp.clip(0.2 * z + 0.5, 0, 1)

    def region(kernel_x_Dx4H, kernel_h_Hx4H, bias_4H, x_TxBxD):
        def frame(state, inputs):
            h_BxH, c_BxH = state
            t, x_BxD = inputs
            i, f, g, o = jnp.split(x_BxD @ kernel_x_Dx4H + h_BxH @ kernel_h_Hx4H + bias_4H, 4, axis=-1)
            new_c_BxH = sigmoid(f) * c_BxH + sigmoid(i) * jnp.tanh(g)
            new_h_BxH = sigmoid(o) * jnp.tanh(new_c_BxH)
            real_Bx1 = (t < length_B)[:, None]
            return (jnp.where(real_Bx1, new_h_BxH, h_BxH), jnp.where(real_Bx1, new_c_BxH, c_BxH)), None

        zeros_BxH = jnp.zeros((x_TxBxD.shape[1], kernel_h_Hx4H.shape[0]), x_TxBxD.dtype)
        (h_BxH, _), _ = lax.scan(frame, (zeros_BxH, zeros_BxH), (jnp.arange(x_TxBxD.shape[0]), x_TxBxD))
        return h_BxH

    return jax.vmap(region)(kernel_x_RxDx4H, kernel_h_RxHx4H, bias_Rx4H, x_RxTxBxD)


def _last_states_in_phases(kernel_RxKx4H, x_RxTxBxD, length_B, gates):
    """The last states of sequences in any order and of any number of frames."""
    longest_first_B = jnp.argsort(length_B, descending=True)
    x_RxTxBxD = jnp.pad(x_RxTxBxD[:, :, longest_first_B], ((0, 0), (0, -x_RxTxBxD.shape[1] % _BLOCK), (0, 0), (0, 0)))
    return _lstm(kernel_RxKx4H, x_RxTxBxD, length_B[longest_first_B], gates)[:, jnp.argsort(longest_first_B)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _lstm(kernel_RxKx4H, x_RxTxBxD, length_B, gates):
    """`lstm` of sequences sorted longest first and padded to whole blocks, whose sigmoids' weights are halved."""
    return _forward(kernel_RxKx4H, x_RxTxBxD, length_B, (), gates)[0]


def _lstm_forward(kernel_RxKx4H, x_RxTxBxD, length_B, gates):
    asked_for_dx = x_RxTxBxD.perturbed  # features are data to the method, and XLA would not drop it from the loops
    kernel_RxKx4H, x_RxTxBxD, length_B = kernel_RxKx4H.value, x_RxTxBxD.value, length_B.value
    width, four_units = kernel_RxKx4H.shape[1:]
    # of x, h and 1; the gates; c before; tanh c. Zeros where no frame writes: the last block of a phase reads on to its end.
    saved = tuple(
        jnp.zeros((*x_RxTxBxD.shape[:3], size)) for size in (width, four_units, four_units // 4, four_units // 4)
    )
    last_RxBxH, saved = _forward(kernel_RxKx4H, x_RxTxBxD, length_B, saved, gates)
    return last_RxBxH, (kernel_RxKx4H, length_B, saved, jnp.zeros_like(x_RxTxBxD) if asked_for_dx else None)


def _forward(kernel_RxKx4H, x_RxTxBxD, length_B, saved, gates):
    """The last states, and `saved` with what every frame read and made, unless that is empty."""
    regions, _, batch, _ = x_RxTxBxD.shape
    units = kernel_RxKx4H.shape[2] // 4
    zeros_BxH = jnp.zeros((batch, units))

    def region(r, carry):
        last_RxBxH, saved = carry
        kernel_Kx4H = lax.optimization_barrier(_at(kernel_RxKx4H, r))
        h_nxH = c_nxH = last_BxH = zeros_BxH
        for n, begin, end in _phases(length_B, frames_each=1):
            frame = functools.partial(_frame_forward, gates, kernel_Kx4H, x_RxTxBxD, length_B[:n], r)
            state = (h_nxH[:n], c_nxH[:n], last_BxH[:n], saved)
            h_nxH, c_nxH, last_nxH, saved = lax.fori_loop(begin, end, frame, state)
            last_BxH = last_BxH.at[:n].set(last_nxH)
        return _put(last_RxBxH, last_BxH, r), saved

    return lax.fori_loop(0, regions, region, (jnp.zeros((regions, batch, units)), saved))


def _frame_forward(gates, kernel_Kx4H, x_RxTxBxD, length_n, r, t, carry):
    h_nxH, c_nxH, last_nxH, saved = carry
    n = len(length_n)
    xh1_nxK = jnp.concatenate([_rows(x_RxTxBxD, r, t, n), h_nxH, jnp.ones((n, 1))], axis=1)
    xh1_nxK = lax.optimization_barrier(xh1_nxK)
    z_nx4H = lax.optimization_barrier(xh1_nxK @ kernel_Kx4H)
    gates_nx4H = lax.optimization_barrier(openings(z_nx4H, gates))
    i, f, g, o = jnp.split(gates_nx4H, 4, axis=-1)
    new_c_nxH = lax.optimization_barrier((0.5 + 0.5 * f) * c_nxH + (0.5 + 0.5 * i) * g)
    tanh_c_nxH = lax.optimization_barrier(jnp.tanh(new_c_nxH))
    h_nxH = (0.5 + 0.5 * o) * tanh_c_nxH
    last_nxH = jnp.where((t == length_n - 1)[:, None], h_nxH, last_nxH)
    if saved:
        saved = tuple(map(functools.partial(_put_rows, r=r, t=t), saved, (xh1_nxK, gates_nx4H, c_nxH, tanh_c_nxH)))
    return h_nxH, new_c_nxH, last_nxH, saved


def _lstm_backward(gates, residuals, dlast_RxBxH):
    kernel_RxKx4H, length_B, saved, dx_RxTxBxD = residuals
    regions, _, units = dlast_RxBxH.shape
    inputs = kernel_RxKx4H.shape[1] - units - 1

    def region(r, carry):
        dkernel_RxKx4H, dx_RxTxBxD = carry
        kernel_Kx4H = _at(kernel_RxKx4H, r)
        transposed = lax.optimization_barrier((kernel_Kx4H[:inputs].T, kernel_Kx4H[inputs:-1].T))
        dlast_BxH = lax.optimization_barrier(_at(dlast_RxBxH, r))
        state = jnp.zeros((0, units)), jnp.zeros((0, units)), jnp.zeros_like(kernel_Kx4H), dx_RxTxBxD
        for n, begin, end in reversed(_phases(length_B, frames_each=_BLOCK)):
            backward = functools.partial(
                _block_backward, gates, transposed, saved, dlast_BxH[:n], length_B[:n], r, end - 1
            )
            dh_nxH, dc_nxH, dkernel_Kx4H, dx_RxTxBxD = state
            state = _with_rows(dh_nxH, n), _with_rows(dc_nxH, n), dkernel_Kx4H, dx_RxTxBxD
            state = lax.fori_loop(0, end - begin, backward, state)
        return _put(dkernel_RxKx4H, state[2], r), state[3]

    dkernel_RxKx4H, dx_RxTxBxD = lax.fori_loop(0, regions, region, (jnp.zeros_like(kernel_RxKx4H), dx_RxTxBxD))
    return dkernel_RxKx4H, dx_RxTxBxD, None


def _block_backward(gates, transposed, saved, dlast_nxH, length_n, r, last_block, step, carry):
    """Through `_BLOCK` frames, last first: the state's gradients, and what the block adds to the others."""
    dh_nxH, dc_nxH, dkernel_Kx4H, dx_RxTxBxD = carry
    kernel_x_4HxD, kernel_h_4HxH = transposed
    xh1_RxTxBxK, gates_RxTxBx4H, c_RxTxBxH, tanh_c_RxTxBxH = saved
    n, first = len(length_n), (last_block - step) * _BLOCK

    def frame(back, carry):
        dh_nxH, dc_nxH, dz_Sxnx4H = carry
        s = _BLOCK - 1 - back
        i, f, g, o = jnp.split(_rows(gates_RxTxBx4H, r, first + s, n), 4, axis=-1)
        c_nxH, tanh_c_nxH = _rows(c_RxTxBxH, r, first + s, n), _rows(tanh_c_RxTxBxH, r, first + s, n)
        # a sequence has no gradient yet at its end
        dh_nxH = jnp.where((first + s == length_n - 1)[:, None], dlast_nxH, dh_nxH)
        dc_nxH = lax.optimization_barrier(dc_nxH + dh_nxH * (0.5 + 0.5 * o) * (1 - tanh_c_nxH**2))
        # With s = 1/2 + 1/2 tanh(z/2), ds = 1/2 (1 - tanh(z/2)^2) dz/2; the inner 1/2 is in the scaled weights.
        through_c = 0.5 * g * slope(i, gates), 0.5 * c_nxH * slope(f, gates), (0.5 + 0.5 * i) * (1 - g * g)
        dz = [*(gate * dc_nxH for gate in through_c), 0.5 * tanh_c_nxH * slope(o, gates) * dh_nxH]
        dz_nx4H = lax.optimization_barrier(jnp.concatenate(dz, axis=1))
        dh_nxH = lax.optimization_barrier(dz_nx4H @ kernel_h_4HxH)
        return dh_nxH, dc_nxH * (0.5 + 0.5 * f), _put(dz_Sxnx4H, dz_nx4H, s)

    dz_Sxnx4H = jnp.zeros((_BLOCK, n, 4 * dh_nxH.shape[1]))
    dh_nxH, dc_nxH, dz_Sxnx4H = lax.fori_loop(0, _BLOCK, frame, (dh_nxH, dc_nxH, dz_Sxnx4H))
    dz_Mx4H = lax.optimization_barrier(dz_Sxnx4H.reshape(_BLOCK * n, -1))
    xh1_1xSxnxK = lax.dynamic_slice(xh1_RxTxBxK, (r, first, 0, 0), (1, _BLOCK, n, xh1_RxTxBxK.shape[3]))
    xh1_MxK = lax.optimization_barrier(xh1_1xSxnxK.reshape(_BLOCK * n, -1))
    dkernel_Kx4H = dkernel_Kx4H + xh1_MxK.T @ dz_Mx4H
    if dx_RxTxBxD is not None:
        dx_1xSxnxD = (dz_Mx4H @ kernel_x_4HxD).reshape(1, _BLOCK, n, -1)
        dx_RxTxBxD = lax.dynamic_update_slice(dx_RxTxBxD, dx_1xSxnxD, (r, first, 0, 0))
    return dh_nxH, dc_nxH, dkernel_Kx4H, dx_RxTxBxD


_lstm.defvjp(_lstm_forward, _lstm_backward, symbolic_zeros=True)


def _phases(length_B, frames_each):
    """(n, begin, end): the n longest sequences run from `begin` to before `end`, in steps of `frames_each` frames."""
    running = sorted({-(-len(length_B) * quarters // 4) for quarters in (1, 2, 3, 4)}, reverse=True)
    # a phase ends with the longest sequence that takes no part in the next one, the last phase with the longest of all
    place_of_longest = jnp.array([*running[1:], 0])
    ends = _of_all_runs(-(-length_B[place_of_longest] // frames_each))
    return [(n, ends[k - 1] if k else 0, ends[k]) for k, n in enumerate(running)]


@custom_vmap
def _of_all_runs(ends):
    """`ends`; under vmap the latest of all runs, so that bounds stay scalars and no loop copies its arrays by select."""
    return ends


@_of_all_runs.def_vmap
def _of_mapped_runs(axis_size, in_batched, ends):
    del axis_size, in_batched
    return _of_all_runs(ends.max(axis=0)), False


def _at(of_regions, r):
    return lax.dynamic_index_in_dim(of_regions, r, keepdims=False)


def _put(of_regions, own, r):
    return lax.dynamic_update_index_in_dim(of_regions, own, r, axis=0)


def _rows(of_frames, r, t, n):
    return lax.dynamic_slice(of_frames, (r, t, 0, 0), (1, 1, n, of_frames.shape[3]))[0, 0]


def _put_rows(of_frames, own, r, t):
    return lax.dynamic_update_slice(of_frames, own[None, None], (r, t, 0, 0))


def _with_rows(d_mxH, n):
    """Add rows of zeros for the shorter sequences, which have no gradient yet."""
    return jnp.concatenate([d_mxH, jnp.zeros((n - len(d_mxH), d_mxH.shape[1]))])
