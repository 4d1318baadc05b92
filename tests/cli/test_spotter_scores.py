"""The table that a sweep of spotters prints."""

import io

import pytest
from rich.console import Console
from support.spotted_run import all_and_one_false, nothing, write_spotted_run

import merjax
from merjax.cli.scores import refuse_unknown
from merjax.cli.spotter_scores import print_spotters
from merjax.system.errors import MerjaxError


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = write_spotted_run(tmp_path_factory.mktemp("run"), {"none": nothing, "all": all_and_one_false})
    return merjax.open_sweep(folder)


def printed(result, sort=""):
    console = Console(file=io.StringIO(), width=80)
    print_spotters(result, console, sort)
    return console.file.getvalue()


def test_each_trial_has_its_scores_and_what_they_are_made_of(result):
    lines = printed(result).splitlines()
    assert max(len(line) for line in lines if line.startswith("│")) <= 80
    assert lines[0] == "made: spotting, 6 videos of 3 subjects, 3 folds"
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    (cells,) = [row for row in rows if row[0] == "all"]
    assert cells[1:3] == ["0.500", "0.500"]  # of each kind three right and six false
    assert cells[3] == "0.500"
    assert cells[4:] == ["6 of 6", "12", "12.00"]
    said = " ".join(" ".join(lines).split())
    assert (
        "oracle (leaks): how sure an interval must be, and the moment of training, were chosen on the held-out" in said
    )


def test_they_are_sorted_by_a_score_of_spotting_and_by_no_other(result):
    names = [line.split("│")[1].strip() for line in printed(result, "F1").splitlines() if line.startswith("│")]
    assert names.index("all") < names.index("none")
    refuse_unknown("recall", result.plan.trials)
    with pytest.raises(MerjaxError, match="--sort UF1: there is no such score; write one of precision, recall, F1"):
        refuse_unknown("UF1", result.plan.trials)
