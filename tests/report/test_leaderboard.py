"""The leaderboard: each number of a row is that of the tables from which a reader would gather it."""

import pytest
from support.fake_runs import megc_clips, write_fake_run

from merjax.report.comparison import compare
from merjax.report.leaderboard import leaderboard_of, leaderboard_texts
from merjax.report.section import Section
from merjax.scoring.scores import score_differences
from merjax.sweeps.result import open_sweep

METHODS = {
    "STSTNet": {"method": "ststnet"},
    "RCN-A": {"method": "rcn_a"},
    "HTNet": {"method": "htnet"},
    "linear SVM": {"method": "linear_svm"},
    "shuffled": {"method": "ststnet", "control": "shuffle"},
}
SKILLS = {"STSTNet": 0.6, "RCN-A": 0.6, "HTNet": 0.3, "linear SVM": 0.9, "shuffled": 0.0}


def board_of(folder, **asked):
    settings = {"selection": {"rules": ["fixed", "inner", "oracle"], "looks": 5}}
    asked = {"seeds": (0, 1), "skills": SKILLS, "overrides": METHODS, "settings": settings} | asked
    runs = [open_sweep(write_fake_run(folder / "run", published="leaderboard", **asked))]
    return Section(compare(runs)[0]), runs


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """The protocol's number of clips, so that published scores may stand beside these."""
    return board_of(
        tmp_path_factory.mktemp("board"),
        clips=megc_clips(),
        rows={"STSTNet": "STSTNet", "HTNet": "HTNet"},
        selections={"fixed": 0.0, "inner": -0.05, "oracle": 0.1},
        seeds=(0,),
    )


def test_a_row_gathers_what_the_other_tables_say_of_a_method(board):
    section, runs = board
    row = leaderboard_of(section, runs).set_index("entry").loc["STSTNet"]
    scores = section.scores.set_index(["part", "entry"])
    for part in ("FULL", "smic", "casme2", "samm"):
        for name in ("UF1", "UAR_low", "UAR_high"):
            assert row[f"{part} {name}"] == scores.loc[(part, "STSTNet"), name]
    assert row["inner"] == scores.loc[("FULL", "STSTNet, inner subjects"), "UF1"]
    oracle = scores.loc[("FULL", "STSTNet, oracle (leaks)"), "UF1"]
    assert row["oracle"] == pytest.approx(oracle - scores.loc[("FULL", "STSTNet"), "UF1"])
    assert row["shuffled"] == scores.loc[("FULL", "shuffled, shuffled labels"), "UF1"]
    assert (row["published UF1"], row["published UAR"]) == (0.7353, 0.7186)


def test_one_row_says_whether_a_method_is_better_than_the_base(board):
    section, runs = board
    (text,) = leaderboard_texts(section, runs)
    verdicts = {row[0]: row[text.columns.index("better than STSTNet?")] for row in text.rows}
    assert verdicts == {"linear SVM": "better", "STSTNet": "", "RCN-A": "no evidence", "HTNet": "worse"}
    assert text.rows[0][0] == "linear SVM"  # the highest UF1 first
    base, *others = (entry for entry in section.comparison.entries if entry.label in verdicts)
    expected = score_differences(base, others, section.comparison.parts).set_index(["part", "entry"])
    own = leaderboard_of(section, runs).set_index("entry")
    for label in ("RCN-A", "HTNet", "linear SVM"):
        assert own.loc[label, "difference_low"] == expected.loc[("FULL", label), "UF1_low"]
        assert own.loc[label, "difference_holm"] >= expected.loc[("FULL", label), "UF1_p"]


def test_a_published_score_says_how_its_moment_was_chosen(board):
    section, runs = board
    (text,) = leaderboard_texts(section, runs)
    moment = {row[0]: row[text.columns.index("its moment")] for row in text.rows}
    assert moment["STSTNet"] == "last epoch"
    assert moment["HTNet"] == "best of 800 epochs for each held-out subject, on that subject"
    assert moment["RCN-A"] == ""  # the sweep file names no row


def test_parameters_are_those_of_the_networks_and_machines(board):
    count = leaderboard_of(*board).set_index("entry")["parameters"]
    assert count.to_dict() == {"STSTNet": 1683, "RCN-A": 55_747, "HTNet": 5_611_542, "linear SVM": 7059}


def test_ensembles_are_rows_and_shuffled_trials_are_not(tmp_path):
    section, runs = board_of(tmp_path, selections={"fixed": 0.0})
    entries = list(leaderboard_of(section, runs)["entry"])
    assert "STSTNet, 2 seeds together" in entries
    assert not any("shuffled" in entry for entry in entries)


def test_synthetic_or_partial_clips_have_no_published_score_beside_them(tmp_path):
    statement = {"statement": "Made clips."}
    section, runs = board_of(tmp_path, data=statement, rows={"STSTNet": "STSTNet"}, selections={"fixed": 0.0})
    assert leaderboard_of(section, runs)["published UF1"].isna().all()


def test_trials_of_one_method_have_no_leaderboard(tmp_path):
    section, runs = board_of(tmp_path, overrides=None, settings=None)
    assert leaderboard_of(section, runs).empty
    assert leaderboard_texts(section, runs) == []
