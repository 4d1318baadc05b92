"""The successor's network of a region, as in the code published in 2022: a trunk per patch, a gate, and FC layers.

Every region, whatever its size, is resized to 200 rows and 140 columns and cut into m equal patches. Trunks share nothing.
With four patches a patch has 100 x 70 pixels, with sixteen 50 x 35. For nine the code leaves the size open; merjax takes
66 x 46, and drops the last two rows and columns.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from merjax.nn.layers.backend import on_cpu
from merjax.nn.layers.conv_layers import Conv
from merjax.nn.layers.convolution_runs import Pixels
from merjax.nn.shallow_cnn import RegionCNN, ShallowCNN, SpatialForm

ROWS, COLUMNS = 200, 140
PATCHES = (4, 9, 16)


class Trunk(ShallowCNN):
    """The convolutions of `ShallowCNN` alone, on one patch."""

    def setup(self):
        self.convolutions()

    def stacked(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "72 h w B"]:
        """The five branches' maps as channels of one."""
        return jnp.concatenate(self.maps(x_CxHxWxB))


class Trunks(nn.Module):
    """A trunk of its own for each of M patches; their parameters have a leading axis M."""

    form: SpatialForm

    @nn.compact
    def __call__(self, x_MxCxHxWxB: Float[Array, "M C H W B"]) -> Float[Array, "M 72 h w B"]:
        trunk = Trunk(0, self.form, parent=None)
        small_CxHxWxB = jnp.zeros((x_MxCxHxWxB.shape[1], 8, 8, 1))

        def start(key):
            keys_M = jax.random.split(key, len(x_MxCxHxWxB))
            return jax.vmap(lambda key: trunk.init(key, small_CxHxWxB, method="stacked")["params"])(keys_M)

        params = self.param("of_patches", start)
        return over(lambda params, x: trunk.apply({"params": params}, x, method="stacked"))(params, x_MxCxHxWxB)


class PatchCNN(RegionCNN):
    """Trunks, their channels joined; a gate of each position; Conv_162^1, GAP, FC 2048, FC 256, FC k.

    The gate multiplies the joined channels D by sigmoid(Conv_D^1(ReLU(Conv_{D/4}^1(.)))). It pools nothing, so it is no
    squeeze-and-excitation in the sense of Hu et al. 2018. Dropout follows FC 2048, and FC 256 if the form says so. The features
    are the 256 values.
    """

    features_D: ClassVar[int] = 256

    def setup(self):
        self.convolutions()
        dense = functools.partial(nn.Dense, kernel_init=self.start.dense)
        self.fc2048, self.fc256 = dense(2048), dense(self.features_D)
        self.out = nn.Dense(self.classes, kernel_init=self.start.last)

    def convolutions(self) -> None:
        conv = functools.partial(Conv, size=1, initial=self.start.convolution)
        joined = 72 * self.form.patches
        self.trunks = Trunks(self.form)
        self.gate_in, self.gate_out, self.merge = conv(joined // 4), conv(joined), conv(162)

    def pooled(self, x_CxHxWxB: Float[Array, "C H W B"] | Pixels) -> Float[Array, "B 162"]:
        """The 162 channels that are made of all patches, averaged over the positions of a patch."""
        maps_MxDxhxwxB = self.trunks(cut(resized(x_CxHxWxB), self.form.patches))
        joined_DxhxwxB = maps_MxDxhxwxB.reshape(-1, *maps_MxDxhxwxB.shape[2:])
        gate_DxhxwxB = nn.sigmoid(self.gate_out(nn.relu(self.gate_in(joined_DxhxwxB))))
        return nn.relu(self.merge(joined_DxhxwxB * gate_DxhxwxB)).mean((1, 2)).T

    @property
    def reducing(self) -> Sequence[nn.Dense]:
        return self.fc2048, self.fc256


def resized(x_CxHxWxB: Float[Array, "C H W B"] | Pixels) -> Float[Array, "C 200 140 B"]:
    """Images of any size in 200 rows and 140 columns: bilinear, pixels' centres at halves, not smoothed where they shrink.

    200 is 4 times half of the regions' mean width, 140 of their mean height: the code takes width for rows, so shapes change.
    """
    numbers = x_CxHxWxB.numbers() if isinstance(x_CxHxWxB, Pixels) else x_CxHxWxB
    channels, _, _, batch = numbers.shape
    return jax.image.resize(numbers, (channels, ROWS, COLUMNS, batch), "bilinear", antialias=False)


def cut(x_CxHxWxB: Float[Array, "C H W B"], patches: int) -> Float[Array, "M C h w B"]:
    """Images cut into equal patches, row by row; what is left over at the ends is dropped."""
    channels, rows, columns, batch = x_CxHxWxB.shape
    side = math.isqrt(patches)
    rows, columns = rows // side, columns // side
    x = x_CxHxWxB[:, : side * rows, : side * columns].reshape(channels, side, rows, side, columns, batch)
    return x.transpose(1, 3, 0, 2, 4, 5).reshape(patches, channels, rows, columns, batch)


def over(f: Callable) -> Callable[..., Any]:
    """`f` over a leading axis of its arguments: side by side, but on a CPU one after another, so that what one of them works
    on stays in the cache of the core."""
    if on_cpu():
        return lambda *args: lax.map(lambda own: f(*own), args)
    return jax.vmap(f)
