"""The networks of all regions together: the paper's CNN, a simple one, or the successor's on patches."""

import functools
from collections.abc import Callable, Sequence
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, PRNGKeyArray

from merjax.nn.layers.backend import on_cpu
from merjax.nn.layers.convolution_runs import Pixels
from merjax.nn.patch_cnn import PatchCNN, over, resized
from merjax.nn.shallow_cnn import PAPERS_SPATIAL, RegionCNN, ShallowCNN, SimpleCNN, SpatialForm

Params = dict
Image = Float[Array, "C _ _ B"] | Pixels

NETWORKS: dict[str, type[RegionCNN]] = {"shallow": ShallowCNN, "simple": SimpleCNN, "patches": PatchCNN}


def network_of(form: SpatialForm, classes: int = 1) -> RegionCNN:
    """The network of one region."""
    return NETWORKS[form.network](classes, form)


def init_regions(
    key: PRNGKeyArray, classes_R: tuple[int, ...], channels: int = 1, form: SpatialForm = PAPERS_SPATIAL
) -> Params:
    """Parameters of one network per region, every leaf with a leading region axis.

    Regions have different numbers of classes k(r). All heads are as wide as the widest; `apply_regions` sets the scores
    beyond k(r) to -inf, so those columns get no gradient and never move: they are dead.
    """
    model = network_of(form, max(classes_R))
    x_CxHxWxB = jnp.zeros((channels, 8, 8, 1))
    keys_R = jax.random.split(key, len(classes_R))
    params = jax.vmap(lambda key: model.init(key, x_CxHxWxB, 0.0, None)["params"])(keys_R)
    if form.initial == "normal":  # its last layer's weights depend on how wide the layer is
        widest_R, own_R = (model.features_D + np.array(k) for k in ([max(classes_R)] * len(classes_R), classes_R))
        params["out"]["kernel"] *= np.sqrt(widest_R / own_R)[:, None, None].astype(np.float32)
    return params


def apply_regions(
    params: Params,
    x: tuple[Image, ...],
    dropout_rate: Float[Array, ""] | np.float32 | float,
    key: PRNGKeyArray | None,
    classes_R: tuple[int, ...],
    form: SpatialForm = PAPERS_SPATIAL,
) -> Float[Array, "R B K"]:
    """Scores of every region before the softmax, -inf beyond a region's own k(r) classes.

    Args:
        params: from `init_regions`.
        x: one array of images per region, [C, H_r, W_r, B]; on accelerators it may be `Pixels`.
        dropout_rate: may be traced; without a key nothing is dropped.
        key: dropout's randomness.
        classes_R, form: as given to `init_regions`.
    """
    model = network_of(form, max(classes_R))
    keys_R = None if key is None else jax.random.split(key, len(x))
    classify = _method(model, "classify")
    b_RxBxD = _pooled_regions(params, x, form)
    logits_RxBxK = jax.vmap(
        lambda params, b_BxD, key: classify({"params": params}, b_BxD, dropout_rate, key),
        in_axes=(0, 0, None if key is None else 0),
    )(params, b_RxBxD, keys_R)
    live_RxK = jnp.arange(model.classes) < jnp.array(classes_R)[:, None]
    return jnp.where(live_RxK[:, None], logits_RxBxK, -jnp.inf)


def features_regions(params: Params, x: tuple[Image, ...], form: SpatialForm = PAPERS_SPATIAL) -> Float[Array, "B R D"]:
    """The spatial features SF(r) of Eq. 2 of every region, in inference mode: 20 a region, of patches 256."""
    reduce = _method(network_of(form), "reduce")
    b_RxBxD = _pooled_regions(params, x, form)
    return jax.vmap(lambda params, b_BxD: reduce({"params": params}, b_BxD, 0.0, None), out_axes=1)(params, b_RxBxD)


def _pooled_regions(params: Params, x: tuple[Image, ...], form: SpatialForm) -> Float[Array, "R B D"]:
    pooled = _method(network_of(form), "pooled")
    if form.network == "patches":  # resized regions have one size, so that one program serves them all
        x_RxCxHxWxB = jnp.stack([resized(image) for image in x])
        return over(lambda region, image: pooled({"params": region}, image))(params, x_RxCxHxWxB)
    networks = [{"params": region} for region in _unstack(params)]
    if on_cpu():
        return jnp.stack([pooled(network, image) for network, image in zip(networks, x, strict=True)])
    return _one_body_per_size(pooled, networks, x)


def _one_body_per_size(
    pooled: Callable[..., Array], networks: Sequence[Params], x: Sequence[Image]
) -> Float[Array, "R B D"]:
    """Regions of one size, such as both eyes, go through the convolutions side by side: fewer and larger kernels, and fewer of
    them to compile."""
    of_size: dict[tuple[int, ...], list[int]] = {}
    for r, image in enumerate(x):
        of_size.setdefault(image.shape, []).append(r)
    found: dict[int, Array] = {}
    for members in of_size.values():
        stacked = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *(of[r] for r in members)) for of in (networks, x)]
        found |= dict(zip(members, jax.vmap(pooled)(*stacked), strict=True))
    return jnp.stack([found[r] for r in range(len(x))])


def _method(model: nn.Module, name: str) -> Callable[..., Array]:
    """A network's method as a function of its variables and inputs."""
    return cast(Callable[..., Array], functools.partial(model.apply, method=name))


def _unstack(params: Params) -> list[Params]:
    """One tree per region. Split, not indexed: the gradient is one concatenation instead of a sum of padded arrays."""
    leaves, tree = jax.tree.flatten(params)
    leaves = [[part.squeeze(0) for part in jax.lax.split(leaf, (1,) * leaf.shape[0])] for leaf in leaves]
    return [jax.tree.unflatten(tree, region) for region in zip(*leaves, strict=True)]
