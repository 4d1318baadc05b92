"""The convolutions of `merjax.nn.layers.convolution` for accelerators, where runs lie side by side and moving bytes costs most.

Nothing is cut into strips and no barrier keeps XLA from fusing. Each run has kernels of its own, and XLA can write such
convolutions in two ways:

- "products": windows of all cells are gathered, and one batched product takes the runs. The products are fast, but the windows
  are written to memory and read again: 2.25 to 16 times what the image holds.
- "grouped": one convolution whose groups of channels are the runs. It moves least, if the device's library is good at it.

The first layer sees an image that all runs share, each with a mean and a scale of its own. Both are folded into the kernel:
with W' = W / scale, the sum over a window of W (x - mean) / scale is that of W' x less that of W' mean over the pixels inside
the image, since the zeros around it stand for the mean. So pixels stay as they are stored, and no run makes a copy of them.
That layer is a plain sum over the pixels of a window, which XLA fuses with the pool into one kernel.

Names are those of `merjax.nn.layers.cells`.
"""

import functools
import itertools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from merjax.nn.layers.cells import NOBODY, Pooling, first_maximum, grid_of, inside, pack, reach_of, to_winner


class Computing(NamedTuple):
    """How accelerators compute the convolutions of runs side by side.

    Attributes:
        convolution: "products" or "grouped", see above.
        activations: what layers give to each other. Sums, weights and their gradients are float32 in any case.
    """

    convolution: Literal["products", "grouped"] = "products"
    activations: Literal["float32", "bfloat16"] = "float32"


EXACT = Computing()


