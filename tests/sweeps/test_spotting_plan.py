"""A sweep of spotters as a plan: what it says of the videos, which runs train together, and what it refuses."""

import pytest
from support.made_motion import make_motion_store

from merjax.stores.motion_store import MotionStore
from merjax.sweeps.chunks import GroupRuns
from merjax.sweeps.plan import make_plan, plan_from_json
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.errors import MerjaxError
from merjax.training import spotting_data


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> MotionStore:
    return make_motion_store(tmp_path_factory.mktemp("store") / "made", subjects=4, videos=2)


def plan_of(store, trials, **base):
    settings = {"data": {"store": str(store.path)}, "engine": {"chunk": 3}} | base
    return make_plan(make_sweep({"base": settings, "trials": trials}, "made"), 1)


def test_a_plan_of_spotters_is_kept_and_read_back(store):
    plan = plan_of(store, {"peaks": {"method": "peaks"}, "SOFTNet": {"method": "softnet"}})
    (peaks, softnet) = plan.groups
    assert (peaks.clips, peaks.subjects, len(peaks.folds), peaks.frames) == (8, 4, 4, 2400)
    assert peaks.task.spots
    assert peaks.windows == ()
    assert softnet.windows[0].startswith("k is micro 6 frames, macro 22 frames: 4 folds")
    assert plan_from_json(plan.to_json()) == plan


def test_folds_with_another_k_are_in_chunks_of_their_own(store, monkeypatch):
    first = store.videos[0]
    long = tuple(t._replace(offset=t.offset + 20) for t in first.truth)
    videos = (type(first)(**{**vars(first), "truth": long}), *store.videos[1:])
    changed = MotionStore(store.path, videos, store.hash, store.settings, store.meta)
    monkeypatch.setattr(spotting_data, "open_motion_store", lambda path: changed)
    plan = plan_of(store, {"SOFTNet": {"method": "softnet"}})
    assert [sorted(fold for _, fold in chunk.runs) for chunk in plan.chunks] == [[0], [1, 2, 3]]
    assert [chunk.width for chunk in plan.chunks] == [1, 3]
    assert len(plan.groups[0].windows) == 2
    leaking = plan_of(store, {"all": {"method": "softnet", "spotter.window": "all subjects"}})
    assert [len(chunk.runs) for chunk in leaking.chunks] == [2, 2]
    assert leaking.trials[0].name == "all, k from all subjects (leaks)"


def test_trials_with_shuffled_motion_train_apart_from_those_with_their_own(store):
    plan = plan_of(store, {"true": {"method": "peaks"}, "shuffled": {"method": "peaks", "control": "shuffle"}})
    assert len(plan.groups) == 1
    assert all(len({trial for trial, _ in chunk.runs}) == 1 for chunk in plan.chunks)


def test_runs_without_anything_to_have_in_common_are_cut_as_before():
    runs = tuple((0, fold) for fold in range(7))
    group = GroupRuns(None, (0,), runs, 3, False)
    assert group.side_by_side(runs) == [list(runs)]
    other = GroupRuns(None, (0,), runs, 3, False, {run: run[1] % 2 for run in runs})
    assert other.side_by_side(runs) == [[(0, 0), (0, 2), (0, 4), (0, 6)], [(0, 1), (0, 3), (0, 5)]]


@pytest.mark.parametrize(
    ("trial", "sentence"),
    [
        ({"method": "peaks", "control": "shuffle everything"}, "write control: shuffle"),
        ({"method": "softnet", "engine.save_models": True}, "softnet spots; leave it out"),
        ({"method": "peaks", "data.folds": "lodo"}, "at least two databases"),
        ({"method": "ststnet"}, "made"),
    ],
)
def test_what_spotters_cannot_do_is_a_sentence(store, trial, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        plan_of(store, {"one": trial})
