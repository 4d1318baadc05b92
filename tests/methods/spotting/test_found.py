"""Which moment and setting of a spotter is tested: chosen on whose videos, by what, and what is written of each video."""

import numpy as np
import pytest
from support.made_motion import make_motion_store

from merjax.config import make_config
from merjax.methods.runs import RunId
from merjax.methods.spotting.found import Found, Point, best_point, held_out_videos
from merjax.methods.spotting.signals import Spot
from merjax.training.spotting_data import spotting_data_of

KINDS = ("micro", "macro")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    store = make_motion_store(tmp_path_factory.mktemp("store") / "made", subjects=4, videos=2)
    return spotting_data_of(make_config({"data": {"store": str(store.path)}}).data)


def right_at(data, points, trained=True) -> Found:
    """Finds what is true where a video's point (moment, setting) is asked for, and one false interval everywhere."""

    def find(p, moment, setting, v, kind):
        false = Spot(0, 4, 2, kind, 0.1)
        true = [Spot(t.onset, t.offset, t.apex, kind, 0.9) for t in data.videos[v].truth if t.kind == kind]
        return [false, *(true if points.get(v) == (moment, setting) else [])]

    curves = {"stage": {"loss": np.zeros((1, 1))}} if trained else {}
    return Found(find, (0.5, 0.1, 0.9), {kind: np.array([10, 20, 30]) for kind in KINDS}, curves)


def rows_of(data, points, inner_points, rules, trained=True, **selection):
    config = make_config({"method": "softnet", "selection": {"rules": rules, "inner": 0.34, **selection}})
    outer, inner = right_at(data, points, trained), right_at(data, inner_points, trained)
    inside = data.held_out_inside(0.34)
    return {rule: table for rule, table in held_out_videos(data, inside, RunId(config, 0, 0), 0, outer, inner)}


def steps_of(table):
    return set(table.loc[table["row"] == "found", "step"])


def test_the_best_point_has_the_highest_f1_then_the_fewest_false_then_the_last_moment_and_the_first_setting(data):
    found = right_at(data, {0: (1, 2), 2: (1, 2), 4: (0, 1)})
    assert best_point(found, 0, data, [0, 1, 2, 4], "micro") == Point(1, 2)
    assert best_point(right_at(data, {}), 0, data, [0, 2], "micro") == Point(2, 0)
    assert best_point(found, 0, data, [1, 3], "micro") is None  # nothing to find


def test_the_fixed_rule_takes_the_last_moment_and_the_configs_setting(data):
    (table,) = rows_of(data, {0: (2, 0)}, {}, ["fixed"]).values()
    assert steps_of(table) == {30}
    found = table[table["row"] == "found"]
    assert len(found) == 6  # two false ones in each of two videos, and the two true ones


def test_inner_chooses_on_inner_subjects_by_the_run_that_does_not_know_them(data):
    asked = np.flatnonzero(data.held_out_inside(0.34).folds[0].test_N)
    inner = {int(v): (0, 1) for v in asked}
    table = rows_of(data, {v: (1, 1) for v in range(8)}, inner | {0: (1, 1), 1: (1, 1)}, ["inner"])["inner"]
    assert steps_of(table) == {10}


def test_the_held_out_subjects_truth_changes_nothing_that_inner_chooses(data):
    everywhere = {v: (0, 1) for v in range(2, 8)}
    one = rows_of(data, {}, everywhere | {0: (2, 2)}, ["inner"])["inner"]
    other = rows_of(data, {}, everywhere | {0: (1, 0)}, ["inner"])["inner"]
    assert one.equals(other)


def test_what_is_not_trained_chooses_on_all_training_subjects(data):
    inside = data.held_out_inside(0.34).folds[0]
    others = [v for v in range(2, 8) if not inside.test_N[v]]
    inner = {v: (1, 2) for v in others} | {int(v): (0, 1) for v in np.flatnonzero(inside.test_N)}
    assert steps_of(rows_of(data, {}, inner, ["inner"], trained=False)["inner"]) == {20}
    assert steps_of(rows_of(data, {}, inner, ["inner"], trained=True)["inner"]) == {10}


def test_the_oracle_chooses_on_the_held_out_subject_itself(data):
    table = rows_of(data, {0: (1, 1)}, {}, ["oracle"])["oracle"]
    assert steps_of(table) == {20}


def test_every_held_out_video_has_its_row_and_its_truth_though_nothing_is_in_it(data):
    table = rows_of(data, {}, {}, ["fixed"])["fixed"]
    videos = table[table["row"] == "video"]
    assert videos["clip"].tolist() == ["01_0001", "01_0002"]
    assert videos["seconds"].tolist() == [10.0, 10.0]
    assert videos["offset"].tolist() == [299, 299]
    true = table[table["row"] == "true"]
    assert [(r.onset, r.apex, r.offset, r.kind) for r in true.itertuples()] == [
        (t.onset, t.apex, t.offset, t.kind) for t in data.videos[0].truth
    ]
    assert set(table["fold"]) == {"made/s01"}
