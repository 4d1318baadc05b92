"""Convolution, ReLU and max-pooling as one matrix product: MP(Conv(.)) of the paper's Eq. 2.

The paper's convolutions have 1 to 16 channels, too few to keep a vector unit busy one output at a time. So the 2x2 pool
is folded into the product. A pooled cell needs an input window of (k + 1) x (k + 1) pixels, and the four convolution
outputs that the pool compares are four groups of columns of one weight matrix:

    y [4 positions x O, cells]  =  weights [window, 4 positions x O]^T  @  windows [window, cells]

Rearranging every 2x2 block of pixels into channels (space to depth) makes the windows of neighbouring cells shifted
slices of one array. This spends 1.3 to 1.8 times the multiplications, all of them in large matrix products, and pooling
costs one pass. Where filters are few, blocks of 4x4 pixels, four pooled cells each, make the product large enough.
The gradient is written by hand: in each pooled cell only the winning position has one, and a byte per cell says which.

Arrays are [C, H, W, B] with the batch varying fastest, so that every step works on long contiguous rows. In names, N is
(position, cell in a block, O), Q cells in a block, K a window's pixels and channels, M all blocks of the batch.
The barriers keep XLA from fusing the gathering of an array into the loops and products that read it many times.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
from flax import linen as nn
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


class Conv(nn.Module):
    """A convolution that keeps the size (odd `size`, SAME), with bias: [C, H, W, B] -> [O, H, W, B]. He initialisation."""

    filters: int
    size: int

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "O H W B"]:
        shape = (self.size, self.size, x_CxHxWxB.shape[0], self.filters)
        kernel_HWIO = self.param("kernel", nn.initializers.he_normal(), shape)
        bias_O = self.param("bias", nn.initializers.zeros, (self.filters,))
        return convolve(x_CxHxWxB, kernel_HWIO) + bias_O[:, None, None, None]


def convolve(x_CxHxWxB: Float[Array, "C H W B"], kernel_HWIO: Float[Array, "k k C O"]) -> Float[Array, "O H W B"]:
    """Convolve (stride 1, SAME, odd kernel size k) as one matrix product, whose gradients are products too.

    XLA's own convolutions lose much of their speed in loops on a CPU, and where every run has a kernel of its own.
    """
    size, _, _, outputs = kernel_HWIO.shape
    _, height, width, batch = x_CxHxWxB.shape
    edge = size // 2
    padded = jnp.pad(x_CxHxWxB, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    taps = [padded[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
    windows_KxM = jnp.concatenate(taps).reshape(-1, height * width * batch)
    return (kernel_HWIO.reshape(-1, outputs).T @ windows_KxM).reshape(outputs, height, width, batch)


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
    side = _side(outputs)
    grid_CxHxWxB, grid_transpose = jax.vjp(functools.partial(_grid, size=size, side=side), x_CxHxWxB)
    windows_KxHxWxB = lax.optimization_barrier(_windows(grid_CxHxWxB, _reach(size, side)))
    windows_KxM = windows_KxHxWxB.reshape(windows_KxHxWxB.shape[0], -1)
    y_NxM = lax.optimization_barrier(lax.dot_general(_pack(kernel_HWIO), windows_KxM, (((0,), (0,)), ((), ()))))
    best_QxOxM, winner_QxOxM = _first_maximum(y_NxM.reshape(4, -1, outputs, y_NxM.shape[1]))
    best_QxOxM = best_QxOxM + bias_O[:, None]
    winner_QxOxM = jnp.where(best_QxOxM > 0, winner_QxOxM, jnp.uint8(_NOBODY))
    y_QxOxM, winner_QxOxM = lax.optimization_barrier((jnp.maximum(best_QxOxM, 0), winner_QxOxM))
    y_QxOxHxWxB = y_QxOxM.reshape(*y_QxOxM.shape[:2], *windows_KxHxWxB.shape[1:])
    y_OxHxWxB, image_transpose = jax.vjp(functools.partial(_image, shape=x_CxHxWxB.shape), y_QxOxHxWxB)
    return y_OxHxWxB, (windows_KxM, winner_QxOxM, kernel_HWIO, grid_transpose, image_transpose)


def _conv_backward(residuals, dy_OxHxWxB):
    windows_KxM, winner_QxOxM, kernel_HWIO, grid_transpose, image_transpose = residuals
    weights_KxN, kernel_transpose = jax.vjp(_pack, kernel_HWIO)
    (dy_QxOxHxWxB,) = lax.optimization_barrier(image_transpose(lax.optimization_barrier(dy_OxHxWxB)))
    dy_QxOxM = dy_QxOxHxWxB.reshape(winner_QxOxM.shape)
    dy_NxM = lax.optimization_barrier(_to_winner(dy_QxOxM, winner_QxOxM)).reshape(weights_KxN.shape[1], -1)
    # The barrier keeps XLA from computing the transposed product, which runs at two thirds of the speed.
    dweights_KxN = lax.optimization_barrier(lax.dot_general(windows_KxM, dy_NxM, (((1,), (1,)), ((), ()))))
    (dkernel_HWIO,) = kernel_transpose(dweights_KxN)
    dbias_O = jnp.where(winner_QxOxM < _NOBODY, dy_QxOxM, 0).sum((0, 2))
    dwindows_KxHxWxB = (weights_KxN @ dy_NxM).reshape(-1, *dy_QxOxHxWxB.shape[2:])
    size, _, _, outputs = kernel_HWIO.shape
    (dx_CxHxWxB,) = grid_transpose(_windows_transpose(dwindows_KxHxWxB, _reach(size, _side(outputs))))
    return lax.optimization_barrier(dx_CxHxWxB), dkernel_HWIO, dbias_O


_conv_relu_pool.defvjp(_conv_forward, _conv_backward)


@jax.custom_vjp
def _max_pool(x_CxHxWxB):
    return _pool_forward(x_CxHxWxB)[0]


def _pool_forward(x_CxHxWxB):
    grid_CxHxWxB, grid_transpose = jax.vjp(functools.partial(_grid, size=1, side=2), x_CxHxWxB)
    best_CxHxWxB, winner_CxHxWxB = _first_maximum(grid_CxHxWxB.reshape(4, -1, *grid_CxHxWxB.shape[1:]))
    return lax.optimization_barrier(best_CxHxWxB), (lax.optimization_barrier(winner_CxHxWxB), grid_transpose)


def _pool_backward(residuals, dy_CxHxWxB):
    winner_CxHxWxB, grid_transpose = residuals
    dgrid_4xCxHxWxB = lax.optimization_barrier(_to_winner(lax.optimization_barrier(dy_CxHxWxB), winner_CxHxWxB))
    return lax.optimization_barrier(grid_transpose(dgrid_4xCxHxWxB.reshape(-1, *dy_CxHxWxB.shape[1:])))


_max_pool.defvjp(_pool_forward, _pool_backward)


def _side(outputs):
    """Pixels along a block: four instead of two where filters are few, for four times as many columns of weights."""
    return 4 if outputs <= 4 else 2


def _reach(size, side):
    """Blocks along the window that a block's cells need: size + side - 1 pixels, rounded up."""
    return math.ceil((size - 1) / side) + 1


