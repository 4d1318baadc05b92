"""Convolution, ReLU and max-pooling as one matrix product: MP(Conv(.)) of the paper's Eq. 2.

The paper's convolutions have 1 to 16 channels, too few to keep a vector unit busy one output at a time. So the 2x2 pool
is folded into the product. A pooled cell needs an input window of (k + 1) x (k + 1) pixels, and the four convolution
outputs that the pool compares are four groups of columns of one weight matrix:

    y [4 positions x O, cells]  =  weights [window, 4 positions x O]^T  @  windows [window, cells]

Rearranging every 2x2 block of pixels into channels (space to depth) makes the windows of neighbouring cells shifted
slices of one array. This spends 1.3 to 1.8 times the multiplications, all of them in large matrix products, and pooling
costs one pass. The gradient is written by hand: in each pooled cell only the winning position has one, and one byte per
cell names that position.

This is a CPU's form; accelerators take those of `merjax.nn.layers.convolution_runs`. The image is processed in strips of a few
rows of cells. A strip's windows stay in the cache of the core. They are never written to memory, so the backward pass gathers
them again.

Arrays are [C, H, W, B] with the batch varying fastest, so that every step works on long contiguous rows. In names, N is
(position, O), J the blocks of a window, K its blocks and channels, M the cells of a strip and of the batch.
The barriers keep XLA from fusing the gathering of an array into the loops and products that read it many times.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from merjax.nn.layers.backend import on_cpu
from merjax.nn.layers.cells import NOBODY, Pooling, first_maximum, grid_of, inside, pack, reach_of, to_winner
from merjax.nn.layers.convolution_runs import EXACT, Computing, Pixels, conv_relu_pool_runs, max_pool_runs

_COLUMNS = 1024  # M of a strip: with up to 512 pixels and channels, its windows fill 2 MiB, a core's second-level cache


def conv_relu_pool(
    x_CxHxWxB: Float[Array, "C H W B"] | Pixels,
    kernel_HWIO: Float[Array, "k k C O"],
    bias_O: Float[Array, "O"],
    pooling: Pooling = "floor",
    computing: Computing = EXACT,
) -> Float[Array, "O h w B"]:
    """Convolve (stride 1, SAME, odd kernel size k), add the bias, apply ReLU, take the maximum of each 2x2 block.

    Where values tie, the first in row-major order gets the gradient, as in `conv_relu_pool_reference`, to which this
    is equal up to the rounding of sums. `computing` and `Pixels` are for accelerators: a CPU has one form, of numbers.
    """
    if not on_cpu():
        return conv_relu_pool_runs(x_CxHxWxB, kernel_HWIO, bias_O, pooling, computing)
    return _conv_relu_pool(x_CxHxWxB, kernel_HWIO, bias_O, pooling)


def max_pool(x_CxHxWxB: Float[Array, "C H W B"], pooling: Pooling = "floor") -> Float[Array, "C h w B"]:
    """The maximum of each 2x2 block; the first of equal values gets the gradient."""
    if not on_cpu():
        return max_pool_runs(x_CxHxWxB, pooling)
    odd = [size % 2 if pooling == "ceil" else 0 for size in x_CxHxWxB.shape[1:3]]
    if any(odd):
        edges = ((0, 0), (0, odd[0]), (0, odd[1]), (0, 0))
        x_CxHxWxB = jnp.pad(x_CxHxWxB, edges, constant_values=-jnp.inf)
    return _max_pool(x_CxHxWxB)


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
    x_CxHxWxB: Float[Array, "C H W B"],
    kernel_HWIO: Float[Array, "k k C O"],
    bias_O: Float[Array, "O"],
    pooling: Pooling = "floor",
) -> Float[Array, "O h w B"]:
    """What `conv_relu_pool` computes, written plainly and differentiated by JAX."""
    layout = ("CHWN", "HWIO", "CHWN")
    y_OxHxWxB = lax.conv_general_dilated(x_CxHxWxB, kernel_HWIO, (1, 1), "SAME", dimension_numbers=layout)
    return max_pool_reference(jax.nn.relu(y_OxHxWxB + bias_O[:, None, None, None]), pooling)


def max_pool_reference(x_CxHxWxB: Float[Array, "C H W B"], pooling: Pooling = "floor") -> Float[Array, "C h w B"]:
    """What `max_pool` computes, written plainly and differentiated by JAX."""
    padding = {"floor": "VALID", "ceil": "SAME"}[pooling]
    return lax.reduce_window(x_CxHxWxB, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), padding)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _conv_relu_pool(x_CxHxWxB, kernel_HWIO, bias_O, pooling):
    return _conv_forward(x_CxHxWxB, kernel_HWIO, bias_O, pooling)[0]


def _conv_forward(x_CxHxWxB, kernel_HWIO, bias_O, pooling):
    size, _, _, outputs = kernel_HWIO.shape
    reach = reach_of(size)
    pixels = x_CxHxWxB.shape[1:3]
    grid_CxHxWxB, grid_transpose = jax.vjp(functools.partial(grid_of, size=size, pooling=pooling), x_CxHxWxB)
    grid_CxHxWxB, weights_KxN = lax.optimization_barrier((grid_CxHxWxB, pack(kernel_HWIO)))
    _, height, width, batch = grid_CxHxWxB.shape
    height, width = height - reach + 1, width - reach + 1
    strip = _strip(height, width * batch)

    def work_on_strip(i, carry):
        windows_JxCxHxWxB, *pooled = carry
        windows_JxCxHxWxB = _gather_windows(windows_JxCxHxWxB, grid_CxHxWxB, i * strip)
        windows_KxM = windows_JxCxHxWxB.reshape(len(weights_KxN), -1)
        y_NxM = lax.optimization_barrier(lax.dot_general(weights_KxN, windows_KxM, (((0,), (0,)), ((), ()))))
        y_4xOxHxWxB = y_NxM.reshape(4, outputs, strip, width, batch)
        if pooling == "ceil" and (pixels[0] % 2 or pixels[1] % 2):
            y_4xOxHxWxB = jnp.where(inside(pixels, i * strip, strip, width), y_4xOxHxWxB, -jnp.inf)
        best_OxHxWxB, winner_OxHxWxB = first_maximum(y_4xOxHxWxB)
        best_OxHxWxB = best_OxHxWxB + bias_O[:, None, None, None]
        winner_OxHxWxB = jnp.where(best_OxHxWxB > 0, winner_OxHxWxB, jnp.uint8(NOBODY))
        new = jnp.maximum(best_OxHxWxB, 0), winner_OxHxWxB
        pooled = [lax.dynamic_update_slice_in_dim(old, x, i * strip, 1) for old, x in zip(pooled, new, strict=True)]
        return windows_JxCxHxWxB, *pooled

    shape = outputs, height, width, batch
    nothing = _no_windows(grid_CxHxWxB, reach, strip), jnp.zeros(shape, x_CxHxWxB.dtype), jnp.zeros(shape, jnp.uint8)
    _, y_OxHxWxB, winner_OxHxWxB = lax.fori_loop(0, height // strip, work_on_strip, nothing)
    return y_OxHxWxB, (grid_CxHxWxB, winner_OxHxWxB, kernel_HWIO, grid_transpose)


def _conv_backward(pooling, residuals, dy_OxHxWxB):
    del pooling  # the winners lie inside the image
    grid_CxHxWxB, winner_OxHxWxB, kernel_HWIO, grid_transpose = residuals
    weights_KxN, kernel_transpose = jax.vjp(pack, kernel_HWIO)
    dy_OxHxWxB = lax.optimization_barrier(dy_OxHxWxB)
    _, height, width, batch = winner_OxHxWxB.shape
    reach = grid_CxHxWxB.shape[1] - height + 1
    strip = _strip(height, width * batch)
    weights_KxN = lax.optimization_barrier(weights_KxN)

    def work_on_strip(i, carry):
        windows_JxCxHxWxB, dgrid_CxHxWxB, dweights_KxN = carry
        dy, winner = (lax.dynamic_slice_in_dim(x, i * strip, strip, 1) for x in (dy_OxHxWxB, winner_OxHxWxB))
        dy_NxM = lax.optimization_barrier(to_winner(dy, winner)).reshape(weights_KxN.shape[1], -1)
        windows_JxCxHxWxB = _gather_windows(windows_JxCxHxWxB, grid_CxHxWxB, i * strip)
        windows_KxM = windows_JxCxHxWxB.reshape(len(weights_KxN), -1)
        # The barrier keeps XLA from computing the transposed product, which runs at two thirds of the speed.
        dweights_KxN += lax.optimization_barrier(lax.dot_general(windows_KxM, dy_NxM, (((1,), (1,)), ((), ()))))
        dwindows_KxM = lax.optimization_barrier(weights_KxN @ dy_NxM)
        drows_CxHxWxB = _windows_transpose(dwindows_KxM.reshape(reach, reach, -1, strip, width, batch))
        drows_CxHxWxB += lax.dynamic_slice_in_dim(dgrid_CxHxWxB, i * strip, strip + reach - 1, 1)
        dgrid_CxHxWxB = lax.dynamic_update_slice_in_dim(dgrid_CxHxWxB, drows_CxHxWxB, i * strip, 1)
        return windows_JxCxHxWxB, dgrid_CxHxWxB, dweights_KxN

    nothing = _no_windows(grid_CxHxWxB, reach, strip), jnp.zeros_like(grid_CxHxWxB), jnp.zeros_like(weights_KxN)
    _, dgrid_CxHxWxB, dweights_KxN = lax.fori_loop(0, height // strip, work_on_strip, nothing)
    (dkernel_HWIO,) = kernel_transpose(dweights_KxN)
    dbias_O = jnp.where(winner_OxHxWxB < NOBODY, dy_OxHxWxB, 0).sum((1, 2, 3))
    (dx_CxHxWxB,) = grid_transpose(dgrid_CxHxWxB)
    return lax.optimization_barrier(dx_CxHxWxB), dkernel_HWIO, dbias_O


_conv_relu_pool.defvjp(_conv_forward, _conv_backward)


@jax.custom_vjp
def _max_pool(x_CxHxWxB):
    return _pool_forward(x_CxHxWxB)[0]


def _pool_forward(x_CxHxWxB):
    grid_CxHxWxB, grid_transpose = jax.vjp(functools.partial(grid_of, size=1), x_CxHxWxB)
    best_CxHxWxB, winner_CxHxWxB = first_maximum(grid_CxHxWxB.reshape(4, -1, *grid_CxHxWxB.shape[1:]))
    return lax.optimization_barrier(best_CxHxWxB), (lax.optimization_barrier(winner_CxHxWxB), grid_transpose)


def _pool_backward(residuals, dy_CxHxWxB):
    winner_CxHxWxB, grid_transpose = residuals
    dgrid_4xCxHxWxB = lax.optimization_barrier(to_winner(lax.optimization_barrier(dy_CxHxWxB), winner_CxHxWxB))
    return lax.optimization_barrier(grid_transpose(dgrid_4xCxHxWxB.reshape(-1, *dy_CxHxWxB.shape[1:])))


_max_pool.defvjp(_pool_forward, _pool_backward)


def _strip(rows, columns):
    """How many rows of cells to work on at a time: as many as stay within `_COLUMNS` and divide the number of rows."""
    most = max(1, _COLUMNS // columns)
    return next((strip for strip in range(min(rows, most), 1, -1) if rows % strip == 0), 1)


def _no_windows(grid_CxHxWxB, reach, strip):
    """Room for a strip's windows, which the loop over strips fills again and again."""
    channels, _, width, batch = grid_CxHxWxB.shape
    return jnp.zeros((reach**2, channels, strip, width - reach + 1, batch), grid_CxHxWxB.dtype)


