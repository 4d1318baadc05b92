"""What a sweep would do on this machine: its plan, its size, its memory."""

from pathlib import Path

import jax

from merjax.methods.memory import bytes_per_device, capacity
from merjax.sweeps.folder import is_finished, read_plan
from merjax.sweeps.plan import Chunk, Plan, make_plan, most_runs_together, open_data
from merjax.sweeps.running.pool import worker_count
from merjax.sweeps.running.shards import WHOLE, Shard
from merjax.sweeps.running.train_chunk import open_group
from merjax.sweeps.same_sweep import refuse_another
from merjax.sweeps.sweep_file import SweepFile
from merjax.system.jax_setup import prepare_backend


def plan_sweep(sweep: SweepFile, shard: Shard = WHOLE) -> Plan:
    """The plan of a sweep on this machine; if the sweep is divided among several machines, all make the same plan."""
    prepare_backend()
    workers = worker_count(sweep.trials[0].config.engine.workers)
    if shard != WHOLE and jax.default_backend() == "cpu":
        workers = sweep.trials[0].config.engine.workers or _WORKERS_OF_A_SHARD
    return make_plan(sweep, shard.total * workers, capacity)


def batch_of(sweep: SweepFile) -> int:
    """How many proposals fill the chunks that train at the same time on this machine, and at least as many as have their
    spatial settings in common."""
    config = sweep.trials[0].config
    data = open_data(config, sweep.searched.inner)
    together = worker_count(config.engine.workers) * most_runs_together(data, config, capacity)
    return max(sweep.searched.inner_trials, together // len(data.folds))


def planned(sweep: SweepFile, shard: Shard, folder: Path) -> tuple[Plan, list[Chunk]]:
    """The plan to show, and its chunks that are finished in a folder; for a search, a plan of random proposals.

    Raises:
        MerjaxError: see `plan_sweep`; or the folder holds another sweep.
    """
    plan = plan_sweep(as_planned(sweep), shard)
    if sweep.search:
        return plan, []
    if not (folder / "plan.json").is_file():
        return plan, []
    there = read_plan(folder)
    refuse_another(there, plan, folder)
    return there, [chunk for chunk in there.chunks if is_finished(folder, chunk)]


def as_planned(sweep: SweepFile) -> SweepFile:
    """The sweep itself; for a search, one of as many random proposals as it has."""
    if not sweep.search:
        return sweep
    from merjax.sweeps.running.search import rehearse  # needs Optuna

    return rehearse(sweep, sweep.search.trials)


def memory_of(plan: Plan, group: int) -> int:
    """Bytes that the training of a group's chunk takes on each device; compiles its programs, which the sweep will use."""
    width = next(chunk.width for chunk in plan.chunks if chunk.group == group)
    opened = open_group(plan, group)
    return bytes_per_device(opened.data, opened.config, -(-width // jax.local_device_count()))


_WORKERS_OF_A_SHARD = 8  # in a plan that must not depend on the machine: about the cores of a cluster's job
