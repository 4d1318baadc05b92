"""Convolution with any stride, padding and dilation as matrix products, whose windows are never all laid out at once.

An image is processed in strips of a few rows of outputs, so that a strip's windows stay in the cache of the core; they are
gathered again in the backward pass and never written to memory. On accelerators a strip is the whole image.

Arrays are [C, H, W, B] with the batch varying fastest. K is [row and column of the kernel, C], M the outputs of a strip and of
the batch. The barriers keep XLA from fusing the gathering of an array into the products that read it many times.
"""

import functools
import itertools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from merjax.nn.layers.backend import on_cpu
from merjax.nn.layers.initialisers import LayerStart, as_pytorch

_COLUMNS = 4096  # M of a strip
_WINDOWS = 2**19  # numbers of its windows, K times M: 2 MiB, a core's second-level cache
_FEW = 4  # channels, with which gathering a window takes longer than the product


def strided_convolve(
    x_CxHxWxB: Float[Array, "C H W B"],
    kernel_HWIO: Float[Array, "k k C O"],
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    dilation: int = 1,
) -> Float[Array, "O h w B"]:
    """Convolve with zeros around the image; h = (H + padding - dilation (k - 1) - 1) // stride + 1.

    Args:
        x_CxHxWxB: the images.
        kernel_HWIO: the weights.
        stride: along rows and columns.
        padding: lines of zeros before the first and after the last row and column.
        dilation: how many pixels lie from one weight to the next.
    """
    if len(kernel_HWIO) == 1 and not any(padding):  # no window: nothing to gather
        return jnp.tensordot(kernel_HWIO[0, 0].T, x_CxHxWxB[:, ::stride, ::stride], 1)
    padded_CxHxWxB = jnp.pad(x_CxHxWxB, ((0, 0), padding, padding, (0, 0)))
    if stride > 1 and dilation == 1 and len(x_CxHxWxB) <= _FEW:
        return _convolve(*_as_blocks(padded_CxHxWxB, kernel_HWIO, stride), (1, 1))
    return _convolve(padded_CxHxWxB, kernel_HWIO, (stride, dilation))


class StridedConv(nn.Module):
    """A convolution with bias: [C, H, W, B] -> [O, h, w, B]; see `strided_convolve`.

    Attributes:
        filters, size, stride, padding, dilation: of the convolution.
        bias: whether it has one.
        start: gives the initial weights and biases for the number of inputs of one output.
    """

    filters: int
    size: int
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    bias: bool = True
    start: Callable[[int], LayerStart] = as_pytorch

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "O h w B"]:
        shape = (self.size, self.size, x_CxHxWxB.shape[0], self.filters)
        of_kernel, of_bias = self.start(self.size**2 * x_CxHxWxB.shape[0])
        kernel_HWIO = self.param("kernel", of_kernel, shape)
        y_OxHxWxB = strided_convolve(x_CxHxWxB, kernel_HWIO, self.stride, self.padding, self.dilation)
        if not self.bias:
            return y_OxHxWxB
        return y_OxHxWxB + self.param("bias", of_bias, (self.filters,))[:, None, None, None]


