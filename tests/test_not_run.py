"""Trials whose store lacks what they need: listed with the reason, while the others are trained."""

import json
from dataclasses import replace

import pytest
from fake_runs import megc_clips, write_fake_run
from rich.console import Console
from small_experiment import BASE, small_experiment

import merjax.plan
from merjax.errors import MerjaxError
from merjax.plan import NotRun, make_plan, plan_from_json, refuse_another
from merjax.printing import print_not_run
from merjax.report.__main__ import print_report
from merjax.report.beside import published_texts
from merjax.report.files import write_report
from merjax.report.runs import compare, read_run
from merjax.report.sections import Section
from merjax.trials import make_sweep

TRIALS = {"base": BASE, "trials": {"gray": {}, "motion": {"data.input": "flow"}, "low": {"loss.gamma": 0}}}


@pytest.fixture
def stores(monkeypatch):
    """Any store that a config names holds gray frames and no motion."""
    monkeypatch.setattr(merjax.plan, "load_experiment", lambda data: replace(small_experiment(), input=data.input))


def test_a_trial_that_lacks_data_leaves_the_plan_and_the_others_stay(stores):
    plan = make_plan(make_sweep(TRIALS, "mine"), 1)
    assert [trial.name for trial in plan.trials] == ["gray", "low"]
    assert plan.group_of_trial == (0, 0)
    assert {trial for chunk in plan.chunks for trial, _ in chunk.runs} == {0, 1}
    (absent,) = plan.not_run
    assert absent.trial == "motion"
    assert "--flow every" in absent.reason
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))).not_run == plan.not_run
    with pytest.raises(MerjaxError, match="holds the trials gray, this sweep has gray, low"):
        refuse_another(make_plan(make_sweep(TRIALS | {"trials": {"gray": {}, "motion": {"data.input": "flow"}}}, "m"), 1),
                       plan, "here")  # fmt: skip


def test_a_sweep_that_can_run_nothing_is_refused(stores):
    with pytest.raises(MerjaxError, match="--flow every"):
        make_plan(make_sweep({"base": BASE | {"data": {"input": "flow"}}}, "mine"), 1)


def test_reports_print_the_published_row_beside_the_reason(tmp_path, capsys):
    folder = write_fake_run(
        tmp_path / "r", name="table8_megc", clips=megc_clips(), skills={"ststnet": 0.6}, chunk_runs=80
    )
    plan = json.loads((folder / "plan.json").read_text())
    absent = NotRun("lbp_top", "the store holds no frames")
    (folder / "plan.json").write_text(json.dumps(plan | {"not_run": [absent._asdict()]}))
    run = read_run(folder)
    sections = [Section(comparison) for comparison in compare([run])]
    (table,) = published_texts(sections[0], run)
    cells = {row[0]: row[1:] for row in table.rows}
    row = next(cells[name] for name in cells if name.startswith("ststnet") and name.endswith("on FULL"))
    assert row[1::2] == ("0.73", "0.76")
    assert cells["lbp_top on CASME II"] == (
        "not run", "0.70", "not run", "0.74")  # fmt: skip
    assert not any(name.startswith("LBP-TOP") for name in cells)
    assert "lbp_top is NOT RUN: the store holds no frames" in table.notes
    write_report(tmp_path / "report", [run], sections, crops=False)
    print_report([run], sections, Console(width=200))
    print_not_run(run.plan, Console(width=20))
    said = capsys.readouterr().out
    assert said.count("lbp_top is NOT RUN: the store holds no frames") >= 2
    for page in ("report.html", "report.md"):
        assert "lbp_top is NOT RUN" in (tmp_path / "report" / page).read_text()
