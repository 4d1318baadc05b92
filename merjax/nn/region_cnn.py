"""The shallow CNN of the paper's Eq. 2 and Fig. 8 and the simple CNN of its Table 6, for one region and for all of them."""

import functools
from collections.abc import Callable
from typing import Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.convolution import conv_relu_pool, max_pool
from merjax.nn.layers.dropout import dropout

FEATURES = 20
Params = dict

_he = nn.initializers.he_normal()


class ConvReluPool(nn.Module):
    """MP(Conv) with a ReLU between them: `filters` filters of `size` x `size`."""

    filters: int
    size: int

    @nn.compact
    def __call__(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "O h w B"]:
        kernel_HWIO = self.param("kernel", _he, (self.size, self.size, x_CxHxWxB.shape[0], self.filters))
        bias_O = self.param("bias", nn.initializers.zeros, (self.filters,))
        return conv_relu_pool(x_CxHxWxB, kernel_HWIO, bias_O)


class _RegionCNN(nn.Module):
    """What both networks of a region share: the FC layers of Eq. 2 from the convolutions' averages to 20 features to scores.

    ReLU follows every layer but the last; dropout follows FC 1024 and FC 250. Images are [C, H, W, B] in [0, 1] or
    centred, at least 8 x 8 pixels. Convolutions are SAME, pooling floors. He initialisation, zero biases.
    """

    classes: int

    def setup(self):
        self.convolutions()
        dense = functools.partial(nn.Dense, kernel_init=_he)
        self.fc1024, self.fc250, self.fc20, self.out = dense(1024), dense(250), dense(FEATURES), dense(self.classes)

    def __call__(
        self, x_CxHxWxB: Float[Array, "C H W B"], dropout_rate: Float[Array, ""] | float, key: PRNGKeyArray | None
    ) -> Float[Array, "B K"]:
        """Scores before the softmax. `dropout_rate` may be traced; without a key nothing is dropped."""
        return self.classify(self.pooled(x_CxHxWxB), dropout_rate, key)

    def features(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "B 20"]:
        """The spatial features SF of Eq. 2: FC 20 after its ReLU, in inference mode."""
        return self.reduce(self.pooled(x_CxHxWxB), 0.0, None)

    def convolutions(self) -> None:
        """Make the convolutions."""
        raise NotImplementedError

    def pooled(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "B 72"]:
        """The last convolutions' 72 channels, averaged over the region."""
        raise NotImplementedError

    def reduce(self, b_BxD: Float[Array, "B 72"], dropout_rate, key: PRNGKeyArray | None) -> Float[Array, "B 20"]:
        """SF of Eq. 2: FC_20(FC_250(FC_1024(B)))."""
        for i, layer in enumerate((self.fc1024, self.fc250)):
            b_BxD = nn.relu(layer(b_BxD))
            if key is not None:
                b_BxD = dropout(b_BxD, dropout_rate, jax.random.fold_in(key, i))
        return nn.relu(self.fc20(b_BxD))

    def classify(self, b_BxD: Float[Array, "B 72"], dropout_rate, key: PRNGKeyArray | None) -> Float[Array, "B K"]:
        """Out of Eq. 2 before its softmax: FC_k(SF)."""
        return self.out(self.reduce(b_BxD, dropout_rate, key))


class ShallowCNN(_RegionCNN):
    """The paper's network: A = MP(Conv_8^3(MP(Conv_4^5))), B = GAP(concat MP(Conv_16^i(A))), then FC layers."""

    def convolutions(self) -> None:
        self.conv5, self.conv3 = ConvReluPool(4, 5), ConvReluPool(8, 3)
        self.branches = [ConvReluPool(16, size) for size in (1, 3, 5, 7)]

    def pooled(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "B 72"]:
        """B of Eq. 2: the five branches' channels (identity, 1, 3, 5, 7) averaged over the region."""
        a_CxHxWxB = self.conv3(self.conv5(x_CxHxWxB))
        b_CxHxWxB = [max_pool(a_CxHxWxB), *(branch(a_CxHxWxB) for branch in self.branches)]
        return jnp.concatenate([b.mean((1, 2)) for b in b_CxHxWxB]).T


