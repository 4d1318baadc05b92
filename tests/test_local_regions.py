"""The paper's method through the engine, on small pictures: folds are isolated, runs are independent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from merjax.config import make_config
from merjax.engine import Engine
from merjax.errors import MerjaxError
from merjax.experiment import Experiment, class_weights, fitted_moments, region_mask
from merjax.local_regions import RunSpec, run_key, train, training_labels
from merjax.protocols import SCHEMES, make_folds
from merjax.regions import REGIONS, Region
from merjax.store import Store

SUBJECTS, CLIPS, FRAMES, SIDE = 4, 3, 3, 16
STREAMS = (Region("eye_right", "eyes", SIDE, SIDE), Region("mouth", "mouth", SIDE, SIDE))
SETTINGS = {
    "spatial": {"epochs": 2, "batch": 16, "learning_rate": 1e-3},
    "temporal": {"epochs": 4, "batch": 4, "units": 8, "learning_rate": 1e-3},
}
CONFIG = make_config(SETTINGS)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    """Four subjects with a clip of each class; the class shows in the brightness of the later frames."""
    rng = np.random.default_rng(0)
    n = SUBJECTS * CLIPS
    target_N = np.tile(np.arange(3), SUBJECTS)
    index = pd.DataFrame(
        {
            "database": "casme2",
            "subject": np.repeat([f"sub{s:02d}" for s in range(SUBJECTS)], CLIPS),
            "clip": [f"EP{i:02d}" for i in range(n)],
            "first_row": np.arange(n) * FRAMES,
            "n_frames": FRAMES,
        }
    )
    level = 60 + 40 * target_N[:, None] * (np.arange(FRAMES) > 0)
    crops = {
        r.name: (level.reshape(-1, 1, 1) + rng.integers(0, 20, (n * FRAMES, SIDE, SIDE))).astype(np.uint8)
        for r in STREAMS
    }
    return Experiment(
        store=Store(Path("nowhere"), index, crops, pd.DataFrame(), {"hash": "", "sources": []}),
        scheme=SCHEMES["megc3"],
        index=index,
        left_out=pd.DataFrame(),
        target_N=target_N,
        target_NxR=np.stack([np.minimum(target_N, 1), target_N], 1),
        folds=make_folds(index, "loso"),
        streams=STREAMS,
        classes_R=(2, 4),
        row_S=np.arange(n * FRAMES),
        clip_S=np.repeat(np.arange(n), FRAMES),
        length_N=np.full(n, FRAMES),
        difference=False,
    )


@pytest.fixture(scope="module")
def engine() -> Engine:
    import jax

    return Engine("map", 8, jax.devices()[:1])


SPECS = [RunSpec(CONFIG, 0, fold) for fold in range(SUBJECTS)]


@pytest.fixture(scope="module")
def trained(experiment, engine):
    return train(experiment, SPECS, engine)


def test_each_run_equals_itself_alone_in_any_order(experiment, engine, trained):
    backwards = train(experiment, SPECS[::-1], engine)
    np.testing.assert_allclose(backwards.probability_PxNxK[::-1], trained.probability_PxNxK, atol=1e-4)
    alone = train(experiment, SPECS[2:3], engine)
    np.testing.assert_allclose(alone.probability_PxNxK[0], trained.probability_PxNxK[2], atol=1e-4)


def test_two_devices_and_side_by_side_give_the_same(experiment, trained):
    import jax

    other = train(experiment, SPECS, Engine("vmap", 5, jax.devices()[:2]))
    np.testing.assert_allclose(other.probability_PxNxK, trained.probability_PxNxK, atol=1e-4)
    np.testing.assert_allclose(
        other.curves["temporal"]["loss"], trained.curves["temporal"]["loss"], rtol=1e-3, atol=1e-4
    )


def test_held_out_pixels_and_labels_do_not_reach_training(experiment, engine, trained):
    """All pixels and labels of the subject that fold 1 holds out change; its training clips' predictions do not, in any bit."""
    test_N = experiment.folds[1].test_N
    crops = {name: crop.copy() for name, crop in experiment.store.crops.items()}
    for crop in crops.values():
        crop[np.isin(experiment.clip_S, np.flatnonzero(test_N))] ^= 255
    changed = replace(
        experiment,
        store=replace(experiment.store, crops=crops),
        target_N=np.where(test_N, (experiment.target_N + 1) % 3, experiment.target_N),
        target_NxR=np.where(test_N[:, None], 0, experiment.target_NxR),
    )
    after = train(changed, SPECS, engine)
    assert (after.probability_PxNxK[1][~test_N] == trained.probability_PxNxK[1][~test_N]).all()
    for stage in ("spatial", "temporal"):
        assert (after.curves[stage]["loss"][1] == trained.curves[stage]["loss"][1]).all()
        assert (after.curves[stage]["loss"][0] != trained.curves[stage]["loss"][0]).any()  # there it is trained on


