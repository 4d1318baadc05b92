"""Spatial stages that train on held-out subjects' frames, and labels that are shuffled for everything."""

from dataclasses import replace

import numpy as np
import pytest
from support.small_experiment import BASE, FRAMES, small_experiment

from merjax.config import make_config
from merjax.methods import local_regions
from merjax.methods.runs import RunId, label_source, training_labels
from merjax.training.frames import half_of

HALF, EVERY = {"spatial.trained_on": "half of all frames"}, {"spatial.trained_on": "all frames"}
SHUFFLED = {"control": "shuffle everything"}


def spec_of(seed=0, fold=0, **settings) -> RunId:
    return RunId(make_config(BASE, settings), seed, fold)


def hash_of(data, spec) -> str:
    return local_regions.identities(data, spec)[0].hash


@pytest.mark.parametrize("leak", [HALF, EVERY])
def test_all_folds_have_one_spatial_job_per_seed_and_control(leak):
    data = small_experiment()
    by_setting = [
        {hash_of(data, spec_of(seed, fold, **settings)) for fold in range(4)}
        for seed in (0, 1)
        for settings in (leak, leak | SHUFFLED)
    ]
    assert [len(hashes) for hashes in by_setting] == [1] * 4
    assert len(set.union(*by_setting)) == 4
    honest = {hash_of(data, spec_of(0, fold)) for fold in range(4)}
    assert len(honest) == 4
    assert not honest & set.union(*by_setting)
    temporal = {local_regions.identities(data, spec_of(0, fold, **leak))[1].hash for fold in range(4)}
    assert len(temporal) == 4


@pytest.mark.parametrize("leak", [HALF, EVERY, EVERY | {"data.standardise": True} | SHUFFLED])
def test_all_that_is_fitted_for_their_one_job_is_the_same_in_all_folds(leak):
    """Whichever fold asks for it first."""
    data = small_experiment()
    first, *others = (local_regions.spatial_numbers(data, spec_of(0, fold, **leak)) for fold in range(4))
    for numbers in others:
        for one, other in zip(first, numbers, strict=True):
            np.testing.assert_array_equal(one, other)
    honest = local_regions.spatial_numbers(data, spec_of(0, 0))
    assert (honest.mean_RxC != first.mean_RxC).any()


def test_half_and_all_of_the_frames_are_other_jobs():
    data = small_experiment()
    assert hash_of(data, spec_of(**HALF)) != hash_of(data, spec_of(**EVERY))


