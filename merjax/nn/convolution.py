"""Convolution, ReLU and max-pooling as one matrix product: MP(Conv(.)) of the paper's Eq. 2.

The paper's convolutions have 1 to 16 channels, too few to keep a vector unit busy one output at a time. So the 2x2
pool is
folded into the product. A pooled cell needs an input window of (k+1) x (k+1) pixels, and the four convolution outputs
that the
pool compares are four groups of rows of one weight matrix:

    y [4 positions x O, cells]  =  weights [4 positions x O, window] @ windows [window, cells]

Rearranging each 2x2 block of pixels into channels (space to depth) makes the windows of neighbouring cells shifted
slices of one
array. This spends 1.3 to 1.8 times the multiplications, all of them in large matrix products, and pooling costs one
pass.
The gradient is written by hand: in each pooled cell only the winning position has one, and one byte per cell says
which.

Arrays are [C, H, W, B] with the batch varying fastest, so that every step works on long contiguous rows.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_NOBODY = 4  # positions in a cell are 0 to 3; a cell that ReLU switched off has no winner


def conv_relu_pool(
    x_CxHxWxB: Float[Array, "C H W B"], kernel_HWIO: Float[Array, "k k C O"], bias_O: Float[Array, "O"]
) -> Float[Array, "O h w B"]:
    """Convolve (stride 1, SAME, odd kernel size k), add the bias, apply ReLU, take the maximum of each 2x2 block.

    Sizes floor, h = H // 2 and w = W // 2: an odd last row or column takes part in the convolution, not in the
    pooling.
    Where values tie, the first in row-major order gets the gradient, as in `conv_relu_pool_reference`, to which this
    is equal up to the rounding of sums.
    """
    return _conv_relu_pool(x_CxHxWxB, kernel_HWIO, bias_O)


def max_pool(x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "C h w B"]:
    """The maximum of each 2x2 block, sizes floor; the first of equal values gets the gradient."""
    return _max_pool(x_CxHxWxB)


def conv_relu_pool_reference(
    x_CxHxWxB: Float[Array, "C H W B"], kernel_HWIO: Float[Array, "k k C O"], bias_O: Float[Array, "O"]
) -> Float[Array, "O h w B"]:
    """What `conv_relu_pool` computes, said plainly and differentiated by JAX."""
    layout = ("CHWN", "HWIO", "CHWN")
    y_OxHxWxB = lax.conv_general_dilated(x_CxHxWxB, kernel_HWIO, (1, 1), "SAME", dimension_numbers=layout)
    return max_pool_reference(jax.nn.relu(y_OxHxWxB + bias_O[:, None, None, None]))


def max_pool_reference(x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "C h w B"]:
    """What `max_pool` computes, said plainly and differentiated by JAX."""
    return lax.reduce_window(x_CxHxWxB, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


@jax.custom_vjp
def _conv_relu_pool(x_CxHxWxB, kernel_HWIO, bias_O):
    return _conv_forward(x_CxHxWxB, kernel_HWIO, bias_O)[0]


def _conv_forward(x_CxHxWxB, kernel_HWIO, bias_O):
    size, _, _, outputs = kernel_HWIO.shape
    grid_CxHxWxB, grid_transpose = jax.vjp(functools.partial(_space_to_depth, margin=size // 2), x_CxHxWxB)
    windows_KxHxWxB = lax.optimization_barrier(_windows(grid_CxHxWxB, (size + 1) // 2))
    windows_KxM = windows_KxHxWxB.reshape(windows_KxHxWxB.shape[0], -1)
    y_4OxM = lax.optimization_barrier(_pack(kernel_HWIO) @ windows_KxM)
    best_OxM, winner_OxM = _first_maximum(y_4OxM.reshape(4, outputs, -1))
    best_OxM = best_OxM + bias_O[:, None]
    winner_OxM = jnp.where(best_OxM > 0, winner_OxM, jnp.uint8(_NOBODY))
    y_OxM, winner_OxM = lax.optimization_barrier((jnp.maximum(best_OxM, 0), winner_OxM))
    y_OxHxWxB = y_OxM.reshape(outputs, *windows_KxHxWxB.shape[1:])
    return y_OxHxWxB, (windows_KxM, winner_OxM, kernel_HWIO, grid_transpose)


def _conv_backward(residuals, dy_OxHxWxB):
    windows_KxM, winner_OxM, kernel_HWIO, grid_transpose = residuals
    weights_OxK, kernel_transpose = jax.vjp(_pack, kernel_HWIO)
    dy_OxM = dy_OxHxWxB.reshape(winner_OxM.shape)
    dy_4OxM = lax.optimization_barrier(_to_winner(dy_OxM, winner_OxM)).reshape(weights_OxK.shape[0], -1)
    # This orientation, not its transpose: XLA:CPU runs it at 91 instead of 65 GFLOP/s.
    (dkernel_HWIO,) = kernel_transpose(lax.dot_general(windows_KxM, dy_4OxM, (((1,), (1,)), ((), ()))).T)
    dbias_O = jnp.where(winner_OxM < _NOBODY, dy_OxM, 0).sum(1)
    dwindows_KxHxWxB = (weights_OxK.T @ dy_4OxM).reshape(-1, *dy_OxHxWxB.shape[1:])
    (dx_CxHxWxB,) = grid_transpose(_windows_transpose(dwindows_KxHxWxB, (kernel_HWIO.shape[0] + 1) // 2))
    return lax.optimization_barrier(dx_CxHxWxB), dkernel_HWIO, dbias_O


_conv_relu_pool.defvjp(_conv_forward, _conv_backward)


@jax.custom_vjp
def _max_pool(x_CxHxWxB):
    return _pool_forward(x_CxHxWxB)[0]


def _pool_forward(x_CxHxWxB):
    grid_CxHxWxB, grid_transpose = jax.vjp(functools.partial(_space_to_depth, margin=0), x_CxHxWxB)
    best_CxHxWxB, winner_CxHxWxB = _first_maximum(grid_CxHxWxB.reshape(4, -1, *grid_CxHxWxB.shape[1:]))
    return best_CxHxWxB, (winner_CxHxWxB, grid_transpose)


def _pool_backward(residuals, dy_CxHxWxB):
    winner_CxHxWxB, grid_transpose = residuals
    return grid_transpose(_to_winner(dy_CxHxWxB, winner_CxHxWxB).reshape(-1, *dy_CxHxWxB.shape[1:]))


_max_pool.defvjp(_pool_forward, _pool_backward)


def _space_to_depth(x_CxHxWxB, margin):
    """Zeros of `margin` pixels all around, then every 2x2 block becomes channels [2, 2, C]; an odd last line is
    cut."""
    channels, height, width, batch = x_CxHxWxB.shape
    rows, columns = ((margin, margin - size % 2, 0) for size in (height, width))
    x_CxHxWxB = lax.pad(x_CxHxWxB, jnp.zeros((), x_CxHxWxB.dtype), ((0, 0, 0), rows, columns, (0, 0, 0)))
    _, height, width, _ = x_CxHxWxB.shape
    blocks = x_CxHxWxB.reshape(channels, height // 2, 2, width // 2, 2, batch)
    return blocks.transpose(2, 4, 0, 1, 3, 5).reshape(4 * channels, height // 2, width // 2, batch)


def _windows(grid_CxHxWxB, reach):
    """All reach x reach windows of the grid as channels [reach, reach, C] of the window's first cell."""
    channels, height, width, batch = grid_CxHxWxB.shape
    shape = (channels, height - reach + 1, width - reach + 1, batch)
    # A loop, so that one small kernel is compiled instead of reach x reach.
    windows = lax.map(lambda at: lax.dynamic_slice(grid_CxHxWxB, (0, *at, 0), shape), _offsets(reach))
    return windows.reshape(-1, *shape[1:])


