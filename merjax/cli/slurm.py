"""Shards of a sweep as jobs of a Slurm array."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merjax.sweeps.folder import refuse_folder
from merjax.sweeps.running.curve_logs import Log, refuse_missing
from merjax.sweeps.running.planned import plan_sweep
from merjax.sweeps.running.shards import Shard, refuse_idle
from merjax.sweeps.sweep_file import SweepFile
from merjax.system.errors import MerjaxError


def check(sweep: SweepFile, shards: int, folder: Path, log: Log | None) -> None:
    """Find faults now that the jobs would find when they start. The plan is not kept, since it depends on the jobs' devices.

    Raises:
        MerjaxError: the number is below 1, the sweep is a search, or its store or folder cannot be used.
    """
    if shards < 1:
        raise MerjaxError(f"--slurm is {shards}; write how many jobs are to share the sweep, 1 or more")
    if sweep.search:
        raise MerjaxError("a search cannot be divided: proposals depend on all scores before; leave --slurm out")
    refuse_missing(log)
    plan = plan_sweep(sweep, Shard(1, shards))
    refuse_idle(Shard(1, shards), plan)
    refuse_folder(folder, plan)


def submit(
    line: Sequence[str], shards: int, folder: Path, parameters: Mapping[str, Any], cluster: str | None = None
) -> list:
    """Submit `python -m merjax.sweep LINE --shard i/n` for every shard.

    Args:
        line: sweep file, settings, `--out` and `--log`, as on the command line.
        shards: how many.
        folder: where submitit keeps scripts and the jobs' output.
        parameters: parameters of submitit's executors: `timeout_min`, `gpus_per_node`, `slurm_partition`, ...
        cluster: "local" runs the jobs here; None finds Slurm.

    Returns:
        submitit's jobs.

    Raises:
        MerjaxError: submitit is not installed, finds no Slurm, or does not know a parameter.
    """
    try:
        import submitit
    except ImportError:
        raise MerjaxError("--slurm needs submitit: pip install 'merjax[slurm]'") from None
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        if cluster is None and executor.cluster != "slurm":
            raise MerjaxError("--slurm: there is no sbatch here; start the shards by hand, with --shard 1/N to N/N")
        executor.update_parameters(name="merjax", **parameters)
    except (NameError, TypeError, ValueError) as error:
        raise MerjaxError(f"--slurm-set: {error}") from None
    command = [sys.executable, "-m", "merjax.sweep", *line, "--shard"]
    with executor.batch():
        jobs = [
            executor.submit(submitit.helpers.CommandFunction([*command, str(Shard(i + 1, shards))], verbose=False))
            for i in range(shards)
        ]
    return jobs
