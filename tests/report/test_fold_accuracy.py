"""The mean of the folds' accuracies stands in the terminal and on the page as a row of its own, never as the accuracy."""

import pytest
from rich.console import Console
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of, report, words

from merjax.cli.scores import print_scores
from merjax.scoring.scores import OF_FOLDS
from merjax.sweeps.result import open_sweep


@pytest.mark.usefixtures("undrawn")
def test_the_terminal_and_the_page_name_it(tmp_path, capsys):
    folder = write_fake_run(tmp_path / "run", clips=small_clips(("casme2",)))
    result = report(folder)
    assert result.returncode == 0, result.stderr
    own = open_sweep(folder)
    trial = own.scores["trial"].iloc[0]
    rows = own.predictions[own.predictions["trial"] == trial]
    right = rows.assign(right=rows["label"] == rows["prediction"]).groupby(["seed", "fold"])["right"].mean()
    mean = f"{right.mean():.3f}"
    print_scores(own, Console(width=200))
    assert f"{trial}: {OF_FOLDS} {mean}" in capsys.readouterr().out.splitlines()
    assert f"{trial}: {OF_FOLDS} {mean}" in " ".join(words(page_of(folder)).split())
    assert own.scores.loc[own.scores["trial"].isin(["majority", "chance"]), "fold_accuracy"].isna().all()
