"""STSTNet, the shallow triple stream three-dimensional CNN (Liong, Gan, See, Khor, Huang 2019), on 28 x 28 flow images.

Its three streams, of 3, 5 and 8 filters, see the same image through kernels of one size and join again in one layer, so they
are one convolution of 16 filters. Its input is the same for all runs and in every epoch, so the windows under the kernel
are laid out once for all of them, and a run's convolution is a matrix product

    y [16 filters, places]  =  kernel [16, 27 taps and the bias]  @  windows [28, places]

with the batch in blocks small enough that a block's windows and outputs stay in the processor's cache while ReLU, the
moments of batch normalisation and the pooling read them. Pooling comes before normalisation, so a channel whose scale is
negative keeps the smallest value of a cell. No array of the size of y is kept after its block; the gradient computes it
again.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from merjax.nn.layers.backend import on_cpu
from merjax.nn.layers.dense import dense
from merjax.nn.layers.dropout import dropout
from merjax.nn.layers.initialisers import as_pytorch
from merjax.nn.layers.normalisation import BatchNorm, Moments, weighted_moments

SIDE, CHANNELS, FILTERS = 28, 3, 16
_WIDE = SIDE + 2  # a 3x3 convolution of an image with two pixels of padding
_CELLS = _WIDE // 3  # pooled cells along a side
_PLACES = _CELLS * _CELLS
_TAPS = 9 * CHANNELS + 1
_BLOCK = 16  # samples of a block on a CPU
_GRAY = 128.0  # of flow images where nothing moves


class Windows(NamedTuple):
    """The windows of K batches, and which one of the batches to use.

    Attributes:
        blocks: `[K, J, 28, 9 x 100 x b]`: for K batches in J blocks of b samples, the 27 taps and a one, at the nine
            positions in each of the 100 cells that pooling takes the maximum over.
        batch: which of the K.
        filled: how many of its places hold a sample; the others come last.
    """

    blocks: UInt8[Array, "K J taps M"]
    batch: Int[Array, ""]
    filled: Int[Array, ""]


class STSTNet(nn.Module):
    """Per stream conv 3x3 (3, 5, 8 filters), ReLU, batch normalisation, max-pool 3/3, dropout; then together average-pool
    2/2 and FC K.

    The convolution pads two pixels and the pool one, 28 -> 30 -> 10 -> 5. Values are the images' own, 0 to 255. All weights
    start as PyTorch's do.
    """

    classes: int

    @nn.compact
    def __call__(
        self,
        windows: Windows,
        weight_B: Float[Array, "B"],
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax, of the windows that `prepare` gives; the other arguments as `merjax.nn` says."""
        start = as_pytorch(9 * CHANNELS)
        kernel_HWIO = self.param("kernel", start.kernel, (3, 3, CHANNELS, FILTERS))
        bias_O = self.param("bias", start.bias, (FILTERS,))
        norm = BatchNorm(FILTERS, name="norm")
        pooled_OxMxB, moments = conv_relu_moments_pool(windows, kernel_HWIO, bias_O, norm.scale < 0, weight_B)
        y_OxMxB = norm(pooled_OxMxB, None if key is None else moments)
        if key is not None:
            y_OxMxB = dropout(y_OxMxB, dropout_rate, key)
        half = _CELLS // 2
        y_OxhxwxB = y_OxMxB.reshape(FILTERS, half, 2, half, 2, -1).mean((2, 4))
        y_DxB = y_OxhxwxB.reshape(FILTERS * half * half, -1)
        return dense(self.classes, len(y_DxB), "fc")(y_DxB.T)


def prepare(x_KxCxHxWxB: UInt8[Array, "K C H W B"]) -> UInt8[Array, "K J taps M"]:
    """The windows of K batches; a block that lacks samples is filled up with zeros."""
    batch = x_KxCxHxWxB.shape[-1]
    # on accelerators, a block is a whole batch, since each launch costs time there
    block = _BLOCK if on_cpu() else batch
    x = jnp.pad(x_KxCxHxWxB, ((0, 0), (0, 0), (2, 2), (2, 2), (0, -batch % block)))
    x_KxJxPxB = jnp.moveaxis(x.reshape(len(x), CHANNELS * (_WIDE + 2) ** 2, -1, block), 2, 1)
    x_KxJxPxB = jnp.pad(x_KxJxPxB, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=1)
    windows = jnp.take(x_KxJxPxB, _window_pixels(), axis=2, mode="clip")
    return windows.reshape(*windows.shape[:2], _TAPS, -1)


