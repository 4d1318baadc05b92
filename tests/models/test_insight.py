"""Insight into trained networks equals that of plain code: decisions over time, without a region, and by gradients."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.small_experiment import BASE, small_experiment

from merjax.config import make_config
from merjax.engine import Engine, train, walk
from merjax.methods.local_regions import jobs
from merjax.methods.runs import RunId
from merjax.methods.spatial_stage import spatial_stage
from merjax.methods.temporal_stage import temporal_stage
from merjax.models import insight
from merjax.models.insight import Networks
from merjax.models.learned import remember
from merjax.models.model import Model
from merjax.nn.region_cnn import NETWORKS, features_regions
from merjax.nn.region_lstm import TemporalClassifier
from merjax.nn.shallow_cnn import SpatialForm
from merjax.system.errors import MerjaxError

REGIONS, CLASSES, UNITS, SIZES = 2, 3, 4, ((8, 10), (9, 8))


@pytest.fixture(scope="module")
def networks():
    return random_networks("shallow")


def random_networks(network):
    stages = spatial_stage((2, 3), form=SpatialForm(network)), temporal_stage(REGIONS, CLASSES, UNITS, 5)
    spatial, temporal = (
        random_parameters(jax.eval_shape(stage.init, jax.random.key(0), {}).params) for stage in stages
    )
    mean_RxC, scale_RxC = np.array([[[0.4], [0.5]], [[0.2], [0.3]]], np.float32)
    return Networks(spatial, temporal, mean_RxC, scale_RxC, np.ones(REGIONS, np.float32), SpatialForm(network))


def random_parameters(shapes):
    """Weights of the size that He's initialisation gives, and biases that are not zero."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        inputs = np.prod(leaf.shape[1:-1]) if leaf.ndim > 2 else leaf.shape[0] if leaf.ndim == 2 else 400
        return (rng.normal(size=leaf.shape) * np.sqrt(2 / inputs)).astype(np.float32)

    return jax.tree.map(draw, shapes)