def test_which_half_it_is_reaches_the_job(monkeypatch):
    data = small_experiment()
    before = hash_of(data, spec_of(**HALF))
    monkeypatch.setattr(local_regions, "half_of", lambda frames, key: np.arange(frames // 2))
    assert hash_of(data, spec_of(**HALF)) != before


def test_half_of_the_frames_are_drawn_once_per_seed_and_all_frames_get_features():
    data = small_experiment()
    frames = len(data.row_S)
    jobs = [local_regions.spatial_job(data, [spec_of(0, fold, **HALF) for fold in range(2)])]
    jobs += [local_regions.spatial_job(data, [spec_of(seed, fold, **HALF)]) for seed, fold in ((0, 3), (1, 0))]
    for job in jobs:
        assert len(job.drawn.unit_S) == frames // 2
        assert len(job.samples.unit_S) == frames
        assert job.budget.steps == round(BASE["spatial"]["epochs"] * (frames // 2) / BASE["spatial"]["batch"])
        assert (job.runs.weight_N == 1).all()
    pictures = [job.drawn.gather(np.arange(frames // 2)[None])[0] for job in jobs]
    assert (pictures[0] == pictures[1]).all()
    assert (pictures[0] != pictures[2]).any()
    every = jobs[0].samples.gather(np.arange(frames)[None])[0].reshape(-1, frames)
    own = pictures[0].reshape(-1, frames // 2)
    seen = [np.flatnonzero((every == column[:, None]).all(0)).tolist() for column in own.T]
    assert len({at for where in seen for at in where}) >= frames // 2
    assert jobs[0].drawn.unit_S.tolist() == [where[0] // FRAMES for where in seen]


def test_a_half_is_half_of_the_frames_without_repetition():
    for frames in (7, 8):
        half = half_of(frames, [3])
        assert len(half) == len(set(half.tolist())) == frames // 2
        assert set(half.tolist()) <= set(range(frames))
    assert half_of(100, [3]).tolist() != half_of(100, [4]).tolist()


def test_all_frames_train_with_the_labels_of_every_clip_and_the_temporal_stage_stays_honest():
    data = small_experiment()
    job = local_regions.spatial_job(data, [spec_of(0, 1, **EVERY)])
    assert job.drawn is None
    assert job.budget.steps == local_regions.spatial_job(data, [spec_of(0, 1)]).budget.steps
    np.testing.assert_array_equal(job.runs.numbers.target_NxR[0], data.target_NxR)
    features = np.zeros((len(data.row_S), len(data.streams), 20), np.float32)
    temporal = local_regions.temporal_job(data, [spec_of(0, 1, **EVERY)], [features])
    np.testing.assert_array_equal(temporal.runs.weight_N[0], data.folds[1].train_N)
    assert (temporal.runs.numbers.target_N[0][data.folds[1].test_N] == 0).all()


def test_an_honest_stage_draws_from_all_frames_and_gives_held_out_clips_no_weight():
    data = small_experiment()
    job = local_regions.spatial_job(data, [spec_of(0, 1)])
    assert job.drawn is None
    np.testing.assert_array_equal(job.runs.weight_N[0], data.folds[1].train_N)
    assert (job.runs.numbers.target_NxR[0][data.folds[1].test_N] == 0).all()


def two_databases():
    data = small_experiment()
    index = data.index.assign(database=np.where(np.arange(len(data.index)) < 6, "casme2", "samm"))
    return replace(data, index=index)


def test_one_permutation_per_seed_within_each_database_serves_all_folds():
    data = two_databases()
    seeds = []
    for seed in range(3):
        sources = [label_source(data, spec_of(seed, fold, **SHUFFLED)).tolist() for fold in range(4)]
        assert sources == [sources[0]] * 4
        for database in ("casme2", "samm"):
            own = np.flatnonzero(data.index["database"] == database)
            assert sorted(np.array(sources[0])[own]) == own.tolist()
        seeds.append(tuple(sources[0]))
    assert len(set(seeds)) == 3
    assert label_source(data, spec_of()).tolist() == list(range(len(data.index)))


def test_a_clips_label_and_its_regions_labels_move_together_in_every_fold():
    data = two_databases()
    source_N = label_source(data, spec_of(0, 0, **SHUFFLED))
    for fold in range(4):
        target_N, target_NxR = training_labels(data, spec_of(0, fold, **SHUFFLED))
        train_N = data.folds[fold].train_N
        np.testing.assert_array_equal(target_N[train_N], data.target_N[source_N][train_N])
        np.testing.assert_array_equal(target_NxR[train_N], data.target_NxR[source_N][train_N])
        assert (target_N[~train_N] == 0).all()
        assert (target_NxR[~train_N] == 0).all()
    leaking, _ = training_labels(data.leaking, spec_of(0, 0, **SHUFFLED))
    np.testing.assert_array_equal(leaking, data.target_N[source_N])


def test_the_work_of_half_the_frames_is_half_as_much():
    data = small_experiment()
    honest, half, every = (local_regions.stage_cost(data, spec_of(**own).config) for own in ({}, HALF, EVERY))
    assert every == honest
    assert half["temporal"] == honest["temporal"]
    passes = 3 * BASE["spatial"]["epochs"]
    assert half["spatial"] / honest["spatial"] == pytest.approx((passes / 2 + 1) / (passes + 1))
    steps = local_regions.stage_steps(spec_of(**HALF).config, 24, 12)
    assert steps["spatial"] == BASE["spatial"]["epochs"] * 12 / BASE["spatial"]["batch"]