def _gather_windows(windows_JxCxHxWxB, grid_CxHxWxB, first):
    """All reach x reach windows of the rows that begin at `first`, written over the old ones; K is [reach, reach, C].

    They are written piece by piece in place: a concatenation would write the pieces first and then write them again. The pieces
    go through a loop, since each would otherwise be a kernel of its own to compile, a third of all kernels of a step.
    """
    blocks, channels, height, width, batch = windows_JxCxHxWxB.shape
    reach = math.isqrt(blocks)

    def gather_block(j, windows_JxCxHxWxB):
        place = (0, first + lax.div(j, reach), lax.rem(j, reach), 0)
        piece = lax.dynamic_slice(grid_CxHxWxB, place, (channels, height, width, batch))
        return lax.dynamic_update_index_in_dim(windows_JxCxHxWxB, piece, j, 0)

    return lax.optimization_barrier(lax.fori_loop(0, blocks, gather_block, windows_JxCxHxWxB))


def _windows_transpose(windows_JxIxCxHxWxB):
    """The adjoint of `_gather_windows`: first along rows, then along columns, which adds fewer arrays than both at once."""
    reach = len(windows_JxIxCxHxWxB)
    rows_JxCxHxWxB = lax.optimization_barrier(_shifted_sum([windows_JxIxCxHxWxB[:, i] for i in range(reach)], axis=3))
    return _shifted_sum([*rows_JxCxHxWxB], axis=1)


def _shifted_sum(pieces, axis):
    """The sum of pieces, where the i-th piece begins i places further along an axis.

    Stretches where the same pieces overlap are added together: padding all pieces with zeros first takes twice as long.
    """
    length = pieces[0].shape[axis]
    ends = sorted({end for i in range(len(pieces)) for end in (i, i + length)})
    runs = [
        sum(
            lax.slice_in_dim(piece, first - i, end - i, axis=axis)
            for i, piece in enumerate(pieces)
            if i <= first and end <= i + length
        )
        for first, end in itertools.pairwise(ends)
    ]
    return jnp.concatenate(runs, axis)
