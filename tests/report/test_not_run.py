"""Trials whose store lacks what they need: listed with the reason, while the others are trained."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from rich.console import Console
from support.fake_runs import megc_clips, write_fake_run
from support.places import CHECKOUT
from support.small_experiment import BASE, small_experiment

import merjax.sweeps.plan
from merjax.cli.report import print_report
from merjax.cli.scores import print_not_run
from merjax.report.beside import published_texts
from merjax.report.comparison import compare
from merjax.report.files import write_report
from merjax.report.section import Section
from merjax.scoring.parts import Part
from merjax.scoring.published.tables import TABLES
from merjax.stores.from_flow_images import prepare_flow_images
from merjax.sweeps.plan import NotRun, make_plan, plan_from_json
from merjax.sweeps.result import open_sweep
from merjax.sweeps.same_sweep import refuse_another
from merjax.sweeps.sweep_file import make_sweep, read_sweep
from merjax.system.errors import MerjaxError

TRIALS = {"base": BASE, "trials": {"gray": {}, "motion": {"data.input": "flow"}, "low": {"loss.gamma": 0}}}


@pytest.fixture
def stores(monkeypatch):
    """Any store that a config names holds gray frames and no motion."""
    monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda data: replace(small_experiment(), input=data.input))


def test_a_trial_that_lacks_data_leaves_the_plan_and_the_others_stay(stores):
    plan = make_plan(make_sweep(TRIALS, "mine"), 1)
    assert [trial.name for trial in plan.trials] == ["gray", "low"]
    assert plan.group_of_trial == (0, 0)
    assert {trial for chunk in plan.chunks for trial, _ in chunk.runs} == {0, 1}
    (absent,) = plan.not_run
    assert absent.trial == "motion"
    assert "--features motion" in absent.reason
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))).not_run == plan.not_run
    with pytest.raises(MerjaxError, match="holds the trials gray, but this sweep has gray, low"):
        refuse_another(make_plan(make_sweep(TRIALS | {"trials": {"gray": {}, "motion": {"data.input": "flow"}}}, "m"), 1),
                       plan, "here")  # fmt: skip


def test_a_sweep_that_can_run_nothing_is_refused(stores):
    with pytest.raises(MerjaxError, match="--features motion"):
        make_plan(make_sweep({"base": BASE | {"data": {"input": "flow"}}}, "mine"), 1)
    sweep = make_sweep(TRIALS, "mine")
    points = {trial.name: trial.overrides for trial in sweep.trials}
    with pytest.raises(MerjaxError, match="--features motion"):  # a search cannot leave proposals without a score
        make_plan(sweep.with_trials(points, inner=0.5), 1)


@pytest.mark.usefixtures("undrawn")
def test_reports_print_the_published_row_beside_the_reason(tmp_path, capsys):
    folder = write_fake_run(
        tmp_path / "r",
        published="table8",
        rows={"ststnet": "Liong et al. [27]"},
        clips=megc_clips(),
        skills={"ststnet": 0.6},
        chunk_runs=80,
    )
    plan = json.loads((folder / "plan.json").read_text())
    absent = NotRun("lbp_top", "the store holds no frames", "LBP-TOP [39]")
    (folder / "plan.json").write_text(json.dumps(plan | {"not_run": [absent._asdict()]}))
    run = open_sweep(folder)
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


@pytest.fixture
def flow_images(tmp_path):
    """A store of ready flow images: three people of CASME II and SAMM with two clips each."""
    folder, rng = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    rows = ["data,subject,clip,label,au"]
    for data, subject in (("casme2", "sub01"), ("casme2", "sub02"), ("samm", "006")):
        for clip, label, units in (("a", "negative", "4"), ("b", "positive", "12")):
            rows.append(f"{data},{subject},{clip},{label},{units}")
            cv2.imwrite(str(folder / f"{subject}_{clip}.png"), rng.integers(0, 256, (28, 28, 3), np.uint8))
    (tmp_path / "list.csv").write_text("\n".join(rows))
    return prepare_flow_images(folder, tmp_path / "list.csv", tmp_path / "store").path


@pytest.mark.parametrize("name", ["table8_megc", "table9_au5"])
def test_the_peers_tables_run_what_flow_images_allow_and_say_what_they_do_not(name, flow_images):
    sweep = read_sweep(CHECKOUT / f"sweeps/{name}.yaml", (f"data.store={flow_images}",))
    plan = make_plan(sweep, 1)
    networks = {"OFF-ApexNet", "STSTNet", "Dual-Inception", "RCN-A", "shuffled STSTNet"}
    assert {trial.name for trial in plan.trials} == networks
    assert {absent.trial for absent in plan.not_run} == {trial.name for trial in sweep.trials} - networks
    assert all("no frames" in absent.reason for absent in plan.not_run)
    assert [len(group.folds) for group in plan.groups] == [3] * len(plan.groups)
    table = TABLES[plan.published]
    rows = {trial.name: table.row(trial.published, Part("FULL")) for trial in (*plan.trials, *sweep.trials)}
    published = {"proposed method", "LBP-TOP"} | ({"HOOF"} if plan.published == "table9" else
        {"Bi-WOOF", "OFF-ApexNet", "STSTNet", "Dual-Inception", "RCN-A"})  # fmt: skip
    assert {absent.trial for absent in plan.not_run if absent.published} <= published
    assert {trial for trial, row in rows.items() if row} == published