def _windows_transpose(windows_KxHxWxB, reach):
    """The adjoint of `_windows`."""
    _, height, width, batch = windows_KxHxWxB.shape
    windows = windows_KxHxWxB.reshape(reach * reach, -1, height, width, batch)

    def add(grid_CxHxWxB, window):
        at, window_CxHxWxB = window
        start = (0, *at, 0)
        old_CxHxWxB = lax.dynamic_slice(grid_CxHxWxB, start, window_CxHxWxB.shape)
        return lax.dynamic_update_slice(grid_CxHxWxB, old_CxHxWxB + window_CxHxWxB, start), None

    zeros_CxHxWxB = jnp.zeros((windows.shape[1], height + reach - 1, width + reach - 1, batch), windows.dtype)
    return lax.scan(add, zeros_CxHxWxB, (_offsets(reach), windows))[0]


def _offsets(reach):
    """The cells of a window in row-major order, as rows and columns."""
    return jnp.divmod(jnp.arange(reach * reach), reach)


def _pack(kernel_HWIO):
    """The kernel as rows (pool position, O) over columns (reach, reach, 2, 2, I), the order of `_windows`."""
    size, _, inputs, outputs = kernel_HWIO.shape
    reach = (size + 1) // 2
    shifts = [((dy, 1 - dy), (dx, 1 - dx), (0, 0), (0, 0)) for dy in (0, 1) for dx in (0, 1)]
    shifted = jnp.stack([jnp.pad(kernel_HWIO, shift) for shift in shifts])
    blocks = shifted.reshape(4, reach, 2, reach, 2, inputs, outputs)
    return blocks.transpose(0, 6, 1, 3, 2, 4, 5).reshape(4 * outputs, -1)


def _first_maximum(y_4xOxM):
    """The maximum over the four positions of a cell, and the first position that reaches it."""
    upper, lower = jnp.maximum(y_4xOxM[0], y_4xOxM[1]), jnp.maximum(y_4xOxM[2], y_4xOxM[3])
    in_upper = (y_4xOxM[1] > y_4xOxM[0]).astype(jnp.uint8)
    in_lower = (y_4xOxM[3] > y_4xOxM[2]).astype(jnp.uint8) + jnp.uint8(2)
    return jnp.maximum(upper, lower), jnp.where(lower > upper, in_lower, in_upper)


def _to_winner(dy_OxM, winner_OxM):
    """The cells' gradients at the winning positions, zeros elsewhere: [4, *cells]."""
    position_4 = jnp.arange(4, dtype=jnp.uint8).reshape(4, *[1] * winner_OxM.ndim)
    return jnp.where(winner_OxM == position_4, dy_OxM, 0)
