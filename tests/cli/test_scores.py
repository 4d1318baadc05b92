"""The table that a finished sweep prints: settings in columns, marks, at most 20 rows, the order that was asked for."""

import re

import pytest
from rich.console import Console
from support.fake_runs import small_clips, write_fake_run
from support.report_command import word

from merjax.cli.scores import print_scores
from merjax.sweeps.result import open_sweep

GRID = {f"gamma={n}": {"loss.gamma": n / 10, "spatial.learning_rate": 0.000464159} for n in range(24)}
SETTINGS = {"spatial": {"learning_rate": 0.000464159}}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    skills = {name: 0.9 if name == "gamma=22" else 0.4 for name in GRID}
    folder = tmp_path_factory.mktemp("runs") / "grid"
    write_fake_run(folder, clips=small_clips(("casme2",)), skills=skills, overrides=GRID, settings=SETTINGS)
    return open_sweep(folder)


def printed(result, capsys, sort="") -> str:
    print_scores(result, Console(width=120), sort)
    return capsys.readouterr().out


def rows_of(text: str) -> list[str]:
    return re.findall(r"│ ((?:gamma=|majority|chance)\S*)", text)


def test_settings_that_vary_are_columns_and_twenty_trials_are_shown_with_the_best(grid, capsys):
    text = printed(grid, capsys)
    assert re.search(r"trial +┃ +gamma ┃ +UF1", text)
    assert "learning_rate" not in text  # it is the same in all trials
    names = rows_of(text)
    assert names == [*(f"gamma={n}" for n in range(19)), "gamma=22", "majority", "chance"]
    (best,) = (line for line in text.splitlines() if "best" in line)
    assert "gamma=22" in best
    assert "2.2" in best
    said = " ".join(text.split())
    assert f"4 more rows are in {grid.folder}/scores.csv" in said
    assert f"merjax report {grid.folder}" in said
    assert "luck" not in text


def test_a_table_that_is_sorted_by_a_tested_score_says_that_its_first_row_is_lucky(grid, capsys):
    text = printed(grid, capsys, "UAR")
    scores = grid.scores.dropna(subset="diverged").sort_values("UAR", ascending=False, kind="stable")
    assert rows_of(text)[:3] == scores["trial"].tolist()[:3]
    assert "sorted by UAR on the tested subjects: the first is first in part by luck" in " ".join(text.split())


def test_a_score_that_does_not_exist_is_refused_before_anything_is_trained():
    result = word("sweep", "quickstart", "--sort", "uf1")
    assert result.returncode == 2
    assert "--sort uf1: there is no such score; write one of UF1, UAR, accuracy" in result.stderr


def test_a_single_trial_is_not_called_the_best(tmp_path, capsys):
    result = open_sweep(write_fake_run(tmp_path / "one", clips=small_clips(("samm",)), skills={"gamma=1": 0.5}))
    assert "best" not in printed(result, capsys)


def test_columns_of_settings_leave_room_to_long_names(tmp_path, capsys):
    skills = {"a trial with the long name number one": 0.5, "a trial with the long name number two": 0.6}
    run = open_sweep(write_fake_run(tmp_path / "run", clips=small_clips(("casme2",)), skills=skills))
    for width, shown in ((120, True), (60, False)):
        print_scores(run, Console(width=width))
        table = capsys.readouterr().out
        assert ("gamma" in table) is shown
        assert "a trial with the long" in table  # in one line