class Pixels(NamedTuple):
    """An image as it is stored, and what is to be subtracted from it and divided out of it.

    Attributes:
        stored_CxHxWxB: gray values, or whatever a store keeps.
        mean_C, scale_C: in its units.
    """

    stored_CxHxWxB: Int[Array, "C H W B"] | Float[Array, "C H W B"]
    mean_C: Float[Array, "C"]
    scale_C: Float[Array, "C"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored_CxHxWxB.shape

    def numbers(self) -> Float[Array, "C H W B"]:
        """(stored - mean) / scale."""
        mean, scale = (x_C[:, None, None, None] for x_C in (self.mean_C, self.scale_C))
        return (self.stored_CxHxWxB - mean) / scale


def conv_relu_pool_runs(
    x: Float[Array, "C H W B"] | Pixels,
    kernel_HWIO: Float[Array, "k k C O"],
    bias_O: Float[Array, "O"],
    pooling: Pooling,
    computing: Computing,
) -> Float[Array, "O h w B"]:
    """What `merjax.nn.layers.convolution.conv_relu_pool` computes, of (x - mean) / scale if x is `Pixels`."""
    low = jnp.dtype(computing.activations)
    if isinstance(x, Pixels):
        return _first(*x, kernel_HWIO, bias_O, pooling, low)
    if computing.convolution == "products":
        return _products(x.astype(low), kernel_HWIO, bias_O, pooling)
    layout = ("CHWN", "HWIO", "CHWN")
    kernel_HWIO = kernel_HWIO.astype(low)
    y_OxHxWxB = lax.conv_general_dilated(x.astype(low), kernel_HWIO, (1, 1), "SAME", dimension_numbers=layout)
    return _pool(_whole_cells(y_OxHxWxB, pooling), bias_O, True)


def max_pool_runs(x_CxHxWxB: Float[Array, "C H W B"], pooling: Pooling) -> Float[Array, "C h w B"]:
    """What `merjax.nn.layers.convolution.max_pool` computes."""
    return _pool(_whole_cells(x_CxHxWxB, pooling), jnp.zeros(len(x_CxHxWxB)), False)


def _whole_cells(y_OxHxWxB, pooling):
    """The image without an odd last row or column, or with one more that is never the maximum."""
    _, height, width, _ = y_OxHxWxB.shape
    if pooling == "floor":
        return y_OxHxWxB[:, : height // 2 * 2, : width // 2 * 2]
    edges = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    return jnp.pad(y_OxHxWxB, edges, constant_values=-jnp.inf) if height % 2 or width % 2 else y_OxHxWxB


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _pool(y_OxHxWxB, bias_O, relu):
    return _pool_forward(y_OxHxWxB, bias_O, relu)[0]


def _pool_forward(y_OxHxWxB, bias_O, relu):
    outputs, height, width, batch = y_OxHxWxB.shape
    cells = y_OxHxWxB.reshape(outputs, height // 2, 2, width // 2, 2, batch)
    y_4xOxHxWxB = jnp.stack([cells[:, :, y, :, x] for y, x in itertools.product((0, 1), repeat=2)])
    best_OxHxWxB, winner_OxHxWxB = first_maximum(y_4xOxHxWxB)
    return _switched(best_OxHxWxB, winner_OxHxWxB, bias_O) if relu else (best_OxHxWxB, winner_OxHxWxB)


def _pool_backward(relu, winner_OxHxWxB, dy_OxHxWxB):
    outputs, height, width, batch = winner_OxHxWxB.shape
    position_2x1x2x1 = jnp.arange(4, dtype=jnp.uint8).reshape(2, 1, 2, 1)
    winner, dy = (x[:, :, None, :, None] for x in (winner_OxHxWxB, dy_OxHxWxB))
    dy_OxHx2xWx2xB = jnp.where(winner == position_2x1x2x1, dy, 0)
    return dy_OxHx2xWx2xB.reshape(outputs, 2 * height, 2 * width, batch), _dbias(winner_OxHxWxB, dy_OxHxWxB)


_pool.defvjp(_pool_forward, _pool_backward)


def _switched(best_OxHxWxB, winner_OxHxWxB, bias_O):
    """The best of a cell's positions with bias and ReLU, and which one it was."""
    kind = best_OxHxWxB.dtype
    best_OxHxWxB = best_OxHxWxB.astype(jnp.float32) + bias_O[:, None, None, None]
    winner_OxHxWxB = jnp.where(best_OxHxWxB > 0, winner_OxHxWxB, jnp.uint8(NOBODY))
    return jnp.maximum(best_OxHxWxB, 0).astype(kind), winner_OxHxWxB


def _dbias(winner_OxHxWxB, dy_OxHxWxB):
    return jnp.where(winner_OxHxWxB < NOBODY, dy_OxHxWxB, 0).astype(jnp.float32).sum((1, 2, 3))


def _blocks(x_CxHxWxB, size, pooling):
    """Each block of the windows of all cells, as an image of the cells; together they are K, [reach, reach, C]."""
    grid_CxHxWxB, reach = grid_of(x_CxHxWxB, size, pooling), reach_of(size)
    height, width = (length - reach + 1 for length in grid_CxHxWxB.shape[1:3])
    return [grid_CxHxWxB[:, y : y + height, x : x + width] for y, x in itertools.product(range(reach), repeat=2)]


def _inside_only(y_4xOxHxWxB, pixels, pooling):
    """The positions that an odd last cell has outside of the image can't win."""
    if pooling == "floor" or not (pixels[0] % 2 or pixels[1] % 2):
        return y_4xOxHxWxB
    return jnp.where(inside(pixels, 0, *y_4xOxHxWxB.shape[2:4]), y_4xOxHxWxB, -jnp.inf)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _products(x_CxHxWxB, kernel_HWIO, bias_O, pooling):
    return _products_forward(x_CxHxWxB, kernel_HWIO, bias_O, pooling)[0]


def _products_forward(x_CxHxWxB, kernel_HWIO, bias_O, pooling):
    size = len(kernel_HWIO)
    windows_KxHxWxB = jnp.concatenate(_blocks(x_CxHxWxB, size, pooling))
    weights_KxN = pack(kernel_HWIO).astype(x_CxHxWxB.dtype)
    y_NxHxWxB = _product(weights_KxN.T, windows_KxHxWxB.reshape(len(weights_KxN), -1), x_CxHxWxB.dtype)
    y_4xOxHxWxB = y_NxHxWxB.reshape(4, -1, *windows_KxHxWxB.shape[1:])
    y_4xOxHxWxB = _inside_only(y_4xOxHxWxB, x_CxHxWxB.shape[1:3], pooling)
    best_OxHxWxB, winner_OxHxWxB = first_maximum(y_4xOxHxWxB)
    best_OxHxWxB, winner_OxHxWxB = _switched(best_OxHxWxB, winner_OxHxWxB, bias_O)
    return best_OxHxWxB, (x_CxHxWxB, kernel_HWIO, winner_OxHxWxB)


def _products_backward(pooling, residuals, dy_OxHxWxB):
    x_CxHxWxB, kernel_HWIO, winner_OxHxWxB = residuals
    size, kind = len(kernel_HWIO), x_CxHxWxB.dtype
    weights_KxN, unpack = jax.vjp(pack, kernel_HWIO)
    _, ungrid = jax.vjp(functools.partial(grid_of, size=size, pooling=pooling), x_CxHxWxB)
    windows_KxHxWxB = jnp.concatenate(_blocks(x_CxHxWxB, size, pooling))
    dy_NxM = to_winner(dy_OxHxWxB, winner_OxHxWxB).reshape(weights_KxN.shape[1], -1)
    windows_KxM = windows_KxHxWxB.reshape(len(weights_KxN), -1)
    dweights_KxN = _product(windows_KxM, dy_NxM.T, jnp.float32)
    dwindows_KxM = _product(weights_KxN.astype(kind), dy_NxM, kind)
    dgrid_CxHxWxB = _spread(dwindows_KxM.reshape(windows_KxHxWxB.shape), reach_of(size))
    (dx_CxHxWxB,) = ungrid(dgrid_CxHxWxB.astype(kind))
    return dx_CxHxWxB, unpack(dweights_KxN)[0], _dbias(winner_OxHxWxB, dy_OxHxWxB)


_products.defvjp(_products_forward, _products_backward)


def _product(a, b, kind):
    return jnp.matmul(a, b, preferred_element_type=kind)


def _spread(windows_KxHxWxB, reach):
    """The adjoint of joining `_blocks`: every piece added where it came from, as one sum."""
    pieces = windows_KxHxWxB.reshape(reach**2, -1, *windows_KxHxWxB.shape[1:]).astype(jnp.float32)
    edges = (
        ((0, 0), (y, reach - 1 - y), (x, reach - 1 - x), (0, 0)) for y, x in itertools.product(range(reach), repeat=2)
    )
    return functools.reduce(jnp.add, (jnp.pad(piece, edge) for piece, edge in zip(pieces, edges, strict=True)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def _first(stored_CxHxWxB, mean_C, scale_C, kernel_HWIO, bias_O, pooling, kind):
    return _first_forward(stored_CxHxWxB, mean_C, scale_C, kernel_HWIO, bias_O, pooling, kind)[0]


def _first_forward(stored_CxHxWxB, mean_C, scale_C, kernel_HWIO, bias_O, pooling, kind):
    size = len(kernel_HWIO)
    scaled_HWIO = kernel_HWIO / scale_C[:, None]
    of_pixels_4xOxHxWxB = _window_sum(pack(scaled_HWIO), _blocks(stored_CxHxWxB, size, pooling))
    of_mean_4xOxHxWx1 = _window_sum(pack(scaled_HWIO * mean_C[:, None]), _blocks(_ones(stored_CxHxWxB), size, pooling))
    y_4xOxHxWxB = _inside_only(of_pixels_4xOxHxWxB - of_mean_4xOxHxWx1, stored_CxHxWxB.shape[1:3], pooling)
    best_OxHxWxB, winner_OxHxWxB = _first_maximum_reduced(y_4xOxHxWxB)
    best_OxHxWxB, winner_OxHxWxB = _switched(best_OxHxWxB, winner_OxHxWxB, bias_O)
    return best_OxHxWxB.astype(kind), (stored_CxHxWxB, mean_C, scale_C, kernel_HWIO, winner_OxHxWxB)


def _first_backward(pooling, kind, residuals, dy_OxHxWxB):
    del kind
    stored_CxHxWxB, mean_C, scale_C, kernel_HWIO, winner_OxHxWxB = residuals
    size = len(kernel_HWIO)
    windows_KxHxWxB, inside_KxHxWx1 = (
        jnp.concatenate(_blocks(x, size, pooling)).astype(jnp.float32) for x in (stored_CxHxWxB, _ones(stored_CxHxWxB))
    )
    _, unpack = jax.vjp(pack, kernel_HWIO)
    dy_4xOxHxWxB = to_winner(dy_OxHxWxB, winner_OxHxWxB)
    of_batch_4xOxHxW = dy_4xOxHxWxB.astype(jnp.float32).sum(-1)
    dy_NxM, dy_NxHW = (x.reshape(4 * len(winner_OxHxWxB), -1) for x in (dy_4xOxHxWxB, of_batch_4xOxHxW))
    (of_pixels_HWIO,) = unpack(_product(windows_KxHxWxB.reshape(len(windows_KxHxWxB), -1), dy_NxM.T, jnp.float32))
    (of_mean_HWIO,) = unpack(_product(inside_KxHxWx1.reshape(len(inside_KxHxWx1), -1), dy_NxHW.T, jnp.float32))
    dkernel_HWIO = (of_pixels_HWIO - of_mean_HWIO * mean_C[:, None]) / scale_C[:, None]
    return None, None, None, dkernel_HWIO, _dbias(winner_OxHxWxB, dy_OxHxWxB)


_first.defvjp(_first_forward, _first_backward)


def _ones(x_CxHxWxB):
    """An image of ones, [C, H, W, 1]."""
    return jnp.ones((*x_CxHxWxB.shape[:3], 1))


def _window_sum(weights_KxN, blocks):
    """Every position's sum over its window, [4, O, h, w, B], as one element-wise expression."""
    planes = [plane_HxWxB.astype(jnp.float32) for block_CxHxWxB in blocks for plane_HxWxB in block_CxHxWxB]
    weights_Kx4xOx1x1x1 = weights_KxN.reshape(len(planes), 4, -1, 1, 1, 1)
    return sum(weights * plane for weights, plane in zip(weights_Kx4xOx1x1x1, planes, strict=True))


def _first_maximum_reduced(y_4xOxHxWxB):
    """What `first_maximum` gives, as one reduction: XLA computes a sum that it fuses with that once, and not for each use."""
    position_4 = jnp.arange(4, dtype=jnp.uint8).reshape(4, 1, 1, 1, 1)
    pairs = y_4xOxHxWxB, jnp.broadcast_to(position_4, y_4xOxHxWxB.shape)

    def better(one, other):
        is_other = other[0] > one[0]  # of equal ones the first
        return tuple(jnp.where(is_other, b, a) for a, b in zip(one, other, strict=True))

    return lax.reduce(pairs, (jnp.float32(-jnp.inf), jnp.uint8(0)), better, (0,))
