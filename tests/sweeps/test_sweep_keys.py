"""The key `ensembles` of a sweep file: read, kept in the plan, refused where it means nothing."""

import pytest
from support.fake_runs import write_fake_run

from merjax.sweeps.folder import read_plan
from merjax.sweeps.plan import plan_from_json
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
