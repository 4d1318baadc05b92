"""What trained networks use: features over time, the decision after each frame, regions, pixels.

`regions` and `saliency` take a saved model and open the data that it was trained on. The functions below them take one run's
networks (`networks_of`) and arrays, and return arrays. Ask about the clips that the run held out.

>>> model = merjax.load_model("runs/mine/models/focal/seed0/casme2-sub01")
>>> networks, data = insight.networks_of(model), merjax.load_data("stores/mine", frames="count:4")
>>> insight.features_of(networks, insight.images_of(data, 0)).shape
(4, 6, 20)
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from merjax.methods.local_regions import frames_of
from merjax.methods.registry import method_of
from merjax.methods.spatial_stage import normalised, spatial_form
from merjax.methods.temporal_stage import temporal_kind
from merjax.models.model import Model
from merjax.nn.region_cnn import features_regions
from merjax.nn.region_lstm import PAPERS_TEMPORAL, TemporalClassifier, TemporalForm
from merjax.nn.shallow_cnn import PAPERS_SPATIAL, SpatialForm
from merjax.protocols import scheme_of
from merjax.system.errors import MerjaxError, meant
from merjax.system.jax_setup import compiler_options
from merjax.training.data import TrainingData, data_of

Images = tuple[Float[np.ndarray, "C _ _ S"], ...]
BLOCK = 32  # frames that go through the spatial networks together; one size, for one compilation


class Networks(NamedTuple):
    """One run's trained networks and what was fitted with them.

    Attributes:
        spatial: parameters of the spatial stage, leaves `[R, ...]`.
        temporal: parameters of the temporal stage.
        mean_RxC, scale_RxC: of the spatial stage's input, fitted on the training frames.
        mask_R: 1 for the regions that reach the classifier.
        form, temporal_form: what the networks of the two stages look like.
    """

    spatial: Any
    temporal: Any
    mean_RxC: Float[np.ndarray, "R C"]
    scale_RxC: Float[np.ndarray, "R C"]
    mask_R: Float[np.ndarray, "R"]
    form: SpatialForm = PAPERS_SPATIAL
    temporal_form: TemporalForm = PAPERS_TEMPORAL


def networks_of(model: Model) -> Networks:
    """The networks of a saved model.

    Raises:
        MerjaxError: the model's method looks at no regions; it tells several classes of a clip; or it was trained with
            `temporal.mask: false` and decides only after the padding.
    """
    if method_of(model.config.method).pictures(model.config) == "clip flow":
        raise MerjaxError(f"the model is of the method {model.config.method}, which has no regions to ask about")
    if scheme_of(model.config.data.protocol, model.config.data.class_iv).several:
        raise MerjaxError(
            f"the model tells which of {', '.join(model.classes)} a clip has, and this figure needs one class per clip; train "
            "one with a protocol of emotions or with au5"
        )
    if not model.config.temporal.mask:
        raise MerjaxError(
            "the model reads its LSTMs after the padding (temporal.mask: false), so there is no decision after each frame; "
            "train one with temporal.mask: true"
        )
    if model.config.temporal.integer_features:
        raise MerjaxError(
            "the model cuts its features to integers (temporal.integer_features: true), so no pixel moves its decision by a "
            "little; train one with temporal.integer_features: false"
        )
    spatial, temporal = model.learned["spatial"], model.learned["temporal"]
    return Networks(
        spatial.variables.params,
        temporal.variables.params,
        np.asarray(spatial.numbers["mean_RxC"], np.float32),
        np.asarray(spatial.numbers["scale_RxC"], np.float32),
        np.asarray(temporal.numbers["mask_R"], np.float32),
        spatial_form(model.config.spatial),
        temporal_kind(model.config.temporal).form,
    )


def images_of(data: TrainingData, clip: int) -> Images:
    """The frames in use of a clip, given by its row, as the networks take them: per region `[C, H, W, T]`."""
    sample_T = np.flatnonzero(data.clip_S == clip)
    return tuple(x[0] for x in frames_of(data).gather(sample_T[None]))


def regions(model: Model, *, data: TrainingData | None = None) -> pd.DataFrame:
    """How much each region adds to the right class, in the clips that a model's run held out.

    >>> evidence = insight.regions(model)
    >>> evidence.groupby("region")[["drop", "saliency"]].mean().shape
    (6, 2)

    Args:
        model: the model of a run.
        data: the data that it was trained on; None opens the store that its settings name.

    Returns:
        A row per (clip, region): database, subject, clip, emotion, class, region; `drop`, the probability of the right class
        less that with the region switched off (`without_each_region`); `saliency`, the region's share of the summed
        absolute gradient of the right class's score (`pixel_gradients`). If the model leaks, a column `leaks` says how.

    Raises:
        MerjaxError: there is no such store, or the model has no regions or no decisions after each frame (see `networks_of`).
    """
    networks = networks_of(model)
    data = data or data_of(model.config.data)
    (fold,) = [fold for fold in data.folds if fold.name == model.card["fold"]]
    rows = []
    for n in map(int, np.flatnonzero(fold.test_N)):
        images, target = images_of(data, n), int(data.target_N[n])
        features_1xTxRxD, length_1 = features_of(networks, images)[None], data.length_N[[n]]
        whole = probabilities(networks, features_1xTxRxD, length_1)[0, target]
        drop_R = whole - without_each_region(networks, features_1xTxRxD, length_1)[:, 0, target]
        gradient_R = np.array([gradient.sum() for gradient in pixel_gradients(networks, images, target)])
        own = data.index.loc[n, ["database", "subject", "clip", "emotion"]].to_dict()
        own |= {"leaks": model.card["leaks"]} if "leaks" in model.card else {}
        rows += [
            own | {"class": data.classes[target], "region": region.name, "drop": drop, "saliency": share}
            for region, drop, share in zip(data.streams, drop_R, gradient_R / gradient_R.sum(), strict=True)
        ]
    return pd.DataFrame(rows)


def saliency(
    model: Model, clip: str, *, target: str | None = None, data: TrainingData | None = None
) -> dict[str, Float[np.ndarray, "T _ _"]]:
    """How much each pixel of a clip's frames moves a model's decision; see `pixel_gradients`.

    >>> maps = insight.saliency(model, "casme2/sub01/EP01_01")
    >>> maps["mouth"].shape
    (4, 60, 160)

    Args:
        model: the model of a run.
        clip: "database/subject/clip", as in `Clip.key` and in the index of a store.
        target: the class in question; None for the right one.
        data: the data that the model was trained on; None opens the store that its settings name.

    Returns:
        By region, `frames in use x height x width`, in 1 / gray level (of 255).

    Raises:
        MerjaxError: there is no such clip, class or store, or the model has no regions (see `networks_of`).
    """
    networks = networks_of(model)
    data = data or data_of(model.config.data)
    n = _place_of(clip, data)
    if target is not None and target not in data.classes:
        raise MerjaxError(f"there is no class {target!r}; write one of {', '.join(data.classes)}")
    k = int(data.target_N[n]) if target is None else data.classes.index(target)
    maps = pixel_gradients(networks, images_of(data, n), k)
    return {region.name: of_frames for region, of_frames in zip(data.streams, maps, strict=True)}


def _place_of(clip: str, data: TrainingData) -> int:
    keys = (data.index["database"] + "/" + data.index["subject"] + "/" + data.index["clip"]).tolist()
    if clip not in keys:
        near = meant(clip, keys) or f"; its first one is {keys[0]}"
        raise MerjaxError(f"{data.store.path} has no clip {clip!r} under {data.scheme.name}{near}")
    return keys.index(clip)


def features_of(networks: Networks, images: Images) -> Float[np.ndarray, "S R D"]:
    """The spatial features of S frames.

    Args:
        networks: of a run.
        images: per region, gray values or differences of them from 0 to 255, as the pipeline gathers them.
    """
    frames = images[0].shape[-1]
    compute = functools.partial(_compiled(_features, 0), *_spatial(networks))
    return np.concatenate([compute(block) for block in _blocks(images)])[:frames]


def probabilities(
    networks: Networks, features_NxTxRxD: Float[np.ndarray, "N T R D"], length_N: Int[np.ndarray, "N"], mask_R=None
) -> Float[np.ndarray, "N K"]:
    """Class probabilities of N clips.

    Args:
        networks: of a run.
        features_NxTxRxD: spatial features, post-padded in T.
        length_N: frames of each clip.
        mask_R: regions that reach the classifier, in place of the run's own.
    """
    mask_R = networks.mask_R if mask_R is None else mask_R
    return np.asarray(
        _compiled(_probabilities, 0)(*_temporal(networks), features_NxTxRxD, length_N, jnp.asarray(mask_R))
    )


def after_each_frame(
    networks: Networks, features_TxRxD: Float[np.ndarray, "T R D"], steps: int | None = None
) -> Float[np.ndarray, "T K"]:
    """A clip's class probabilities if it had ended after its first, second, ... last frame.

    The LSTMs run forward in time, so these are the decisions during the clip, and the last one is the clip's own.

    Args:
        networks: of a run.
        features_TxRxD: the clip's spatial features.
        steps: the number of frames to pad to, so that clips of all lengths share one compilation.
    """
    frames = len(features_TxRxD)
    padded_TxRxD = np.zeros((steps or frames, *features_TxRxD.shape[1:]), np.float32)
    padded_TxRxD[:frames] = features_TxRxD
    all_TxTxRxD = np.broadcast_to(padded_TxRxD, (len(padded_TxRxD), *padded_TxRxD.shape))
    return probabilities(networks, all_TxTxRxD, np.arange(1, len(padded_TxRxD) + 1))[:frames]


def without_each_region(
    networks: Networks, features_NxTxRxD: Float[np.ndarray, "N T R D"], length_N: Int[np.ndarray, "N"]
) -> Float[np.ndarray, "R N K"]:
    """Class probabilities with each region in turn switched off at the classifier's input, without training again.

    The classifier was not trained on such input; to train without a region, set `regions` in a sweep.
    """
    others_RxR = np.asarray(networks.mask_R) * (1 - np.eye(len(networks.mask_R), dtype=np.float32))
    return np.stack([probabilities(networks, features_NxTxRxD, length_N, mask_R) for mask_R in others_RxR])


def pixel_gradients(networks: Networks, images: Images, target: int) -> tuple[Float[np.ndarray, "T _ _"], ...]:
    """How much each pixel of each frame of a clip moves the decision: |d log p(target) / d gray value|, per region.

    As in Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", Sec. 3, through both stages, summed over
    colour channels.

    Args:
        networks: of a run.
        images: the clip's frames, as in `features_of`.
        target: the class in question, a number.

    Returns:
        Per region, a map for each frame, in 1 / gray level (of 255).
    """
    frames = images[0].shape[-1]
    padding = [(0, -frames % BLOCK), (0, 0), (0, 0)]  # so that clips of similar lengths share one compilation
    features_TxRxD, score = np.pad(features_of(networks, images), padding), _compiled(_score_gradient, 0)
    gradient_TxRxD = score(*_temporal(networks), features_TxRxD, frames, networks.mask_R, target)
    blocks = np.split(np.asarray(gradient_TxRxD), -(-frames // BLOCK))
    compute = functools.partial(_compiled(_pixel_gradient, 0), *_spatial(networks))
    pieces = [compute(block, gradient) for block, gradient in zip(_blocks(images), blocks, strict=True)]
    return tuple(
        np.concatenate([np.abs(piece).sum(0).transpose(2, 0, 1) for piece in of_region])[:frames]
        for of_region in zip(*pieces, strict=True)
    )


@functools.cache
def _compiled(f: Callable, *static: int) -> Callable:
    return jax.jit(f, static_argnums=static, compiler_options=compiler_options())


def _spatial(networks: Networks) -> tuple:
    return networks.form, networks.spatial, networks.mean_RxC, networks.scale_RxC


def _temporal(networks: Networks) -> tuple:
    return networks.temporal_form, networks.temporal


def _features(form, spatial, mean_RxC, scale_RxC, images):
    return features_regions(spatial, normalised(images, mean_RxC, scale_RxC), form)


def _pixel_gradient(form, spatial, mean_RxC, scale_RxC, images, gradient_TxRxD):
    _, transpose = jax.vjp(lambda images: _features(form, spatial, mean_RxC, scale_RxC, images), images)
    return transpose(gradient_TxRxD)[0]


def _probabilities(form, temporal, features_NxTxRxD, length_N, mask_R):
    return jax.nn.softmax(_logits(form, temporal, features_NxTxRxD, length_N, mask_R))


def _score_gradient(form, temporal, features_TxRxD, length, mask_R, target):
    def score(features_TxRxD):
        length_N = jnp.reshape(length, 1)
        return jax.nn.log_softmax(_logits(form, temporal, features_TxRxD[None], length_N, mask_R))[0, target]

    return jax.grad(score)(features_TxRxD)


def _logits(form, temporal, features_NxTxRxD, length_N, mask_R):
    units, classes = temporal["kernel_h"].shape[1], len(temporal["out"]["bias"])
    model = TemporalClassifier(units, classes, form)
    return model.apply({"params": temporal}, features_NxTxRxD, length_N, mask_R, (0.0, 0.0), None)


def _blocks(images: Images) -> list[tuple[np.ndarray, ...]]:
    """The frames in blocks of one size, the last one filled up with zeros."""
    frames = images[0].shape[-1]
    padded = [np.pad(image, [(0, 0)] * 3 + [(0, -frames % BLOCK)]).astype(np.float32) for image in images]
    blocks = -(-frames // BLOCK)
    return list(zip(*(np.split(image, blocks, axis=-1) for image in padded), strict=True))
