"""Which trials are compared, with what base, and what rows of different sweeps keep of their own."""

import pandas as pd
import pytest
from support.fake_runs import small_clips, write_fake_run
from support.report_command import report, words

from merjax.report.comparison import compare
from merjax.report.section import Section
from merjax.sweeps.result import open_sweeps

CASME2 = small_clips(("casme2",))


@pytest.mark.usefixtures("undrawn")
def test_any_trial_can_be_the_base_of_differences(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=CASME2, skills={"a": 0.4, "b": 0.6, "c": 0.8})
    result = report(folder, "--base", "c", "--base", "a")
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(folder / "report/differences.csv")
    pairs = set(zip(table["base"], table["entry"], strict=True))
    assert pairs == {("c", "a"), ("c", "b"), ("a", "b"), ("a", "c")}
    full = table.set_index(["base", "entry"])
    for name in ("UF1", "UAR", "accuracy"):
        assert full.loc[("c", "a"), name] == pytest.approx(-full.loc[("a", "c"), name])
        assert full.loc[("c", "a"), f"{name}_low"] == pytest.approx(-full.loc[("a", "c"), f"{name}_high"])
    assert "Difference to c on CASME II" in result.stdout
    assert "Difference to a on CASME II" in result.stdout
    assert (folder / "report/latex/differences-a-casme2.tex").is_file()
    assert {p.name for p in (folder / "report/figures").glob("differences*")} == {
        "differences.pdf",
        "differences-a.pdf",
    }
    unknown = report(folder, "--base", "d")
    assert unknown.returncode == 2
    assert 'no trial "d" to compare with; there are a, b, c' in unknown.stderr


@pytest.mark.usefixtures("undrawn")
def test_each_row_of_a_csv_file_has_its_own_datas_hash(tmp_path):
    a = write_fake_run(tmp_path / "a", clips=CASME2, skills={"x": 0.5}, data={"store_hash": "a" * 32})
    b = write_fake_run(tmp_path / "b", name="other", clips=CASME2, skills={"y": 0.5}, data={"store_hash": "b" * 32})
    assert report(a, b, "--out", tmp_path / "out").returncode == 0
    for name in ("scores", "classes", "confusions", "subjects"):
        table = pd.read_csv(tmp_path / "out" / f"{name}.csv").set_index("entry")
        assert set(table.loc[["mine: x"], "store_hash"]) == {"a" * 32}
        assert set(table.loc[["other: y"], "store_hash"]) == {"b" * 32}


@pytest.mark.usefixtures("undrawn")
def test_runs_of_one_split_stand_in_one_table_and_others_apart(tmp_path):
    clips = CASME2
    a = write_fake_run(tmp_path / "a", clips=clips, skills={"x": 0.5})
    b = write_fake_run(tmp_path / "b", clips=clips, skills={"x": 0.9})
    other = write_fake_run(tmp_path / "c", name="third", clips=small_clips(("samm",)), data={"split_hash": "2" * 16})
    together = compare(open_sweeps([a, b]))
    assert len(together) == 1
    assert [entry.label for entry in together[0].entries] == [f"{a}: x", f"{b}: x"]
    assert not Section(together[0]).differences.empty
    apart = report(a, other, "--out", tmp_path / "out")
    assert apart.returncode == 0, apart.stderr
    assert "2 different protocols or splits" in apart.stdout
    assert (tmp_path / "out/latex/2-scores-samm.tex").is_file()
    assert "2 different protocols or splits" in words((tmp_path / "out/report.html").read_text())