def _window_pixels() -> Int[np.ndarray, "taps places"]:
    """Which pixel of a padded image, or which one behind it, each tap sees from each of the 9 x 100 places.

    Cells begin one pixel before the image, where there is nothing to pool. The image's last line is in none of the cells but
    counts in the moments, so it is put in that place.
    """
    side = _WIDE + 2
    tap = [c * side * side + i * side + j for i in range(3) for j in range(3) for c in range(CHANNELS)]
    line = np.arange(-1, _WIDE - 1) % _WIDE
    place = (line[:, None] * side + line).reshape(_CELLS, 3, _CELLS, 3).transpose(1, 3, 0, 2).ravel()
    pixels = np.array(tap)[:, None] + place
    return np.concatenate([pixels, np.full((1, len(place)), CHANNELS * side * side)])


def conv_relu_moments_pool(
    windows: Windows,
    kernel_HWIO: Float[Array, "3 3 C O"],
    bias_O: Float[Array, "O"],
    smallest_O: Array,
    weight_B: Float[Array, "B"],
) -> tuple[Float[Array, "O M B"], Moments]:
    """Convolve, add the bias and apply ReLU; then pool, and take the moments of the values before pooling.

    Where values tie, the first in row-major order gets the gradient, as in `conv_relu_moments_pool_reference`, to which
    this is equal up to the rounding of sums.

    Args:
        windows: the images.
        kernel_HWIO, bias_O: of the convolution.
        smallest_O: whether a channel is pooled by its smallest value instead of its largest.
        weight_B: how much each sample counts in the moments.

    Returns:
        The pooled values, and the moments before pooling.
    """
    blocks = windows.blocks.shape[1]
    weight_JxB = jnp.pad(weight_B, (0, _spare(windows, weight_B))).reshape(blocks, -1)
    kernel_OxT = jnp.concatenate([kernel_HWIO.reshape(-1, FILTERS), bias_O[None]]).T
    filled = -(-windows.filled // weight_JxB.shape[1])
    sign_O = jnp.where(smallest_O, -1.0, 1.0)
    pooled_OxMxJxB, mean_O, variance_O = _pooled(kernel_OxT, sign_O, weight_JxB, windows.blocks, windows.batch, filled)
    pooled_OxMxB = pooled_OxMxJxB.reshape(FILTERS, _PLACES, -1)[..., : len(weight_B)]
    return pooled_OxMxB, Moments(mean_O, variance_O, weight_B.sum() * _WIDE * _WIDE)


def conv_relu_moments_pool_reference(
    x_CxHxWxB: Array, kernel_HWIO: Array, bias_O: Array, smallest_O: Array, weight_B: Array
) -> tuple[Float[Array, "O M B"], Moments]:
    """What `conv_relu_moments_pool` computes from the images, written plainly and differentiated by JAX."""
    layout = ("CHWN", "HWIO", "CHWN")
    padding = ((2, 2), (2, 2))
    y_OxHxWxB = lax.conv_general_dilated(x_CxHxWxB, kernel_HWIO, (1, 1), padding, dimension_numbers=layout)
    y_OxHxWxB = jax.nn.relu(y_OxHxWxB + bias_O[:, None, None, None])
    sign_O = jnp.where(smallest_O, -1.0, 1.0)[:, None, None, None]
    window, edge = (1, 3, 3, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
    pooled_OxHxWxB = sign_O * lax.reduce_window(sign_O * y_OxHxWxB, -jnp.inf, lax.max, window, window, edge)
    return pooled_OxHxWxB.reshape(FILTERS, _PLACES, -1), weighted_moments(y_OxHxWxB, weight_B)


def _spare(windows: Windows, weight_B: Array) -> int:
    return windows.blocks.shape[1] * windows.blocks.shape[-1] // (9 * _PLACES) - len(weight_B)


def _outputs(kernel_OxT, blocks_KxJxTxM, batch, j):
    """A block's convolution before ReLU: [O, 9 positions, places, B]."""
    block_TxM = lax.optimization_barrier(blocks_KxJxTxM[batch, j].astype(jnp.float32))
    y_OxM = lax.optimization_barrier(kernel_OxT @ block_TxM)
    return block_TxM, y_OxM.reshape(FILTERS, 9, _PLACES, -1)


@jax.custom_vjp
def _pooled(kernel_OxT, sign_O, weight_JxB, blocks_KxJxTxM, batch, filled):
    return _pooled_forward(kernel_OxT, sign_O, weight_JxB, blocks_KxJxTxM, batch, filled)[0]


def _pooled_forward(kernel_OxT, sign_O, weight_JxB, blocks_KxJxTxM, batch, filled):
    signed_OxT = kernel_OxT * sign_O[:, None]  # then the winner is always the largest
    each_O = (slice(None), None, None)
    # the output for a picture at rest: sums of squares of the distance to it keep their digits
    rest_O = jnp.maximum(kernel_OxT @ jnp.full(_TAPS, _GRAY).at[-1].set(1), 0)
    shape = (FILTERS, _PLACES, *weight_JxB.shape)

    def block(j, carry):
        pooled_OxMxJxB, winner_OxMxJxB, sums_2xO = carry
        _, y_Ox9xMxB = _outputs(signed_OxT, blocks_KxJxTxM, batch, j)
        best_OxMxB, winner_OxMxB, sum_OxMxB, square_OxMxB = lax.optimization_barrier(
            _one_pass(y_Ox9xMxB, sign_O[each_O], rest_O[each_O])
        )
        sums_2xO = sums_2xO + jnp.stack([sum_OxMxB.sum(1), square_OxMxB.sum(1)]) @ weight_JxB[j]
        pooled_OxMxJxB = lax.dynamic_update_index_in_dim(pooled_OxMxJxB, best_OxMxB, j, 2)
        return pooled_OxMxJxB, lax.dynamic_update_index_in_dim(winner_OxMxJxB, winner_OxMxB, j, 2), sums_2xO

    empty = jnp.zeros(shape), jnp.zeros(shape, jnp.uint8), jnp.zeros((2, FILTERS))
    pooled_OxMxJxB, winner_OxMxJxB, sums_2xO = lax.fori_loop(0, filled, block, empty)
    each = 1 / jnp.maximum(weight_JxB.sum() * 9 * _PLACES, 1e-9)
    off_O, square_O = sums_2xO * each
    mean_O, variance_O = rest_O + off_O, square_O - jnp.square(off_O)
    residuals = kernel_OxT, weight_JxB, blocks_KxJxTxM, batch, filled, winner_OxMxJxB, mean_O, each
    return (pooled_OxMxJxB, mean_O, variance_O), residuals


def _pooled_backward(residuals, cotangents):
    kernel_OxT, weight_JxB, blocks_KxJxTxM, batch, filled, winner_OxMxJxB, mean_O, each = residuals
    dpooled_OxMxJxB, dmean_O, dvariance_O = cotangents
    # of an output y that the moments hold with weight w: w / count (dmean + 2 (y - mean) dvariance)
    constant_O, slope_O = (dmean_O - 2 * dvariance_O * mean_O) * each, 2 * dvariance_O * each

    def block(j, dkernel_TxO):
        block_TxM, y_Ox9xMxB = _outputs(kernel_OxT, blocks_KxJxTxM, batch, j)
        position_9 = jnp.arange(9, dtype=jnp.uint8)[:, None, None]
        wins_Ox9xMxB = winner_OxMxJxB[:, None, :, j] == position_9
        constant_Ox1x1x1, slope_Ox1x1x1 = (v_O[:, None, None, None] for v_O in (constant_O, slope_O))
        dy_Ox9xMxB = weight_JxB[j] * (constant_Ox1x1x1 + slope_Ox1x1x1 * y_Ox9xMxB)
        dy_Ox9xMxB += jnp.where(wins_Ox9xMxB, dpooled_OxMxJxB[:, None, :, j], 0)
        dy_OxM = lax.optimization_barrier(jnp.where(y_Ox9xMxB > 0, dy_Ox9xMxB, 0)).reshape(FILTERS, -1)
        return dkernel_TxO + lax.optimization_barrier(lax.dot_general(block_TxM, dy_OxM, (((1,), (1,)), ((), ()))))

    dkernel_TxO = lax.fori_loop(0, filled, block, jnp.zeros(kernel_OxT.shape[::-1]))
    return dkernel_TxO.T, None, None, None, None, None


_pooled.defvjp(_pooled_forward, _pooled_backward)


def _one_pass(y_Ox9xMxB, sign_Ox1x1, rest_Ox1x1):
    """All that is needed from a block's outputs.

    Returns:
        For each cell, [O, places, B]: the largest signed value, with its sign restored, after ReLU; the first position inside
        the image that has it; and the sums over its positions of the ReLU's distance to the rest, and of its square.
    """
    best, winner = jnp.full((), -jnp.inf), jnp.zeros((), jnp.uint8)
    total = square = jnp.zeros(())
    for position in range(9):
        y_OxMxB = y_Ox9xMxB[:, position]
        off_OxMxB = jnp.maximum(sign_Ox1x1 * y_OxMxB, 0) - rest_Ox1x1
        total, square = total + off_OxMxB, square + jnp.square(off_OxMxB)
        if not _POOLED[position].all():
            y_OxMxB = jnp.where(_POOLED[position], y_OxMxB, -jnp.inf)
        winner = jnp.where(y_OxMxB > best, jnp.uint8(position), winner)
        best = jnp.maximum(best, y_OxMxB)
    return jnp.maximum(sign_Ox1x1 * best, 0), winner, total, square


def _pooled_places() -> np.ndarray:
    """Whether a position of a cell is pooled: not the line that `prepare` puts before the image. [9, places, 1]."""
    inside = np.ones((_WIDE, _WIDE), bool)
    inside[0] = inside[:, 0] = False
    return inside.reshape(_CELLS, 3, _CELLS, 3).transpose(1, 3, 0, 2).reshape(9, _PLACES, 1)


_POOLED = _pooled_places()
