"""Images as cells of 2x2 pixels: what a convolution that a 2x2 pool follows works on, in every form.

Arrays are [C, H, W, B] with the batch varying fastest; h, w count cells. In names, N is (position in a cell, O), K the blocks
of a window and their channels.
"""

import itertools
from typing import Literal

import jax.numpy as jnp
from jax import lax

NOBODY = 4  # positions in a cell are 0 to 3; a cell that ReLU switched off has no winner

# What becomes of an odd last row or column: "floor" takes it into the convolution and not into the pooling, h = H // 2;
# "ceil" makes cells of one row or column of it, h = (H + 1) // 2, which is what TensorFlow calls SAME.
Pooling = Literal["floor", "ceil"]


def reach_of(size):
    """Blocks along the window that a cell needs: size + 1 pixels in twos."""
    return (size + 1) // 2


def grid_of(x_CxHxWxB, size, pooling="floor"):
    """The image as blocks of 2x2 pixels, [2, 2, C] as channels, with the zeros that SAME asks for.

    The first window begins size // 2 pixels before the image, the last is that of the last cell.
    """
    channels, *pixels, batch = x_CxHxWxB.shape
    before = size // 2
    more = 1 if pooling == "ceil" else 0
    rows, columns = ((length + more) // 2 + reach_of(size) - 1 for length in pixels)
    padding = [
        (before, blocks * 2 - before - length, 0) for blocks, length in zip((rows, columns), pixels, strict=True)
    ]
    zero = jnp.zeros((), x_CxHxWxB.dtype)
    x_CxHxWxB = lax.pad(x_CxHxWxB, zero, ((0, 0, 0), *padding, (0, 0, 0)))  # a negative end cuts an odd last line
    x = x_CxHxWxB.reshape(channels, rows, 2, columns, 2, batch)
    return x.transpose(2, 4, 0, 1, 3, 5).reshape(-1, rows, columns, batch)


def inside(pixels, first, rows, columns):
    """Which of the four positions of cells lie inside the image, for the rows of cells that begin at `first`."""
    row_2xH = 2 * (first + jnp.arange(rows)) + jnp.arange(2)[:, None]
    column_2xW = 2 * jnp.arange(columns) + jnp.arange(2)[:, None]
    inside_2x2xHxW = (row_2xH < pixels[0])[:, None, :, None] & (column_2xW < pixels[1])[None, :, None, :]
    return inside_2x2xHxW.reshape(4, 1, rows, columns, 1)


def pack(kernel_HWIO):
    """The kernel as a matrix: rows in the order of the windows, columns (position in a cell, O)."""
    size, _, inputs, outputs = kernel_HWIO.shape
    reach = reach_of(size)
    starts = itertools.product((0, 1), repeat=2)
    shifted = jnp.stack([jnp.pad(kernel_HWIO, ((y, 1 - y), (x, 1 - x), (0, 0), (0, 0))) for y, x in starts])
    blocks = shifted.reshape(4, reach, 2, reach, 2, inputs, outputs)
    return blocks.transpose(1, 3, 2, 4, 5, 0, 6).reshape(-1, 4 * outputs)


def first_maximum(y_4xOxM):
    """The maximum over the four positions of a cell, and the first position that reaches it."""
    upper, lower = jnp.maximum(y_4xOxM[0], y_4xOxM[1]), jnp.maximum(y_4xOxM[2], y_4xOxM[3])
    in_upper = (y_4xOxM[1] > y_4xOxM[0]).astype(jnp.uint8)
    in_lower = (y_4xOxM[3] > y_4xOxM[2]).astype(jnp.uint8) + jnp.uint8(2)
    return jnp.maximum(upper, lower), jnp.where(lower > upper, in_lower, in_upper)


def to_winner(dy_OxM, winner_OxM):
    """The cells' gradients at the winning positions, zeros elsewhere: [4, *cells]."""
    position_4 = jnp.arange(4, dtype=jnp.uint8).reshape(4, *[1] * winner_OxM.ndim)
    return jnp.where(winner_OxM == position_4, dy_OxM, 0)
