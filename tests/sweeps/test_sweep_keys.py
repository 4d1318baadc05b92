"""Keys of a sweep file beside its settings, such as `ensembles`: read, kept in the plan, refused where they mean nothing."""

from dataclasses import replace

import pytest
from support.fake_runs import write_fake_run

from merjax.sweeps.entries import entries_of
from merjax.sweeps.folder import read_plan
from merjax.sweeps.plan import plan_from_json
from merjax.sweeps.result import open_sweep
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.errors import MerjaxError

TRIALS = {"trials": {"a": {"loss.gamma": 0}, "b": {"loss.gamma": 2}}}


def test_ensembles_are_read_and_come_back_from_a_plan(tmp_path):
    sweep = make_sweep(TRIALS | {"ensembles": {"both": ["a", "b"]}}, "mine")
    assert sweep.ensembles == {"both": ("a", "b")}
    assert sweep.trials == make_sweep(TRIALS, "mine").trials
    plan = read_plan(write_fake_run(tmp_path / "run"))
    content = plan.to_json()
    assert "ensembles" not in content  # as plans of before
    assert plan_from_json(content | {"ensembles": {"both": ["a", "b"]}}).ensembles == {"both": ("a", "b")}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (["a", "b"], r"mine.yaml: ensembles is .*; write `name: \[trial, trial\]` lines"),
        ({"both": "a"}, "ensembles: both is .*; write a list of two or more different trials"),
        ({"both": ["a"]}, "write a list of two or more different trials"),
        ({"both": ["a", "a"]}, "write a list of two or more different trials"),
        ({"both": ["a", "c"]}, "ensembles: both names the trial `c`, which there is not; write any of a, b"),
    ],
)
def test_an_ensemble_that_means_nothing_is_refused(said, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        make_sweep(TRIALS | {"ensembles": said}, "mine", source="mine.yaml")


def test_a_trial_may_have_fewer_seeds_and_a_note_which_are_no_settings():
    said = {"trials": {"a": {"loss.gamma": 0, "seeds": 2, "note": "2 of 5 seeds"}, "b": {"loss.gamma": 2}}, "seeds": 5}
    a, b = make_sweep(said, "mine").trials
    assert (a.seeds, a.note, a.overrides) == ((0, 1), "2 of 5 seeds", {"loss.gamma": 0.0})
    assert (b.seeds, b.note) == ((), "")
    assert (a.config, b.config) == tuple(trial.config for trial in make_sweep(TRIALS, "mine").trials)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (3, "trial a has the seed 2, which the sweep does not have; write all trials' seeds under `seeds`"),
        ([7], "trial a has the seed 7, which the sweep does not have"),
        ("some", "mine.yaml: seeds is .*; write how many"),
    ],
)
def test_seeds_of_a_trial_that_the_sweep_does_not_have_are_refused(own, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        make_sweep({"trials": {"a": {"seeds": own}, "b": {"loss.gamma": 1}}, "seeds": 2}, "mine", source="mine.yaml")


def test_a_trials_rows_are_complete_with_its_own_seeds(tmp_path):
    """It is not called "1 of 2 seeds" for seeds that it was never to have."""
    plan = read_plan(write_fake_run(tmp_path / "run", seeds=(0, 1)))
    result = open_sweep(tmp_path / "run")
    own = result.predictions[(result.predictions["trial"] != "focal") | (result.predictions["seed"] == 0)]
    asked = tuple(t._replace(seeds=(0,)) if t.name == "focal" else t for t in plan.trials)
    labels = {entry.label: entry.seeds for entry in entries_of(replace(plan, trials=asked), own)}
    assert labels == {"focal": (0,), "cross-entropy": (0, 1)}


def test_a_sweep_that_holds_nobody_out_is_refused():
    with pytest.raises(MerjaxError, match="nobody:group:3 holds nobody out, .* write group:3, .* with `merjax train`"):
        make_sweep({"base": {"data.folds": "nobody:group:3"}}, "mine", source="mine.yaml")
