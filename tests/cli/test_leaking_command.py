"""What the terminal says of a sweep whose spatial stage leaks, and what the command refuses beside it."""

import pandas as pd
import pytest
from support.audited import POINTS, SKILLS, audited_run
from support.fake_runs import small_clips
from support.small_experiment import BASE, small_plan, use_small_experiment

from merjax.cli import sweep
from merjax.cli.terminal import print_plan, print_result
from merjax.scoring.entry import KNOWN
from merjax.sweeps.result import finish
from merjax.sweeps.running.shards import WHOLE
from merjax.system.console import TextConsole

WIDE = 200
NOTE = f"{KNOWN}. Such a score does not estimate accuracy on new people."


def test_the_table_of_scores_and_its_csv_say_it_in_each_row_and_below(tmp_path, capsys):
    folder = audited_run(tmp_path / "run", clips=small_clips(("casme2",)))
    print_result(finish(folder), TextConsole(width=WIDE))
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith(("│ half", "half"))]
    assert len(rows) == 4  # of two trials, each with the mean of its folds' accuracies
    assert all(KNOWN in row for row in rows)
    assert NOTE in out
    written = pd.read_csv(folder / "scores.csv")
    leaking = written["trial"].str.startswith("half")
    assert leaking.sum() == 2
    assert (written["trial"].str.contains(KNOWN, regex=False) == leaking).all()


def test_the_plan_says_it_and_counts_one_spatial_job_per_seed_and_control(monkeypatch, capsys):
    use_small_experiment(monkeypatch.setattr)
    plan = small_plan(base=BASE, trials=POINTS, seeds=3)
    print_plan(plan, WHOLE, 1, [2**30] * 2, TextConsole(width=WIDE))
    out = capsys.readouterr().out
    assert out.count(KNOWN) == 3  # two trials, and the sentence
    assert "24 spatial jobs asked for, 6 distinct, 0 found ready, 6 to train" in out
    assert "group 1, spatial.trained_on=half of all frames" in out


def test_an_honest_sweep_says_nothing_of_it(tmp_path, capsys):
    honest = {name: SKILLS[name] for name in ("fold", "fold, shuffled")}
    print_result(
        finish(audited_run(tmp_path / "run", clips=small_clips(("casme2",)), skills=honest)), TextConsole(width=WIDE)
    )
    assert "leaks" not in capsys.readouterr().out


def test_what_is_refused_ends_with_exit_code_2_and_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("base: {spatial: {trained_on: half of all frames}, control: shuffle}\n")
    with pytest.raises(SystemExit) as stopped:
        sweep.main(["mine.yaml", "--plan"])
    assert stopped.value.code == 2
    assert "write `control: shuffle everything`" in " ".join(capsys.readouterr().err.split())
