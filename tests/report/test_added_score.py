"""A score that is added by the recipe of CONTRIBUTING.md: one function and one line."""

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import zero_one_loss
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of, report, words

from merjax.cli.scores import print_scores
from merjax.scoring.metrics import SCORES
from merjax.sweeps.result import open_sweep


def error_rate(confusion):
    """Share of clips predicted wrong."""
    total = confusion.sum((-2, -1))
    return (total - np.trace(confusion, axis1=-2, axis2=-1)) / total


@pytest.mark.usefixtures("undrawn")
def test_all_tables_intervals_and_the_page_show_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SCORES, "error", error_rate)
    folder = write_fake_run(tmp_path / "run", clips=small_clips(("casme2",)))
    result = report(folder)
    assert result.returncode == 0, result.stderr
    assert "error" in result.stdout
    assert "error" in words(page_of(folder))
    scores = pd.read_csv(folder / "report" / "scores.csv")
    own = open_sweep(folder)
    whole = own.predictions[own.predictions["trial"] == scores["trial"].iloc[0]]
    assert np.isclose(scores["error"].iloc[0], zero_one_loss(whole["label"], whole["prediction"]))
    low, score, high = (scores[f"error{end}"].iloc[0] for end in ("_low", "", "_high"))
    assert low <= score <= high
    print_scores(own, Console(width=200))
    assert "error" in capsys.readouterr().out