def _as_blocks(x_CxHxWxB, kernel_HWIO, stride):
    """The images and the kernel with every block of `stride` x `stride` pixels as channels, so that the stride is 1.

    This takes fewer and longer pieces to gather, and a few more multiplications with zeros.
    """
    size, _, channels, outputs = kernel_HWIO.shape
    reach = -(-size // stride)
    lines = [((length - size) // stride + reach) * stride for length in x_CxHxWxB.shape[1:3]]
    edges = [(0, 0, 0), *((0, n - length, 0) for n, length in zip(lines, x_CxHxWxB.shape[1:3], strict=True)), (0, 0, 0)]
    x = lax.pad(x_CxHxWxB, jnp.zeros((), x_CxHxWxB.dtype), edges)  # a negative end cuts lines that no window sees
    x = x.reshape(channels, lines[0] // stride, stride, lines[1] // stride, stride, -1).transpose(2, 4, 0, 1, 3, 5)
    more = reach * stride - size
    kernel = jnp.pad(kernel_HWIO, ((0, more), (0, more), (0, 0), (0, 0)))
    kernel = kernel.reshape(reach, stride, reach, stride, channels, outputs).transpose(0, 2, 1, 3, 4, 5)
    return x.reshape(-1, *x.shape[3:]), kernel.reshape(reach, reach, -1, outputs)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(x_CxHxWxB, kernel_HWIO, steps):
    return _forward(x_CxHxWxB, kernel_HWIO, steps)


def _forward(x_CxHxWxB, kernel_HWIO, steps):
    size, _, channels, outputs = kernel_HWIO.shape
    height, width, strip = _outputs(x_CxHxWxB, size, steps)
    batch = x_CxHxWxB.shape[-1]
    weights_OxK = lax.optimization_barrier(kernel_HWIO.reshape(-1, outputs).T)

    def work_on_strip(n, carry):
        windows_JxCxHxWxB, y_OxHxWxB = carry
        windows_JxCxHxWxB = _gather(windows_JxCxHxWxB, x_CxHxWxB, n * strip, steps)
        y_OxM = lax.optimization_barrier(weights_OxK @ windows_JxCxHxWxB.reshape(weights_OxK.shape[1], -1))
        own = y_OxM.reshape(outputs, strip, width, batch)
        return windows_JxCxHxWxB, lax.dynamic_update_slice_in_dim(y_OxHxWxB, own, n * strip, 1)

    nothing = jnp.zeros((size**2, channels, strip, width, batch)), jnp.zeros((outputs, height, width, batch))
    return lax.fori_loop(0, height // strip, work_on_strip, nothing)[1]


def _convolve_forward(x_CxHxWxB, kernel_HWIO, steps):
    # the first layer's input is data, and XLA would not drop its gradient from the loop
    asked_for_dx = x_CxHxWxB.perturbed
    x_CxHxWxB, kernel_HWIO = x_CxHxWxB.value, kernel_HWIO.value
    return _forward(x_CxHxWxB, kernel_HWIO, steps), (x_CxHxWxB, kernel_HWIO, () if asked_for_dx else None)


def _convolve_backward(steps, residuals, dy_OxHxWxB):
    x_CxHxWxB, kernel_HWIO, asked_for_dx = residuals
    size, _, channels, outputs = kernel_HWIO.shape
    height, width, strip = _outputs(x_CxHxWxB, size, steps)
    batch = x_CxHxWxB.shape[-1]
    weights_KxO = lax.optimization_barrier(kernel_HWIO.reshape(-1, outputs))
    dy_OxHxWxB = lax.optimization_barrier(dy_OxHxWxB)

    def work_on_strip(n, carry):
        windows_JxCxHxWxB, dweights_KxO, dx_CxHxWxB = carry
        windows_JxCxHxWxB = _gather(windows_JxCxHxWxB, x_CxHxWxB, n * strip, steps)
        dy = lax.optimization_barrier(lax.dynamic_slice_in_dim(dy_OxHxWxB, n * strip, strip, 1))
        dy_OxM = dy.reshape(outputs, -1)
        windows_KxM = windows_JxCxHxWxB.reshape(len(weights_KxO), -1)
        # The barrier keeps XLA from computing the transposed product, which is slower.
        dweights_KxO += lax.optimization_barrier(lax.dot_general(windows_KxM, dy_OxM, (((1,), (1,)), ((), ()))))
        if asked_for_dx is not None:
            dwindows_KxM = lax.optimization_barrier(weights_KxO @ dy_OxM)
            rows_CxHxWxB = _scatter(dwindows_KxM.reshape(size, size, channels, strip, width, batch), dx_CxHxWxB, steps)
            rows_CxHxWxB += lax.dynamic_slice_in_dim(dx_CxHxWxB, n * strip * steps[0], rows_CxHxWxB.shape[1], 1)
            dx_CxHxWxB = lax.dynamic_update_slice_in_dim(dx_CxHxWxB, rows_CxHxWxB, n * strip * steps[0], 1)
        return windows_JxCxHxWxB, dweights_KxO, dx_CxHxWxB

    nothing = jnp.zeros((size**2, channels, strip, width, batch)), jnp.zeros_like(weights_KxO)
    dx_CxHxWxB = None if asked_for_dx is None else jnp.zeros_like(x_CxHxWxB)
    _, dweights_KxO, dx_CxHxWxB = lax.fori_loop(0, height // strip, work_on_strip, (*nothing, dx_CxHxWxB))
    return dx_CxHxWxB, dweights_KxO.reshape(kernel_HWIO.shape)


_convolve.defvjp(_convolve_forward, _convolve_backward, symbolic_zeros=True)


def _outputs(x_CxHxWxB, size, steps):
    """Rows and columns of the outputs, and how many rows are worked on at a time."""
    height, width = ((length - _reach(size, steps)) // steps[0] + 1 for length in x_CxHxWxB.shape[1:3])
    columns = min(_COLUMNS, _WINDOWS // (size**2 * len(x_CxHxWxB)))
    most = max(1, columns // (width * x_CxHxWxB.shape[-1])) if on_cpu() else height
    return height, width, next(strip for strip in range(min(height, most), 0, -1) if height % strip == 0)


def _reach(size, steps):
    """The pixels along a window."""
    return steps[1] * (size - 1) + 1


def _gather(windows_JxCxHxWxB, x_CxHxWxB, first, steps):
    """All windows of the rows of outputs that begin at `first`, written over the old ones, tap by tap in place."""
    taps, channels, rows, width, batch = windows_JxCxHxWxB.shape
    size, (stride, dilation) = math.isqrt(taps), steps
    span = (rows - 1) * stride + _reach(size, steps), x_CxHxWxB.shape[2]
    lines = lax.dynamic_slice(x_CxHxWxB, (0, first * stride, 0, 0), (channels, *span, batch))
    for j, (row, column) in enumerate(itertools.product(range(0, size * dilation, dilation), repeat=2)):
        ends = row + (rows - 1) * stride + 1, column + (width - 1) * stride + 1
        piece = lax.slice(lines, (0, row, column, 0), (channels, *ends, batch), (1, stride, stride, 1))
        windows_JxCxHxWxB = lax.dynamic_update_index_in_dim(windows_JxCxHxWxB, piece, j, 0)
    return lax.optimization_barrier(windows_JxCxHxWxB)


def _scatter(dwindows_IxJxCxHxWxB, x_CxHxWxB, steps):
    """The adjoint of `_gather`, for the input rows of a strip: along columns, then along rows, which adds fewer arrays."""
    size, _, _, rows, width, _ = dwindows_IxJxCxHxWxB.shape
    zero = jnp.zeros((), dwindows_IxJxCxHxWxB.dtype)
    columns, (stride, dilation) = x_CxHxWxB.shape[2], steps

    def spread(x, axis, shift, length, total):
        config = [(0, 0, 0)] * x.ndim
        config[axis] = (shift, total - shift - (length - 1) * stride - 1, stride - 1)
        return lax.pad(x, zero, config)

    by_column = sum(spread(dwindows_IxJxCxHxWxB[:, j], 3, j * dilation, width, columns) for j in range(size))
    by_column = lax.optimization_barrier(by_column)
    return sum(
        spread(by_column[i], 1, i * dilation, rows, (rows - 1) * stride + _reach(size, steps)) for i in range(size)
    )
