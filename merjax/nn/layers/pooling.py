"""Pooling of images `[C, H, W, B]` in other cells than the 2 x 2 of `merjax.nn.layers.convolution`."""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def window_max(x_CxHxWxB: Float[Array, "C H W B"], size: int, stride: int, padding: int = 0) -> Float[Array, "C h w B"]:
    """The maximum of each window of `size` x `size` pixels; equal values share the gradient.

    First along rows and then along columns, as maxima of shifted pictures: XLA's own windows are slow in loops on a CPU.

    Args:
        x_CxHxWxB: images.
        size, stride: of the windows, in pixels.
        padding: lines that are added at each side and never win.
    """
    x = jnp.pad(x_CxHxWxB, ((0, 0), (padding, padding), (padding, padding), (0, 0)), constant_values=-jnp.inf)
    return _line_max(_line_max(x, size, stride, 1), size, stride, 2)


def adaptive_average(x_CxHxWxB: Float[Array, "C H W B"], cells: int) -> Float[Array, "C cells cells B"]:
    """Averages over `cells` x `cells` parts of an image, as PyTorch's adaptive pooling: part i of a side of n pixels is
    floor(i n / cells) to ceil((i + 1) n / cells), so an image with fewer pixels than parts repeats some of them."""
    _, height, width, _ = x_CxHxWxB.shape
    if (height, width) == (cells, cells):
        return x_CxHxWxB
    return jnp.einsum("chwb,ih,jw->cijb", x_CxHxWxB, _shares(height, cells), _shares(width, cells))


def nearest(x_hxwxB: Float[Array, "h w B"], height: int, width: int) -> Float[Array, "height width B"]:
    """A map in another size: each pixel takes the value of the one at the same share of the side."""
    rows, columns = (np.arange(new) * old // new for new, old in zip((height, width), x_hxwxB.shape[:2], strict=True))
    return x_hxwxB[rows[:, None], columns]


def _line_max(x, size, stride, axis):
    count = (x.shape[axis] - size) // stride + 1
    pieces = [_every(x, first, count, stride, axis) for first in range(size)]
    return functools.reduce(jnp.maximum, pieces)


def _every(x, first, count, stride, axis):
    places = [slice(None)] * x.ndim
    places[axis] = slice(first, first + (count - 1) * stride + 1, stride)
    return x[tuple(places)]


@functools.cache
def _shares(length: int, cells: int) -> np.ndarray:
    """What each pixel counts in each part. [cells, length]."""
    part, pixel = np.arange(cells)[:, None], np.arange(length)
    inside = (pixel >= part * length // cells) & (pixel < -(-(part + 1) * length // cells))
    return (inside / inside.sum(1, keepdims=True)).astype(np.float32)
