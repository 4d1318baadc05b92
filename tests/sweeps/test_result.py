"""A sweep's folder as tables: finished, unfinished, of a search, and as the version before wrote it."""

import json
import shutil

import pandas as pd
import pytest
from support.fake_runs import loso, small_clips, write_fake_run

from merjax.protocols import FoldId
from merjax.report.files import make_report
from merjax.scoring.entry import GroupData, SkippedClip
from merjax.sweeps.folder import read_plan
from merjax.sweeps.plan import plan_from_json
from merjax.sweeps.result import MissingRun, open_sweep, open_sweeps
from merjax.system.errors import MerjaxError

CASME2 = small_clips(("casme2",))
FOLDS = list(loso(CASME2))


def small_run(folder, **asked):
    return write_fake_run(folder, **{"clips": CASME2, "chunk_runs": len(FOLDS)} | asked)


def test_a_finished_sweep_has_all_its_tables(tmp_path):
    result = open_sweep(str(small_run(tmp_path / "r")))
    assert (result.name, result.missing, result.missing_chunks, result.missing_sentence) == ("mine", (), [], "")
    assert len(result.predictions) == 2 * len(CASME2)
    assert result.scores["trial"].tolist() == ["focal", "cross-entropy", "majority", "chance"]
    assert set(result.curves["stage"]) == {"spatial", "temporal"}
    assert result.plan.table.to_dict("records") == [
        {
            **{"trial": trial, "runs": 4, "method": "local_regions", "protocol": "megc3", "folds": 4},
            **{"clips": 13, "subjects": 4, "loss.gamma": gamma},
        }
        for trial, gamma in (("focal", 0.0), ("cross-entropy", 1.0))
    ]
    assert "cross-entropy" in result._repr_html_()
    assert "loss.gamma" in result.plan._repr_html_()


def test_of_a_sweep_under_way_all_tables_are_of_the_same_chunks(tmp_path):
    """Tables of a result do not include what is finished after they were first read."""
    whole = small_run(tmp_path / "whole")
    folder = small_run(tmp_path / "r", unfinished=(1,))
    result = open_sweep(folder)
    assert result.missing == tuple(MissingRun("cross-entropy", 0, fold) for fold in FOLDS)
    for kind in ("curves", "predictions"):
        shutil.copy(whole / f"{kind}-0001.parquet", folder)
    assert len(result.missing) == len(FOLDS)
    assert "4 of 8 training runs" in result.missing_sentence
    assert set(result.predictions["trial"]) == set(result.curves["trial"]) == {"focal"}
    assert "4 of 8 training runs" in result._repr_html_()
    assert open_sweep(folder).missing == ()
    assert open_sweep(folder).digest == open_sweep(whole).digest != result.digest


def test_a_sweep_that_has_just_begun_opens_and_says_that_nothing_is_finished(tmp_path):
    result = open_sweep(small_run(tmp_path / "r", unfinished=(0, 1)))
    assert len(result.missing) == 2 * len(FOLDS)
    assert result.curves.empty
    assert "local_regions" in result._repr_html_()
    for table in (lambda: result.predictions, lambda: result.scores, result.report):
        with pytest.raises(MerjaxError, match="none of the 2 chunks of this run is finished"):
            table()


@pytest.mark.usefixtures("undrawn")
def test_a_result_reports_itself_as_its_folder_is_reported(tmp_path):
    result = open_sweep(small_run(tmp_path / "r"))
    page = result.report(crops=False)
    assert page == result.folder / "report" / "report.html"
    again = make_report(str(result.folder), str(tmp_path / "out"), base="cross-entropy", crops=False)
    assert again == tmp_path / "out" / "report.html"
    for one, other in (("focal", page), ("cross-entropy", again)):
        assert set(pd.read_csv(other.parent / "differences.csv")["base"]) == {one}
    with pytest.raises(MerjaxError, match='no trial "nobody" to compare with'):
        result.report(tmp_path / "none", base="nobody")


@pytest.mark.usefixtures("undrawn")
def test_several_sweeps_of_one_name_are_told_apart_by_their_folders(tmp_path):
    a, b = small_run(tmp_path / "a"), small_run(tmp_path / "b")
    assert [result.name for result in open_sweeps([a, open_sweep(b)])] == [str(a), str(b)]
    assert [result.name for result in open_sweeps(str(a))] == ["mine"]
    page = make_report([a, open_sweep(b)], crops=False)
    assert page == a / "report" / "report.html"
    assert f"{b}: focal" in page.read_text()
    with pytest.raises(MerjaxError, match="given twice"):
        make_report([a, open_sweep(a)])


def test_the_folder_of_a_search_opens_what_its_folds_chose_last(tmp_path):
    for number in (2, 10):
        small_run(tmp_path / f"chosen-of-{number}", skills={"chosen": 0.5}, name=f"of {number}")
    (tmp_path / "search").mkdir()
    rows = [
        {"trial": f"trial {n}", "state": "complete", "UF1": 0.5, "loss.alpha": f"0{n}.50", "chosen_for": "x" * n}
        for n in range(2)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "search" / "search.csv", index=False)
    result = open_sweep(tmp_path)
    assert (result.folder, result.name) == (tmp_path / "chosen-of-10", "of 10")
    assert result.tried["chosen_for"].tolist() == ["", "x"]
    assert result.tried["loss.alpha"].tolist() == ["00.50", "01.50"]  # a text setting
    with pytest.raises(MerjaxError, match="not a sweep's folder"):
        open_sweep(tmp_path / "search")


def test_a_plan_comes_back_as_it_was_and_keeps_its_keys(tmp_path):
    """Keys and their order are those that merjax 0.1.0 wrote; `published` is the only new one."""
    skipped = {"database": "casme2", "subject": "sub09", "clip": "EP02", "reason": "no face"}
    folder = small_run(tmp_path / "r", data={"dropped": [skipped], "folds": FOLDS}, published="table7")
    content = json.loads((folder / "plan.json").read_text())
    (group,) = content["data"]
    assert list(group) == [
        *("store", "store_hash", "split_hash", "label_hash", "protocol", "classes", "folds", "clips", "frames"),
        *("subjects", "dropped", "left_out", "statement", "work"),
    ]
    assert (group["dropped"], group["folds"]) == ([skipped], FOLDS)
    plan = read_plan(folder)
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.groups[0].dropped == (SkippedClip("casme2", "sub09", "EP02", "no face"),)
    assert str(plan.groups[0].dropped[0]) == "casme2/sub09/EP02: no face"
    assert plan.groups[0].folds == tuple(map(FoldId, FOLDS))
    assert GroupData.from_json(group).to_json() == group
