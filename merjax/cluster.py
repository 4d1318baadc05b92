"""Which share of a sweep this process is to do, where a cluster says so."""

import os
from collections.abc import Mapping

from merjax.shards import WHOLE, Shard, array_shard


def own_shard(environment: Mapping[str, str] = os.environ) -> Shard:
    """The share of a Slurm array's task, or of one of several processes that JAX connects; else the whole."""
    shard = array_shard(environment)
    if shard == WHOLE and is_connected(environment):
        shard = connected_shard(environment)
    return shard


def is_connected(environment: Mapping[str, str]) -> bool:
    """Whether this is one of several processes that JAX can connect by itself: told by a coordinator's address, by
    Slurm or Open MPI that started several tasks, or by a TPU pod."""
    return (
        "JAX_COORDINATOR_ADDRESS" in environment
        or int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1
        or int(environment.get("OMPI_COMM_WORLD_SIZE", 1)) > 1
        or "," in environment.get("TPU_WORKER_HOSTNAMES", "")
    )


def connected_shard(environment: Mapping[str, str]) -> Shard:
    """Connect to the other processes; each does the share of its index. They exchange no array, so none waits."""
    import jax

    processes, own = (environment.get(f"JAX_{name}") for name in ("NUM_PROCESSES", "PROCESS_ID"))
    jax.distributed.initialize(
        num_processes=None if processes is None else int(processes), process_id=None if own is None else int(own)
    )
    return Shard(jax.process_index() + 1, jax.process_count())
