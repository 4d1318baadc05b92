"""Trials that leak say so in their name, and what would look honest beside them is refused."""

import json

import pytest
from support.small_experiment import small_plan, use_small_experiment

from merjax.scoring.entry import KNOWN
from merjax.sweeps.costs import stage_jobs
from merjax.sweeps.plan import plan_from_json
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.errors import MerjaxError

HALF = {"spatial.trained_on": "half of all frames"}
SHUFFLED = {"control": "shuffle everything"}
FOUR = {"fold": {}, "fold, shuffled": SHUFFLED, "half": HALF, "half, shuffled": HALF | SHUFFLED}


def names(**content) -> list[str]:
    return [trial.name for trial in make_sweep(content, "mine").trials]


def test_the_name_of_a_trial_says_that_it_leaks_however_the_setting_is_made():
    assert names(trials=FOUR) == ["fold", "fold, shuffled", f"half, {KNOWN}", f"half, shuffled, {KNOWN}"]
    assert names(base=HALF) == [f"base, {KNOWN}"]
    (overridden,) = make_sweep({"trials": {"plain": {}}}, "mine", ["spatial.trained_on=all frames"]).trials
    assert overridden.name == f"plain, {KNOWN}"
    along = names(axes={"spatial.trained_on": ["fold", "all frames"]})
    assert [KNOWN in name for name in along] == [False, True]
    sweep = make_sweep({"trials": FOUR}, "mine")
    again = sweep.with_trials({trial.name: trial.overrides for trial in sweep.trials})
    assert [trial.name for trial in again.trials] == [trial.name for trial in sweep.trials]


def test_a_baseline_has_no_spatial_stage_and_does_not_leak():
    assert names(base=HALF, trials={"STSTNet": {"method": "ststnet"}}) == ["STSTNet"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"selection.rules": ["fixed", "inner"]},
            "`inner` of selection.rules chooses on subjects held out of all training",
        ),
        ({"data.folds": "cross_database"}, "tests on a database of which nothing was trained on"),
        ({"data.folds": "cross_database:casme2+smic:samm"}, "choose loso or group:K"),
        ({"control": "shuffle"}, "write `control: shuffle everything`"),
    ],
)
@pytest.mark.parametrize("trained_on", ["half of all frames", "all frames"])
def test_what_would_look_honest_beside_a_leak_is_refused(settings, sentence, trained_on):
    leak = {"spatial.trained_on": trained_on}
    with pytest.raises(MerjaxError, match=f"mine.yaml: with spatial.trained_on: {trained_on}, ") as refused:
        make_sweep({"trials": {"leak": leak | settings}}, "mine", source="mine.yaml")
    assert sentence in str(refused.value)
    make_sweep({"trials": {"honest": settings}}, "mine")
    make_sweep({"trials": {"leak": leak | {"selection.rules": ["fixed", "oracle"], "data.folds": "group:3"}}}, "mine")
    make_sweep({"trials": {"leak": leak | {"engine.save_models": True, "data.folds": "loso:casme2"}}}, "mine")


@pytest.mark.parametrize("place", ["base", "space"])
def test_a_search_on_inner_subjects_is_refused(place):
    space = {"temporal.units": [32, 64]} | ({"spatial.trained_on": ["fold", "all frames"]} if place == "space" else {})
    content = {"base": HALF if place == "base" else {}, "search": {"sampler": "random", "trials": 2, "space": space}}
    with pytest.raises(MerjaxError, match="a search chooses settings on inner subjects"):
        make_sweep(content, "mine")


def test_the_plan_has_one_spatial_job_per_seed_and_control_for_the_leaking_rows(monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    plan = small_plan(trials=FOUR, seeds=3)
    jobs = [(chunk.seed, trial) for chunk in plan.stages for trial, _ in chunk.runs]
    assert sorted(jobs) == [(seed, trial) for seed in range(3) for trial in (2, 3)]
    assert str(stage_jobs(plan, [1])) == "24 spatial jobs asked for, 6 distinct, 0 found ready, 6 to train"
    leaking = [chunk for chunk in plan.chunks if KNOWN in plan.trials[chunk.runs[0][0]].name]
    assert {len(chunk.needs) for chunk in leaking} == {1}
    assert sum(len(chunk.runs) for chunk in leaking) == 3 * 2 * 4
    assert all(not chunk.needs for chunk in plan.chunks if chunk not in leaking)
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.table["trial"].str.contains(KNOWN, regex=False).tolist() == [False, False, True, True]
