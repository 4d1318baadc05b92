"""Submitting shards: each job runs the sweep's command with its own share."""

import pytest

from merjax.errors import MerjaxError
from merjax.slurm import submit

pytest.importorskip("submitit")


def test_every_shard_is_a_job_that_runs_the_command(tmp_path, monkeypatch):
    """By submitit's local executor, with a command that fails at once and says on what."""
    jobs = submit(["nowhere.yaml"], 2, tmp_path, {"timeout_min": 5}, cluster="local")
    for job in jobs:
        assert "nowhere.yaml does not exist" in str(job.exception())
    assert {job.submission().function.command[-1] for job in jobs} == {"1/2", "2/2"}
    assert jobs[0].submission().function.command[1:4] == ["-m", "merjax.sweep", "nowhere.yaml"]


def test_without_slurm_or_with_an_unknown_parameter_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MerjaxError, match="no sbatch here"):
        submit(["mine.yaml"], 2, tmp_path, {})
    with pytest.raises(MerjaxError, match="--slurm-set"):
        submit(["mine.yaml"], 2, tmp_path, {"minutes": 5}, cluster="local")
