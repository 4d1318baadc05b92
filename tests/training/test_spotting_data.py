"""Long videos in folds: no subject on both sides, lengths of training subjects alone, motion permuted in time."""

import numpy as np
import pytest
from support.made_motion import make_motion_store

from merjax.config import make_config
from merjax.methods.spotting.trained import half_lengths
from merjax.stores.motion_store import MotionStore
from merjax.system.errors import MerjaxError
from merjax.training.shuffled_motion import ShuffledMotion
from merjax.training.spotting_data import SpottingData, spotting_data_of


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> SpottingData:
    store = make_motion_store(tmp_path_factory.mktemp("store") / "made", subjects=4, videos=2)
    return spotting_data_of(make_config({"data": {"store": str(store.path)}}).data)


def test_each_subject_is_held_out_once_with_all_videos_those_without_expressions_too(data):
    held_out = [data.index["subject"][fold.test_N].tolist() for fold in data.folds]
    assert held_out == [[f"s{s:02d}"] * 2 for s in range(1, 5)]
    assert all((fold.train_N ^ fold.test_N).all() for fold in data.folds)
    assert not data.index["micro"][[1, 3, 5, 7]].any()


def test_inner_subjects_are_training_subjects_and_are_trained_on_no_more(data):
    inside = data.held_out_inside(0.34)
    for inner, outer in zip(inside.folds, data.folds, strict=True):
        assert inner.test_N.any()
        assert (outer.train_N | ~inner.test_N).all()
        assert not (inner.train_N & (inner.test_N | outer.test_N)).any()
    assert inside.lengths_F is data.lengths_F


def test_lengths_are_those_of_the_training_subjects_unless_all_are_asked_for(tmp_path):
    store = make_motion_store(tmp_path / "made", subjects=3, videos=2)
    long = store.videos[0].truth[0]._replace(offset=store.videos[0].truth[0].offset + 40)
    assert long.kind == "micro"
    videos = (type(store.videos[0])(**{**vars(store.videos[0]), "truth": (long,)}), *store.videos[1:])
    changed = MotionStore(store.path, videos, store.hash, store.settings, store.meta)
    one, other = (spotting_data_from(s) for s in (store, changed))
    config = make_config({"method": "softnet"})
    leaking = make_config({"method": "softnet", "spotter.window": "all subjects"})
    halves = [[half_lengths(d, config, f)["micro"] for f in range(3)] for d in (one, other)]
    assert halves[0] == [11 / 30 / 2] * 3
    assert halves[1][0] == halves[0][0]  # the changed subject is held out
    assert halves[1][1] > halves[0][1]
    assert half_lengths(other, leaking, 0)["micro"] == pytest.approx((51 + 11 + 11) / 3 / 30 / 2)


def spotting_data_from(store: MotionStore) -> SpottingData:
    import merjax.training.spotting_data as module

    opened = module.open_motion_store
    module.open_motion_store = lambda path: store
    try:
        return spotting_data_of(make_config({"data": {"store": str(store.path)}}).data)
    finally:
        module.open_motion_store = opened


def test_a_store_of_clips_is_no_motion_store(tmp_path):
    with pytest.raises(MerjaxError, match="motion"):
        spotting_data_of(make_config({"data": {"store": str(tmp_path)}}).data)


def test_shuffled_motion_is_the_same_motion_in_another_order(data):
    video, shuffled = data.videos[0], ShuffledMotion.of(data.store, seed=3)
    plain, permuted = data.store.motion(video), shuffled.motion(video)
    assert not np.array_equal(plain, permuted)
    np.testing.assert_array_equal(np.sort(plain, 0), np.sort(permuted, 0))
    np.testing.assert_array_equal(permuted, ShuffledMotion.of(data.store, seed=3).motion(video))
    assert not np.array_equal(permuted, ShuffledMotion.of(data.store, seed=4).motion(video))
    plain, permuted = data.store.regional_motion(video), shuffled.regional_motion(video)
    order = shuffled._order(video, video.n_frames)
    np.testing.assert_array_equal(permuted, plain[order])
    (window,), (other,) = data.store.windows(video)[:1], shuffled.windows(video)[:1]
    assert other.first == window.first
    np.testing.assert_array_equal(np.sort(window.motion["brow"][0]), np.sort(other.motion["brow"][0]))
    assert not np.array_equal(window.motion["brow"][0], other.motion["brow"][0])
