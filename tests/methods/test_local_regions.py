"""The paper's method through the engine, on small pictures: folds are isolated, runs are independent."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.small_experiment import Networks, networks_in_use
from support.training import trained_by

from merjax.config import make_config
from merjax.engine import Engine
from merjax.faces.regions import REGIONS, Region
from merjax.methods.local_regions import jobs, spatial_job, spatial_numbers, temporal_numbers
from merjax.methods.runs import RunId, training_labels
from merjax.methods.spatial_stage import normalised
from merjax.methods.temporal_stage import clip_samples
from merjax.nn import patch_cnn
from merjax.protocols import SCHEMES, make_folds
from merjax.stores.held_features import HeldFeature
from merjax.stores.store import Store
from merjax.system.errors import MerjaxError
from merjax.training.data import TrainingData
from merjax.training.fitted import class_weights, fitted_moments, region_mask

SIDE = 16
SUBJECTS = 4
# per subject the classes and the lengths of its clips: uneven, so that all fitted numbers differ from fold to fold
TARGETS = ((0, 1, 2), (0, 0, 1), (0, 1, 2, 2), (2, 1))
LENGTHS = ((3, 2, 3), (3, 4, 2), (2, 3, 2, 3), (3, 6))
STREAMS = (Region("eye_right", "eyes", SIDE, SIDE), Region("mouth", "mouth", SIDE, SIDE))
SETTINGS = {
    "spatial": {"epochs": 2, "batch": 16, "learning_rate": 1e-3},
    "temporal": {"epochs": 4, "batch": 4, "units": 8, "learning_rate": 1e-3},
}
CONFIG = make_config(SETTINGS)
AUTHORS = {
    "data.scaling": "symmetric",
    "spatial": {"network": "patches", "patches": 4, "pooling": "ceil", "drop_features": True, "epsilon": 1e-7},
    "temporal": {
        "mask": False,
        "length": 5,
        "padding": "in front",
        "gates": "hard sigmoid",
        "region_gate": True,
        "loss": "binary focal",
        "l1": 1e-5,
    },
}


def features_of(motion) -> dict[str, HeldFeature]:
    return {"motion": HeldFeature(motion, {"algorithm": "dis"})}


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Four subjects; a clip's class shows in the brightness of its later frames."""
    rng = np.random.default_rng(0)
    target_N = np.concatenate(TARGETS)
    length_N = np.concatenate(LENGTHS)
    n, first_N = len(target_N), np.cumsum(length_N) - length_N
    clip_S = np.repeat(np.arange(n), length_N)
    index = pd.DataFrame(
        {
            "database": "casme2",
            "subject": np.repeat([f"sub{s:02d}" for s in range(SUBJECTS)], [len(t) for t in TARGETS]),
            "clip": [f"EP{i:02d}" for i in range(n)],
            "first_row": first_N,
            "n_frames": length_N,
        }
    )
    level_S = 60 + 40 * target_N[clip_S] * (np.arange(len(clip_S)) != first_N[clip_S])
    crops = {
        r.name: (level_S[:, None, None] + rng.integers(0, 20, (len(clip_S), SIDE, SIDE))).astype(np.uint8)
        for r in STREAMS
    }
    frame_flow = {
        r.name: (rng.integers(-20, 20, (len(clip_S), SIDE, SIDE, 3)) + level_S[:, None, None, None] // 3 * [1, -1, 0])
        .clip(-127, 127).astype(np.int8)
        for r in STREAMS
    }  # fmt: skip
    nothing = pd.DataFrame()
    return TrainingData(
        store=Store(Path("nowhere"), index, crops, nothing, {"hash": "", "sources": []}, features_of(frame_flow)),
        scheme=SCHEMES["megc3"],
        index=index,
        left_out=pd.DataFrame(),
        target_N=target_N,
        target_NxR=np.stack([np.minimum(target_N, 1), target_N], 1),
        folds=make_folds(index, "loso"),
        streams=STREAMS,
        classes_R=(2, 4),
        row_S=np.arange(len(clip_S)),
        clip_S=clip_S,
        length_N=length_N,
        input="gray",
    )


@functools.cache
def engine_for(networks: Networks) -> Engine:
    """An engine keeps what it compiled, and does not see that other networks took the place of those it compiled for."""
    import jax

    return Engine("map", 8, jax.devices()[:1])


@pytest.fixture(scope="module", autouse=True)
def networks() -> Iterator[None]:
    """Tiny ones if a test does not ask for others; `test_acceptance_sweep.py` proves of the paper's what is proven here."""
    with networks_in_use("tiny"):
        yield


@pytest.fixture(scope="module")
def engine(networks) -> Engine:
    return engine_for("tiny")


SPECS = [RunId(CONFIG, 0, fold) for fold in range(SUBJECTS)]


@pytest.fixture(scope="module")
def trained(data, engine):
    return trained_by(jobs, data, SPECS, engine)


@pytest.mark.long
def test_each_run_equals_itself_alone_in_any_order(data, engine, trained):
    backwards = trained_by(jobs, data, SPECS[::-1], engine)
    np.testing.assert_allclose(backwards.probability_PxNxK[::-1], trained.probability_PxNxK, atol=1e-4)
    alone = trained_by(jobs, data, SPECS[2:3], engine)
    np.testing.assert_allclose(alone.probability_PxNxK[0], trained.probability_PxNxK[2], atol=1e-4)


@pytest.mark.long
def test_two_devices_and_side_by_side_give_the_same(data, trained):
    import jax

    other = trained_by(jobs, data, SPECS, Engine("vmap", 5, jax.devices()[:2]))
    np.testing.assert_allclose(other.probability_PxNxK, trained.probability_PxNxK, atol=1e-4)
    np.testing.assert_allclose(
        other.curves["temporal"]["loss"], trained.curves["temporal"]["loss"], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(
    ("seen", "networks"),
    [
        ("gray", "tiny"),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (("difference", "tiny"), ("flow", "tiny"), ("gray", "paper"))
        ),
    ],
)
def test_held_out_pixels_and_labels_do_not_reach_training(data, seen, networks):
    """All pixels, motion and labels of the subject that fold 1 holds out change; its training does not, in any bit.

    Means, scales and class weights are fitted too, so the settings ask for all of them.
    """
    with networks_in_use(networks):
        held_out_pixels_and_labels_do_not_reach_training(data, engine_for(networks), seen)


def held_out_pixels_and_labels_do_not_reach_training(data, engine, seen):
    specs = [RunId(make_config(SETTINGS, "data.standardise=true"), 0, fold) for fold in range(SUBJECTS)]
    data = replace(data, input=seen)
    trained = trained_by(jobs, data, specs, engine)
    test_N = data.folds[1].test_N
    rng = np.random.default_rng(1)
    store = data.store
    crops, motion = (
        {n: array.copy() for n, array in held.items()} for held in (store.crops, store.features["motion"].arrays)
    )
    for array in (*crops.values(), *motion.values()):
        array.view(np.uint8)[test_N[data.clip_S]] ^= rng.integers(1, 256, array.shape[1:], dtype=np.uint8)
    changed = replace(
        data,
        store=replace(store, crops=crops, features=features_of(motion)),
        target_N=np.where(test_N, (data.target_N + 1) % 3, data.target_N),
        target_NxR=np.where(test_N[:, None], 0, data.target_NxR),
    )
    after = trained_by(jobs, changed, specs, engine)
    assert (after.probability_PxNxK[1][~test_N] == trained.probability_PxNxK[1][~test_N]).all()
    for stage in ("spatial", "temporal"):
        assert (after.curves[stage]["loss"][1] == trained.curves[stage]["loss"][1]).all()
        assert (after.curves[stage]["loss"][0] != trained.curves[stage]["loss"][0]).any()  # there it is trained on


@pytest.mark.long
def test_a_switched_off_region_does_not_matter(data, engine):
    config = make_config(SETTINGS, {"regions": ["mouth"]})
    crops = dict(data.store.crops, eye_right=255 - data.store.crops["eye_right"])
    blind = replace(data, store=replace(data.store, crops=crops))
    one, other = (trained_by(jobs, e, [RunId(config, 0, 0)], engine).probability_PxNxK for e in (data, blind))
    np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_longer_training_learns_what_brightness_says(data, engine):
    config = make_config(
        SETTINGS,
        {"spatial": {"epochs": 40, "learning_rate": 2e-3}, "temporal": {"epochs": 60, "learning_rate": 3e-3}},
    )
    specs = [RunId(config, 0, fold) for fold in range(SUBJECTS)]
    result = trained_by(jobs, data, specs, engine)
    right = [
        (result.probability_PxNxK[f].argmax(-1) == data.target_N)[fold.test_N] for f, fold in enumerate(data.folds)
    ]
    assert np.concatenate(right).mean() > 0.8


def test_moments_are_those_of_the_training_frames(data):
    fold = data.folds[2]
    config = make_config("data.standardise=true")
    mean_RxC, scale_RxC = fitted_moments(data, fold, config)
    rows = np.isin(data.clip_S, np.flatnonzero(fold.train_N))
    for r, region in enumerate(STREAMS):
        seen = data.store.crops[region.name][rows] / 255
        assert mean_RxC[r] == pytest.approx(seen.mean(), rel=1e-5)
        assert scale_RxC[r] == pytest.approx(seen.std(), rel=1e-4)
    assert (fitted_moments(data, fold, make_config())[1] == 1).all()


def test_symmetric_scaling_maps_all_gray_values_to_minus_one_to_one(data):
    config = make_config("data.scaling=symmetric")
    mean_RxC, scale_RxC = fitted_moments(data, data.folds[0], config)
    image = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    for seen in normalised((image, image), mean_RxC, scale_RxC):
        np.testing.assert_allclose(seen, image / 127.5 - 1, atol=1e-6)


@pytest.mark.long
def test_patches_train_on_the_folds_training_clips_alone(data, monkeypatch):
    """The successor's networks, padding and losses, trained per fold under every protocol: what held-out clips show reaches
    no weight."""
    monkeypatch.setattr(patch_cnn, "ROWS", 21)
    monkeypatch.setattr(patch_cnn, "COLUMNS", 15)
    database_N = np.where(data.index["subject"].isin(["sub00", "sub02"]), "casme2", "samm")
    two = replace(data, index=data.index.assign(database=database_N))
    with networks_in_use("paper"):
        engine = engine_for.__wrapped__("paper")  # one of its own, since the size above is changed
        for kind in ("loso", "group:2", "cross_database:casme2:samm"):
            folds = make_folds(two.index, kind, data.target_N)
            patches_train_on_a_folds_training_clips_alone(replace(two, folds=folds), len(folds) // 2, engine)


def patches_train_on_a_folds_training_clips_alone(data, fold, engine):
    config = make_config(
        SETTINGS, AUTHORS, {"spatial.batch": 24, "temporal.batch": 8}
    )  # none is of held-out clips alone
    specs = [RunId(config, 0, fold)]
    one = trained_by(jobs, data, specs, engine)
    held_out_S = data.folds[fold].test_N[data.clip_S]
    crops = {
        name: np.where(held_out_S[:, None, None], 255 - crop, crop).astype(np.uint8)
        for name, crop in data.store.crops.items()
    }
    other = trained_by(jobs, replace(data, store=replace(data.store, crops=crops)), specs, engine)
    train_N = data.folds[fold].train_N
    np.testing.assert_array_equal(one.probability_PxNxK[:, train_N], other.probability_PxNxK[:, train_N])
    assert (one.probability_PxNxK != other.probability_PxNxK).any()
    for stage, curves in one.curves.items():
        np.testing.assert_array_equal(curves["loss"], other.curves[stage]["loss"])
        assert np.isfinite(curves["loss"]).all()


def test_moments_of_differences(data):
    difference = replace(data, input="difference")
    fold = data.folds[0]
    mean_RxC, _ = fitted_moments(difference, fold, make_config())
    crop = data.store.crops["mouth"] / 255
    seen = (crop - crop[data.onset_row_S])[fold.train_N[data.clip_S]]
    assert mean_RxC[1] == pytest.approx(seen.mean(), abs=1e-6)


def test_motion_is_normalised_by_channel(data):
    """u, v and strain have units of their own: each channel has its own mean and scale, from the training frames alone."""
    motion, fold = replace(data, input="flow"), data.folds[1]
    assert motion.channels == 3
    mean_RxC, scale_RxC = fitted_moments(motion, fold, make_config("data.standardise=true"))
    rows = fold.train_N[data.clip_S]
    for r, region in enumerate(STREAMS):
        seen = data.store.features["motion"].arrays[region.name][rows].reshape(-1, 3) / 255
        np.testing.assert_allclose(mean_RxC[r], seen.mean(0), rtol=1e-4)
        np.testing.assert_allclose(scale_RxC[r], seen.std(0), rtol=1e-4)
    frames = spatial_job(motion, [RunId(make_config(), 0, 1)]).samples
    (eye, _) = frames.gather(np.array([[3, 5]]))
    expected = data.store.features["motion"].arrays["eye_right"][data.row_S[[3, 5]]]
    np.testing.assert_array_equal(eye[0].transpose(3, 1, 2, 0), expected)


def test_a_store_without_motion_of_frames_says_how_to_get_it(data):
    still = replace(data, store=replace(data.store, features={}))
    assert still.channels == 1
    with pytest.raises(MerjaxError, match="holds no motion, .* --features motion --out nowhere"):
        _ = replace(still, input="flow").channels


def test_class_weights():
    weights = class_weights("inverse", np.array([10, 5, 0, 1]))
    assert weights[weights > 0].mean() == pytest.approx(1)
    np.testing.assert_allclose(weights[:2] * [10, 5], weights[0] * 10)
    assert weights[2] == 0
    np.testing.assert_array_equal(class_weights("none", np.array([1, 2])), [1, 1])
    np.testing.assert_array_equal(class_weights("0.5", np.array([1, 2])), [0.5, 0.5])
    with pytest.raises(MerjaxError, match="loss.alpha"):
        class_weights("half", np.array([1]))


def test_region_masks():
    np.testing.assert_array_equal(region_mask(["eyes", "mouth"], REGIONS), [1, 1, 0, 0, 0, 1])
    np.testing.assert_array_equal(region_mask(["cheek_left"], REGIONS), [0, 0, 0, 0, 1, 0])
    with pytest.raises(MerjaxError, match='no region "ears"'):
        region_mask(["ears"], REGIONS)


def test_shuffling_permutes_training_labels_and_nothing_else(data):
    shuffled = RunId(make_config(SETTINGS, "control=shuffle"), 0, 1)
    fold = data.folds[1]
    target_N, target_NxR = training_labels(data, shuffled)
    train = fold.train_N
    assert (target_N[train] != data.target_N[train]).any()
    pairs = lambda a, b: sorted(map(tuple, np.column_stack([a, b])[train].tolist()))  # noqa: E731
    assert pairs(target_N, target_NxR) == pairs(data.target_N, data.target_NxR)
    assert (target_N[~train] == 0).all()
    assert (target_NxR[~train] == 0).all()
    again, _ = training_labels(data, shuffled)
    other, _ = training_labels(data, shuffled._replace(seed=1))
    np.testing.assert_array_equal(again, target_N)
    assert (other != target_N).any()
    plain, _ = training_labels(data, SPECS[1])
    np.testing.assert_array_equal(plain[train], data.target_N[train])


def test_what_is_fitted_is_fitted_on_training_clips(data):
    """Class weights, and the sequence length of unmasked padding, fold by fold against counting by hand."""
    config = make_config(SETTINGS, "temporal.mask=false")
    for f, fold in enumerate(data.folds):
        spec = RunId(config, 0, f)
        own = [TARGETS[s] for s in range(SUBJECTS) if s != f]
        counts = np.bincount(np.concatenate(own), minlength=3)
        expected = (1 / counts) / (1 / counts).mean()
        numbers = temporal_numbers(data, spec, np.zeros((len(data.row_S), 2, 20)))
        np.testing.assert_allclose(numbers.alpha_K, expected, rtol=1e-6)
        longest = max(max(LENGTHS[s]) for s in range(SUBJECTS) if s != f)
        assert numbers.read_after == longest
        eyes = np.bincount(np.minimum(np.concatenate(own), 1), minlength=2)
        alpha_RxK = spatial_numbers(data, spec).alpha_RxK
        np.testing.assert_allclose(alpha_RxK[0], [*((1 / eyes) / (1 / eyes).mean()), 0, 0], rtol=1e-6)
        assert fold.train_N.sum() == sum(map(len, own))


def test_padding_of_short_clips_does_not_matter_with_a_mask(data):
    """A clip's frames are gathered in order; the values after its end belong to another clip and are never read."""
    samples = clip_samples(data.length_N)
    (row_KxBxT, length_KxB), _ = samples.batches(np.arange(4)[None])
    for n in range(4):
        own = np.flatnonzero(data.clip_S == n)
        np.testing.assert_array_equal(row_KxBxT[0, n, : len(own)], own)
        assert length_KxB[0, n] == len(own)


def test_unmasked_training_runs_and_differs(data, engine, trained):
    specs = [RunId(make_config(SETTINGS, "temporal.mask=false"), 0, fold) for fold in range(SUBJECTS)]
    unmasked = trained_by(jobs, data, specs, engine)
    assert np.isfinite(unmasked.probability_PxNxK).all()
    assert np.abs(unmasked.probability_PxNxK - trained.probability_PxNxK).max() > 1e-4