def clip(frames: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(frames)
    return tuple(rng.integers(0, 256, (1, *size, frames)).astype(np.float32) for size in SIZES)


def plain_features(networks, images):
    mean_RxC, scale_RxC = networks.mean_RxC, networks.scale_RxC
    x = tuple((image / 255 - mean_RxC[r]) / scale_RxC[r] for r, image in enumerate(images))
    return features_regions(networks.spatial, x, networks.form)


def plain_scores(networks, features_TxRxD, mask_R=(1, 1)):
    model = TemporalClassifier(UNITS, CLASSES)
    length_N = jnp.array([len(features_TxRxD)])
    args = features_TxRxD[None], length_N, jnp.array(mask_R, jnp.float32), (0.0, 0.0), None
    return jax.nn.log_softmax(model.apply({"params": networks.temporal}, *args))[0]


def random_features(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).normal(size=(frames, REGIONS, 20)).astype(np.float32)


@pytest.mark.long
@pytest.mark.parametrize("network", NETWORKS)
def test_features_come_in_blocks_and_are_those_of_each_frame(network, monkeypatch):
    monkeypatch.setattr(insight, "BLOCK", 4)
    networks, images = random_networks(network), clip(6)
    np.testing.assert_allclose(
        insight.features_of(networks, images), plain_features(networks, images), rtol=1e-4, atol=1e-5
    )


def test_the_decision_on_the_way_is_that_of_a_shorter_clip(networks):
    features_TxRxD = random_features(5)
    got_TxK = insight.after_each_frame(networks, features_TxRxD, steps=7)
    assert got_TxK.shape == (5, CLASSES)
    for t in (0, 3):  # each length is a program
        np.testing.assert_allclose(got_TxK[t], np.exp(plain_scores(networks, features_TxRxD[: t + 1])), rtol=1e-4)


def test_switching_a_region_off_leaves_the_others(networks):
    features = [random_features(5), random_features(3)]
    length_N = np.array([5, 3])
    clips_NxTxRxD = np.stack([np.pad(clip, ((0, 5 - len(clip)), (0, 0), (0, 0))) for clip in features])
    got_RxNxK = insight.without_each_region(networks, clips_NxTxRxD, length_N)
    for n, features_TxRxD in enumerate(features):
        for r, mask_R in enumerate(((0, 1), (1, 0))):
            expected_K = np.exp(plain_scores(networks, features_TxRxD, mask_R))
            np.testing.assert_allclose(got_RxNxK[r, n], expected_K, rtol=1e-4)
        whole_K = np.exp(plain_scores(networks, features_TxRxD))
        np.testing.assert_allclose(insight.probabilities(networks, clips_NxTxRxD, length_N)[n], whole_K, rtol=1e-4)


@pytest.mark.long
def test_saliency_is_the_gradient_of_the_whole_method(networks, monkeypatch):
    monkeypatch.setattr(insight, "BLOCK", 4)
    images, target = clip(6), 1

    def score(images):
        return plain_scores(networks, plain_features(networks, images))[target]

    expected = jax.jit(jax.grad(score))(images)
    maps = insight.pixel_gradients(networks, images, target)
    for got, gradient, size in zip(maps, expected, SIZES, strict=True):
        assert got.shape == (6, *size)
        reference = np.abs(np.asarray(gradient)[0]).transpose(2, 0, 1)
        assert reference.any()
        assert np.linalg.norm(got - reference) < 1e-3 * np.linalg.norm(reference)


@pytest.mark.long
def test_saliency_is_nothing_where_a_region_is_switched_off(networks, monkeypatch):
    monkeypatch.setattr(insight, "BLOCK", 4)
    only_second = networks._replace(mask_R=np.array([0, 1], np.float32))
    off, on = insight.pixel_gradients(only_second, clip(6), 0)
    assert not off.any()
    assert on.any()


@pytest.fixture(scope="module")
def trained():
    """A model, the data that it was trained on, and the training's probabilities for every clip."""
    experiment = small_experiment()
    experiment = replace(experiment, index=experiment.index.assign(emotion="happiness"))
    config, learned = make_config(BASE), {}
    visit = remember(train(Engine("map", 2, jax.devices()[:1]), 0), learned)
    outcome = walk(jobs(experiment, [RunId(config, 0, 1)]), visit)
    learned = {stage: own.of_run(0) for stage, own in learned.items()}
    return Model({"fold": experiment.folds[1].name}, config, learned), experiment, outcome.probability_PxNxK[0]


@pytest.mark.long
def test_a_saved_models_networks_say_what_the_training_said(trained):
    model, experiment, probability_NxK = trained
    networks = insight.networks_of(model)
    for n in range(len(experiment.index)):
        features_TxRxD = insight.features_of(networks, insight.images_of(experiment, n))
        assert len(features_TxRxD) == experiment.length_N[n]
        got_K = insight.probabilities(networks, features_TxRxD[None], experiment.length_N[[n]])[0]
        np.testing.assert_allclose(got_K, probability_NxK[n], atol=1e-5)


@pytest.mark.long
def test_evidence_is_of_the_held_out_clips_and_of_their_right_class(trained):
    model, experiment, probability_NxK = trained
    table = insight.regions(model, data=experiment)
    held_out = np.flatnonzero(experiment.folds[1].test_N)
    assert len(table) == len(held_out) * len(experiment.streams)
    assert set(table["clip"]) == set(experiment.index.loc[held_out, "clip"])
    assert set(table["subject"]) == set(experiment.index.loc[held_out, "subject"])
    np.testing.assert_allclose(table.groupby("clip")["saliency"].sum(), 1, rtol=1e-5)
    networks = insight.networks_of(model)
    for n in held_out:
        own = table[table["clip"] == experiment.index.loc[n, "clip"]].set_index("region")["drop"]
        features_TxRxD = insight.features_of(networks, insight.images_of(experiment, n))[None]
        off_RxK = insight.without_each_region(networks, features_TxRxD, experiment.length_N[[n]])[:, 0]
        target = experiment.target_N[n]
        expected_R = probability_NxK[n, target] - off_RxK[:, target]
        np.testing.assert_allclose(own[[r.name for r in experiment.streams]], expected_R, atol=1e-5)


@pytest.mark.long
def test_saliency_of_a_clip_is_the_gradient_of_the_class_asked_for_by_default_of_the_right_one(trained, monkeypatch):
    model, experiment, _ = trained
    monkeypatch.setattr(insight, "data_of", lambda data: experiment)  # what the model's settings name
    networks, images = insight.networks_of(model), insight.images_of(experiment, 5)
    key = "/".join(experiment.index.loc[5, ["database", "subject", "clip"]])
    for target, k in ((None, experiment.target_N[5]), ("negative", 0)):
        maps = insight.saliency(model, key, target=target)
        assert list(maps) == [region.name for region in experiment.streams]
        for got, expected in zip(maps.values(), insight.pixel_gradients(networks, images, int(k)), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-5)
            assert len(got) == experiment.length_N[5]


@pytest.mark.long
def test_a_clip_or_a_class_that_is_not_there_is_refused_with_what_is(trained):
    model, experiment, _ = trained
    with pytest.raises(MerjaxError, match=r"no clip 'casme2/sub01/EP3' under megc3; did you mean casme2/sub01/EP03"):
        insight.saliency(model, "casme2/sub01/EP3", data=experiment)
    with pytest.raises(MerjaxError, match="no class 'fear'; write one of negative, positive, surprise"):
        insight.saliency(model, "casme2/sub01/EP03", data=experiment, target="fear")


@pytest.mark.long
def test_a_model_without_regions_is_refused(trained):
    model, _, _ = trained
    other = replace(model, config=make_config(BASE, {"method": "ststnet"}))
    with pytest.raises(MerjaxError, match="method ststnet, which has no regions"):
        insight.regions(other)


@pytest.mark.long
def test_a_model_that_reads_after_the_padding_has_no_decision_on_the_way(trained):
    model, _, _ = trained
    unmasked = replace(model, config=make_config(BASE, {"temporal": {"mask": False}}))
    with pytest.raises(MerjaxError, match="train one with temporal.mask: true"):
        insight.networks_of(unmasked)