def test_a_switched_off_region_does_not_matter(experiment, engine):
    config = make_config(SETTINGS, {"regions": ["mouth"]})
    crops = dict(experiment.store.crops, eye_right=255 - experiment.store.crops["eye_right"])
    blind = replace(experiment, store=replace(experiment.store, crops=crops))
    one, other = (train(e, [RunSpec(config, 0, 0)], engine).probability_PxNxK for e in (experiment, blind))
    np.testing.assert_array_equal(one, other)


def test_longer_training_learns_what_brightness_says(experiment, engine):
    config = make_config(
        SETTINGS,
        {"spatial": {"epochs": 40, "learning_rate": 2e-3}, "temporal": {"epochs": 60, "learning_rate": 3e-3}},
    )
    specs = [RunSpec(config, 0, fold) for fold in range(SUBJECTS)]
    result = train(experiment, specs, engine)
    right = [
        (result.probability_PxNxK[f].argmax(-1) == experiment.target_N)[fold.test_N]
        for f, fold in enumerate(experiment.folds)
    ]
    assert np.mean(right) > 0.8


def test_randomness_comes_from_seed_trial_and_fold_alone():
    key = run_key(SPECS[0], "casme2/sub00")
    moved = RunSpec(make_config(SETTINGS, "data.store=elsewhere", "engine.chunk=2"), 0, 3)
    np.testing.assert_array_equal(run_key(moved, "casme2/sub00"), key)
    others = [
        run_key(SPECS[0]._replace(seed=1), "casme2/sub00"),
        run_key(SPECS[0], "casme2/sub01"),
        run_key(RunSpec(make_config(SETTINGS, "loss.gamma=1"), 0, 0), "casme2/sub00"),
    ]
    assert all((other != key).any() for other in others)


def test_moments_are_those_of_the_training_frames(experiment):
    fold = experiment.folds[2]
    config = make_config("data.standardise=true")
    mean_R, scale_R = fitted_moments(experiment, fold, config)
    rows = np.isin(experiment.clip_S, np.flatnonzero(fold.train_N))
    for r, region in enumerate(STREAMS):
        seen = experiment.store.crops[region.name][rows] / 255
        assert mean_R[r] == pytest.approx(seen.mean(), rel=1e-5)
        assert scale_R[r] == pytest.approx(seen.std(), rel=1e-4)
    assert (fitted_moments(experiment, fold, make_config())[1] == 1).all()


def test_moments_of_differences(experiment):
    difference = replace(experiment, difference=True)
    fold = experiment.folds[0]
    mean_R, _ = fitted_moments(difference, fold, make_config())
    crop = experiment.store.crops["mouth"].reshape(-1, FRAMES, SIDE, SIDE) / 255
    seen = (crop - crop[:, :1])[fold.train_N]
    assert mean_R[1] == pytest.approx(seen.mean(), abs=1e-6)


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


def test_shuffling_permutes_training_labels_and_nothing_else(experiment):
    shuffled = RunSpec(make_config(SETTINGS, "control=shuffle"), 0, 1)
    fold = experiment.folds[1]
    target_N, target_NxR = training_labels(experiment, shuffled)
    train = fold.train_N
    assert (target_N[train] != experiment.target_N[train]).any()
    pairs = lambda a, b: sorted(map(tuple, np.column_stack([a, b])[train].tolist()))  # noqa: E731
    assert pairs(target_N, target_NxR) == pairs(experiment.target_N, experiment.target_NxR)
    assert (target_N[~train] == 0).all()
    assert (target_NxR[~train] == 0).all()
    again, _ = training_labels(experiment, shuffled)
    other, _ = training_labels(experiment, shuffled._replace(seed=1))
    np.testing.assert_array_equal(again, target_N)
    assert (other != target_N).any()
    plain, _ = training_labels(experiment, SPECS[1])
    np.testing.assert_array_equal(plain[train], experiment.target_N[train])
