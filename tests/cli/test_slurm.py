"""Submitting shards: each job runs the sweep's command with its own share."""

import os
import signal
import sys
from contextlib import nullcontext

import pandas as pd
import pytest
from support.small_command import small_environment, small_sweep_file, start_sweep, start_word
from support.small_experiment import BASE, small_plan, use_small_experiment

import merjax.cli.slurm
from merjax.cli.slurm import check, submit
from merjax.cli.sweep import main
from merjax.sweeps.sweep_file import make_sweep, read_sweep
from merjax.system.errors import MerjaxError
from merjax.system.signals import stop_requests

submitit = pytest.importorskip("submitit")


def test_every_shard_is_a_job_of_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(submitit.AutoExecutor, "batch", lambda executor: nullcontext())
    monkeypatch.setattr(submitit.AutoExecutor, "submit", lambda executor, function: function)
    jobs = submit(["nowhere.yaml"], 2, tmp_path, {"timeout_min": 5}, cluster="local")
    line = [sys.executable, "-m", "merjax.sweep", "nowhere.yaml", "--shard"]
    assert [job.command for job in jobs] == [[*line, "1/2"], [*line, "2/2"]]


@pytest.mark.long
def test_a_job_runs_its_command(tmp_path):
    """Submitit's local executor, with a command that fails at once."""
    (job,) = submit(["nowhere.yaml"], 1, tmp_path, {"timeout_min": 5}, cluster="local")
    assert "nowhere.yaml does not exist" in str(job.exception())


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A sweep file over the small experiment, for this process and for those that it starts."""
    monkeypatch.setenv("PYTHONPATH", small_environment(tmp_path)["PYTHONPATH"])
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    use_small_experiment(monkeypatch.setattr)
    return small_sweep_file(tmp_path, workers=1)


@pytest.mark.long
def test_submitted_shards_merge_into_the_undivided_sweep(tmp_path, small):
    """Submit, train and merge with submitit's local executor."""
    run = tmp_path / "run"
    check(read_sweep(small), 2, run, "jsonl")
    line = [str(small), "--out", str(run), "--log", "jsonl"]
    jobs = submit(line, 2, run / "slurm", {"timeout_min": 5}, cluster="local")
    for job in jobs:
        job.result()
    assert len(list((run / "logs").rglob("*.jsonl"))) == 8  # of each of two trials' four folds
    lines = (
        start_sweep(dict(os.environ), small, "--out", tmp_path / "whole"),
        start_word("merge", dict(os.environ), small, run, "--out", run),
    )
    for process in lines:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    scores = [pd.read_csv(folder / "scores.csv") for folder in (tmp_path / "whole", run)]
    pd.testing.assert_frame_equal(*scores, atol=1e-4)


def test_the_command_submits_all_that_was_asked_for_once_it_is_sure_that_it_can_be_done(tmp_path, small, monkeypatch):
    submitted = []
    monkeypatch.setattr(merjax.cli.slurm, "submit", lambda line, *rest: submitted.append((line, *rest)) or [])
    words = ["--out", str(tmp_path / "run"), "--log", "jsonl", "--slurm", "2", "--slurm-set", "timeout_min=60"]
    main([str(small), "loss.gamma=1", *words])
    line = [str(small), "loss.gamma=1", "--out", str(tmp_path / "run"), "--log", "jsonl"]
    assert submitted == [(line, 2, tmp_path / "run" / "slurm", {"timeout_min": 60})]
    assert not (tmp_path / "run").exists()  # nothing that depends on the jobs' devices is decided here


SEARCH = {"sampler": "random", "trials": 2, "metric": "UF1", "space": {"loss.gamma": {"low": 0, "high": 2}}}


def test_what_the_jobs_would_refuse_is_refused_before_they_are_submitted(tmp_path, small):
    sweep = read_sweep(small)
    with pytest.raises(MerjaxError, match="--slurm is 0; write how many jobs"):
        check(sweep, 0, tmp_path / "run", None)
    with pytest.raises(MerjaxError, match="cut into 2 chunks, so that 1 of 3 shards would have nothing to do"):
        check(sweep, 3, tmp_path / "run", None)
    with pytest.raises(MerjaxError, match="a search cannot be divided"):
        check(make_sweep({"base": BASE, "search": SEARCH}, "small"), 2, tmp_path / "run", None)
    small_plan(tmp_path / "other", base=BASE)
    with pytest.raises(MerjaxError, match="holds the trials base, but this sweep has focal, cross-entropy"):
        check(sweep, 2, tmp_path / "other", None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(MerjaxError, match="holds no sweep"):
        check(sweep, 2, tmp_path / "full", None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_signals_that_announce_the_end_are_requests(number):
    with stop_requests() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert stop.exit_code == 128 + number
