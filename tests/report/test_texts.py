"""The tables of a report as text: their numbers, what stands beside them, and how they are written."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from support.fake_runs import small_clips, write_fake_run

from merjax.report.comparison import compare
from merjax.report.section import Section, warnings_of
from merjax.report.tables import TextTable, latex, markdown
from merjax.report.texts import data_text, inflation_texts, score_texts
from merjax.scoring.written import number
from merjax.sweeps.result import open_sweep

CASME2 = small_clips(("casme2",))


def section_of(folder, **asked) -> Section:
    """The only comparison of a sweep without training; see `write_fake_run`."""
    return Section(compare([open_sweep(write_fake_run(folder / "run", **asked))])[0])


@pytest.fixture(scope="module")
def section(tmp_path_factory) -> Section:
    """Two trials, two seeds, three databases."""
    return section_of(tmp_path_factory.mktemp("runs"), seeds=(0, 1))


def test_the_inflation_by_the_oracle_is_a_row_of_its_own(tmp_path):
    """Oracle minus fixed of each trial, recomputed with scikit-learn; leaking entries are in no other difference."""
    section = section_of(tmp_path, clips=CASME2, selections={"fixed": 0.0, "inner": 0.0, "oracle": 0.25}, seeds=(0, 1))
    rows = pd.concat(map(pd.read_parquet, (tmp_path / "run").glob("predictions-*.parquet")))
    uf1 = {
        key: f1_score(own["label"], own["prediction"], average="macro")
        for key, own in rows.groupby(["trial", "selection", "seed"])
    }
    (text,) = inflation_texts(section)
    assert text.title == "Inflation: oracle (leaks) minus fixed, on CASME II"
    said, inflation = {row[0]: row[1] for row in text.rows}, section.inflation.set_index("entry")
    for trial in ("focal", "cross-entropy"):
        added = np.mean([uf1[trial, "oracle", seed] - uf1[trial, "fixed", seed] for seed in (0, 1)])
        row = inflation.loc[f"{trial}, oracle (leaks)"]
        assert row["UF1"] == pytest.approx(added)
        assert row["base"] == trial
        assert row["UF1_low"] < added < row["UF1_high"]
        assert said[f"{trial}, oracle (leaks)"].startswith(number(added, sign=True))
    others = {"focal, inner subjects", "cross-entropy", "cross-entropy, inner subjects"}
    assert set(section.differences["entry"]) == others
    chosen = section.budgets.set_index("entry")
    own = rows[(rows["trial"] == "focal") & (rows["selection"] == "inner")].groupby(["seed", "fold"])["step"].first()
    assert chosen.loc["focal, inner subjects", "median"] == own.median()
    assert chosen.loc["focal, inner subjects", "runs"] == len(own)
    assert (chosen["whole"] == 12).all()


def test_an_oracles_snapshots_are_counted_beside_it(tmp_path):
    section = section_of(
        tmp_path,
        clips=CASME2,
        skills={"a": 0.4},
        selections={"fixed": 0.0, "oracle": 0.4},
        settings={
            "method": "ststnet",
            "peer": {"epochs": 800, "batch": 13},
            "selection": {"rules": ["fixed", "oracle"], "looks": 40},
        },
    )
    told = " ".join(warnings_of(section.comparison.entries))
    assert "The oracle chose among 40 snapshots in 800 epochs; choosing among all epochs" in told
    assert told in " ".join(score_texts(section)[0].notes)
    assert set(section.inflation["snapshots"]) == {40}
    (text,) = inflation_texts(section)
    assert text.columns[-1] == "snapshots"
    assert [row[-1] for row in text.rows] == ["40 in 800 epochs"]


def test_what_has_one_snapshot_has_no_inflation(tmp_path):
    section = section_of(
        tmp_path,
        skills={"a": 0.6},
        clips=CASME2,
        selections={"fixed": 0.0, "oracle": 0.0},
        settings={"method": "hoof", "selection": {"rules": ["fixed", "oracle"]}},
    )
    assert section.inflation.empty
    assert section.budgets.empty
    assert section.without_choice == ["a, oracle (leaks)"]
    assert "one snapshot, no choice" in " ".join(warnings_of(section.comparison.entries))
    assert inflation_texts(section) == []


def test_evidence_of_a_leak_is_told_once_of_all_clips_and_not_once_more_for_every_database(tmp_path):
    section = section_of(tmp_path, skills={"a": 1.0}, settings={"control": "shuffle"})
    said = [[note for note in text.notes if "nothing can be learnt" in note] for text in score_texts(section)]
    assert [len(notes) for notes in said] == [1, 0, 0, 0]
    assert "EVIDENCE OF A LEAK" in said[0][0]


def test_clips_used_have_a_total_and_absent_databases_a_row(tmp_path):
    entry = section_of(tmp_path, clips=small_clips(("smic", "casme2"))).comparison.base
    rows = {row[0]: row[1:3] for row in data_text(entry).rows}
    assert rows == {
        "SMIC-HS": ("12 / 164", "4 / 16"),
        "CASME II": ("13 / 145", "4 / 24"),
        "SAMM": ("0 / 133", "0 / 28"),
        "all": ("25 / 442", "8 / 68"),
    }


def test_macro_f1_has_a_column_of_its_own_and_chance_says_what_its_brackets_are(section):
    rows = section.comparison.base.predictions
    own = [f1_score(r["label"], r["prediction"], average="macro") for _, r in rows.groupby("seed")]
    table, *others = score_texts(section)
    at = table.columns.index("macro F1")
    assert {row[0]: row[at] for row in table.rows}["focal"] == f"{np.mean(own):.3f}"
    notes = " ".join(table.notes)
    assert "not an interval over subjects" in notes
    assert "UF1 is the macro F1" in notes
    samm = next(text for text in others if "SAMM" in text.title)
    assert "A class is rare here" in " ".join(samm.notes)


def test_tables_escape_what_means_something_in_latex_and_markdown():
    rows = (("a & b|c", number(-0.5), "~ ^ \\ # $ {x}"), ("d", "≥ 1 – 2", ""))
    table = TextTable("50 % of a_b", ("trial_1", "x", "x"), rows, ("± 1 → 2", "<_>"))
    text = latex(table, "t")
    assert r"\caption{50 \% of a\_b. $\pm$ 1 $\rightarrow$ 2 $<$\_$>$}" in text
    assert r"\label{tab:t}" in text
    assert r"\begin{tabular}{lrr}" in text
    assert r"trial\_1 & x & x \\" in text  # two columns may have one head
    assert r"a \& b|c & $-$0.500 & \textasciitilde \space \textasciicircum \space \textbackslash" in text
    assert r"\# \$ \{x\} \\" in text
    assert r"d & $\geq$ 1 -- 2 &  \\" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert r"| a & b\|c | −0.500 |" in markdown(table)
    assert number(float("nan")) == "–"