def _grid(x_CxHxWxB, size, side):
    """The image as blocks of side x side pixels, [side, side, C] as channels, with the zeros that SAME asks for.

    The first window begins size // 2 pixels before the image, the last is that of the last block that pools.
    """
    channels, *pixels, batch = x_CxHxWxB.shape
    before = size // 2
    rows, columns = (math.ceil(length // 2 * 2 / side) + _reach(size, side) - 1 for length in pixels)
    padding = [
        (before, blocks * side - before - length, 0) for blocks, length in zip((rows, columns), pixels, strict=True)
    ]
    zero = jnp.zeros((), x_CxHxWxB.dtype)
    x_CxHxWxB = lax.pad(x_CxHxWxB, zero, ((0, 0, 0), *padding, (0, 0, 0)))  # a negative end cuts an odd last line
    x = x_CxHxWxB.reshape(channels, rows, side, columns, side, batch)
    return x.transpose(2, 4, 0, 1, 3, 5).reshape(-1, rows, columns, batch)


def _image(y_QxOxHxWxB, shape):
    """The pooled cells of every block, in their places, cut to the pooled size of an image of that shape."""
    cells, outputs, rows, columns, batch = y_QxOxHxWxB.shape
    side = math.isqrt(cells)
    y = y_QxOxHxWxB.reshape(side, side, outputs, rows, columns, batch).transpose(2, 3, 0, 4, 1, 5)
    return y.reshape(outputs, rows * side, columns * side, batch)[:, : shape[1] // 2, : shape[2] // 2]


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
    """The kernel as a matrix: rows in the order of `_windows`, columns (position in a cell, cell in a block, O)."""
    size, _, inputs, outputs = kernel_HWIO.shape
    side = _side(outputs)
    reach = _reach(size, side)
    spare = reach * side - size
    cells = list(itertools.product(range(0, side, 2), repeat=2))
    starts = [(y + j, x + i) for y, x in itertools.product((0, 1), repeat=2) for j, i in cells]
    shifted = jnp.stack([jnp.pad(kernel_HWIO, ((y, spare - y), (x, spare - x), (0, 0), (0, 0))) for y, x in starts])
    blocks = shifted.reshape(len(starts), reach, side, reach, side, inputs, outputs)
    return blocks.transpose(1, 3, 2, 4, 5, 0, 6).reshape(-1, len(starts) * outputs)


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
