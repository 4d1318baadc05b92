"""The shallow CNN of the paper's Eq. 2 and Fig. 8 and the simple CNN of its Table 6, for one region."""

import functools
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.cells import Pooling
from merjax.nn.layers.conv_layers import ConvReluPool
from merjax.nn.layers.convolution import max_pool
from merjax.nn.layers.convolution_runs import EXACT, Computing, Pixels
from merjax.nn.layers.dropout import dropout
from merjax.nn.layers.initialisers import STARTS, Initial, Start

FEATURES = 20


class SpatialForm(NamedTuple):
    """What the networks of the regions look like; `merjax.config.SpatialConfig` explains each.

    Attributes:
        network: "shallow", "simple" or "patches".
        pooling: of odd sizes.
        initial: the initial weights.
        drop_features: whether dropout follows the features, too.
        patches: the number of patches of "patches".
        computing: how accelerators compute the convolutions; it changes nothing of what they look like.
    """

    network: Literal["shallow", "simple", "patches"] = "shallow"
    pooling: Pooling = "floor"
    initial: Initial = "he"
    drop_features: bool = False
    patches: int = 16
    computing: Computing = EXACT


PAPERS_SPATIAL = SpatialForm()


class RegionCNN(nn.Module):
    """What the networks of a region share: the FC layers of Eq. 2 from the convolutions' averages to 20 features to scores.

    ReLU follows every layer but the last; dropout follows FC 1024 and FC 250, and FC 20 if the form says so. Images are
    [C, H, W, B] in [0, 1] or centred, at least 8 x 8 pixels. Convolutions are SAME. Zero biases.
    """

    classes: int
    form: SpatialForm = PAPERS_SPATIAL
    features_D: ClassVar[int] = FEATURES

    def setup(self):
        self.convolutions()
        dense = functools.partial(nn.Dense, kernel_init=self.start.dense)
        self.fc1024, self.fc250, self.fc20 = dense(1024), dense(250), dense(FEATURES)
        self.out = nn.Dense(self.classes, kernel_init=self.start.last)

    @property
    def start(self) -> Start:
        """The initial weights."""
        return STARTS[self.form.initial]

    def __call__(
        self,
        x_CxHxWxB: Float[Array, "C H W B"] | Pixels,
        dropout_rate: Float[Array, ""] | float,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        """Scores before the softmax. `dropout_rate` may be traced; without a key nothing is dropped."""
        return self.classify(self.pooled(x_CxHxWxB), dropout_rate, key)

    def features(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "B 20"]:
        """The spatial features SF of Eq. 2: FC 20 after its ReLU, in inference mode."""
        return self.reduce(self.pooled(x_CxHxWxB), 0.0, None)

    def convolutions(self) -> None:
        """Make the convolutions."""
        raise NotImplementedError

    def pooled(self, x_CxHxWxB: Float[Array, "C H W B"] | Pixels) -> Float[Array, "B D"]:
        """The last convolutions' channels (72 of both networks here), averaged over the region."""
        raise NotImplementedError

    @property
    def reducing(self) -> Sequence[nn.Dense]:
        """The FC layers up to the features, which are the last one's output: FC 1024, FC 250 and FC 20 of Eq. 2."""
        return self.fc1024, self.fc250, self.fc20

    def reduce(self, b_BxD: Float[Array, "B D"], dropout_rate, key: PRNGKeyArray | None) -> Float[Array, "B 20"]:
        """SF of Eq. 2: FC_20(FC_250(FC_1024(B)))."""
        *layers, last = self.reducing
        for i, layer in enumerate(layers):
            b_BxD = nn.relu(layer(b_BxD))
            if key is not None:
                b_BxD = dropout(b_BxD, dropout_rate, jax.random.fold_in(key, i))
        return nn.relu(last(b_BxD))

    def classify(self, b_BxD: Float[Array, "B D"], dropout_rate, key: PRNGKeyArray | None) -> Float[Array, "B K"]:
        """Out of Eq. 2 before its softmax: FC_k(SF)."""
        sf_BxD = self.reduce(b_BxD, dropout_rate, key)
        if key is not None and self.form.drop_features:
            sf_BxD = dropout(sf_BxD, dropout_rate, jax.random.fold_in(key, len(self.reducing) - 1))
        return self.out(sf_BxD)

    def conv_relu_pool(self, filters: int, size: int) -> ConvReluPool:
        """A convolution with its pool, as the form has them."""
        return ConvReluPool(filters, size, self.form.pooling, self.start.convolution, self.form.computing)


class ShallowCNN(RegionCNN):
    """The paper's network: A = MP(Conv_8^3(MP(Conv_4^5))), B = GAP(concat MP(Conv_16^i(A))), then FC layers."""

    def convolutions(self) -> None:
        self.conv5, self.conv3 = self.conv_relu_pool(4, 5), self.conv_relu_pool(8, 3)
        self.branches = [self.conv_relu_pool(16, size) for size in (1, 3, 5, 7)]

    def maps(self, x_CxHxWxB: Float[Array, "C H W B"] | Pixels) -> list[Float[Array, "_ h w B"]]:
        """The maps of the five branches of Eq. 2 (identity, 1, 3, 5, 7): 8 channels and four times 16."""
        a_CxHxWxB = self.conv3(self.conv5(x_CxHxWxB))
        return [max_pool(a_CxHxWxB, self.form.pooling), *(branch(a_CxHxWxB) for branch in self.branches)]

    def pooled(self, x_CxHxWxB: Float[Array, "C H W B"] | Pixels) -> Float[Array, "B 72"]:
        """B of Eq. 2: the branches' channels averaged over the region."""
        return jnp.concatenate([b.astype(jnp.float32).mean((1, 2)) for b in self.maps(x_CxHxWxB)]).T


class SimpleCNN(RegionCNN):
    """The classic CNN of Table 6: GAP(MP(Conv_72^3(MP(Conv_16^3(MP(Conv_4^3)))))), then the same FC layers.

    The paper shows its classic CNN in Fig. 10 only and gives no sizes, so this one is merjax's: a plain stack that
    differs from `ShallowCNN` in the way it is wired and in nothing else that could explain a difference. It has as many
    pools, as many channels before the FC layers (72), 11,072 parameters of convolutions against 11,216 and 828
    multiply-adds per pixel against 844. The average instead of a flattened map makes it fit regions of every size.
    """

    def convolutions(self) -> None:
        self.stack = [self.conv_relu_pool(filters, 3) for filters in (4, 16, 72)]

    def pooled(self, x_CxHxWxB: Float[Array, "C H W B"] | Pixels) -> Float[Array, "B 72"]:
        """The last map's channels averaged over the region."""
        first, *others = self.stack
        y_CxHxWxB = first(x_CxHxWxB)
        for layer in others:
            y_CxHxWxB = layer(y_CxHxWxB)
        return y_CxHxWxB.astype(jnp.float32).mean((1, 2)).T