class SimpleCNN(_RegionCNN):
    """The classic CNN of Table 6: GAP(MP(Conv_72^3(MP(Conv_16^3(MP(Conv_4^3)))))), then the same FC layers.

    The paper shows its classic CNN in Fig. 10 only and gives no sizes, so this one is merjax's: a plain stack that
    differs from `ShallowCNN` in the way it is wired and in nothing else that could explain a difference. It has as many
    pools, as many channels before the FC layers (72), 11,072 parameters of convolutions against 11,216 and 828
    multiply-adds per pixel against 844. The average instead of a flattened map makes it fit regions of every size.
    """

    def convolutions(self) -> None:
        self.stack = [ConvReluPool(filters, 3) for filters in (4, 16, 72)]

    def pooled(self, x_CxHxWxB: Float[Array, "C H W B"]) -> Float[Array, "B 72"]:
        """The last map's channels averaged over the region."""
        for layer in self.stack:
            x_CxHxWxB = layer(x_CxHxWxB)
        return x_CxHxWxB.mean((1, 2)).T


Network = Literal["shallow", "simple"]
NETWORKS: dict[Network, type[_RegionCNN]] = {"shallow": ShallowCNN, "simple": SimpleCNN}


def init_regions(
    key: PRNGKeyArray, classes_R: tuple[int, ...], channels: int = 1, network: Network = "shallow"
) -> Params:
    """Parameters of one network per region, every leaf with a leading region axis.

    Regions have different numbers of classes k(r). All heads are as wide as the widest; `apply_regions` sets the scores
    beyond k(r) to -inf, so those columns get no gradient and never move: they are dead.
    """
    model = NETWORKS[network](max(classes_R))
    x_CxHxWxB = jnp.zeros((channels, 8, 8, 1))
    return jax.vmap(lambda key: model.init(key, x_CxHxWxB, 0.0, None)["params"])(jax.random.split(key, len(classes_R)))


def apply_regions(
    params: Params,
    x: tuple[Float[Array, "C _ _ B"], ...],
    dropout_rate: Float[Array, ""] | np.float32 | float,
    key: PRNGKeyArray | None,
    classes_R: tuple[int, ...],
    network: Network = "shallow",
) -> Float[Array, "R B K"]:
    """Scores of every region before the softmax, -inf beyond a region's own k(r) classes.

    Args:
        params: from `init_regions`.
        x: one array of images per region, [C, H_r, W_r, B].
        dropout_rate: may be traced; without a key nothing is dropped.
        key: dropout's randomness.
        classes_R, network: as given to `init_regions`.
    """
    model = NETWORKS[network](max(classes_R))
    keys_R = None if key is None else jax.random.split(key, len(x))
    classify = _method(model, "classify")
    b_RxBxD = _pooled_regions(params, x, network)
    logits_RxBxK = jax.vmap(
        lambda params, b_BxD, key: classify({"params": params}, b_BxD, dropout_rate, key),
        in_axes=(0, 0, None if key is None else 0),
    )(params, b_RxBxD, keys_R)
    live_RxK = jnp.arange(model.classes) < jnp.array(classes_R)[:, None]
    return jnp.where(live_RxK[:, None], logits_RxBxK, -jnp.inf)


def features_regions(
    params: Params, x: tuple[Float[Array, "C _ _ B"], ...], network: Network = "shallow"
) -> Float[Array, "B R 20"]:
    """The spatial features SF(r) of Eq. 2 of every region, in inference mode."""
    reduce = _method(NETWORKS[network](params["out"]["bias"].shape[1]), "reduce")
    b_RxBxD = _pooled_regions(params, x, network)
    return jax.vmap(lambda params, b_BxD: reduce({"params": params}, b_BxD, 0.0, None), out_axes=1)(params, b_RxBxD)


def _pooled_regions(params: Params, x: tuple[Float[Array, "C _ _ B"], ...], network: Network) -> Float[Array, "R B 72"]:
    pooled = _method(NETWORKS[network](1), "pooled")
    return jnp.stack([pooled({"params": region}, image) for region, image in zip(_unstack(params), x, strict=True)])


def _method(model: nn.Module, name: str) -> Callable[..., Array]:
    """A network's method as a function of its variables and inputs."""
    return cast(Callable[..., Array], functools.partial(model.apply, method=name))


def _unstack(params: Params) -> list[Params]:
    """One tree per region. Split, not indexed: the gradient is one concatenation instead of a sum of padded arrays."""
    leaves, tree = jax.tree.flatten(params)
    leaves = [[part.squeeze(0) for part in jax.lax.split(leaf, (1,) * leaf.shape[0])] for leaf in leaves]
    return [jax.tree.unflatten(tree, region) for region in zip(*leaves, strict=True)]
