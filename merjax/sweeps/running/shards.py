"""A sweep divided among machines that do not communicate: each takes a fixed share of the chunks."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

import jax

from merjax.sweeps.plan import Chunk, Plan
from merjax.system.errors import MerjaxError


class Shard(NamedTuple):
    """One share of a sweep: the `number`-th, from 1, of `total`."""

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def of(self, plan: Plan) -> list[Chunk]:
        """The chunks of this share: every `total`-th one, so that groups are spread evenly."""
        return [chunk for chunk in plan.chunks if chunk.number % self.total == self.number - 1]


WHOLE = Shard(1, 1)


def parse_shard(text: str) -> Shard:
    """Read "2/5", the second of five shards.

    Raises:
        MerjaxError: the text is anything else.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise MerjaxError(f'--shard is "{text}"; write which of how many, from 1/5 to 5/5')
    return Shard(int(match[1]), int(match[2]))


def array_shard(environment: Mapping[str, str] = os.environ) -> Shard:
    """The shard that belongs to this task of a Slurm job array; the whole sweep outside of such an array."""
    if "SLURM_ARRAY_TASK_ID" not in environment or "SLURM_ARRAY_TASK_COUNT" not in environment:
        return WHOLE
    task, first, step = (
        int(environment.get(f"SLURM_ARRAY_TASK_{name}", default))
        for name, default in (("ID", 0), ("MIN", 0), ("STEP", 1))
    )
    return Shard((task - first) // step + 1, int(environment["SLURM_ARRAY_TASK_COUNT"]))


def own_shard(environment: Mapping[str, str] = os.environ) -> Shard:
    """The share of this task of a Slurm array, or of this one of several processes that JAX connects; else the whole."""
    shard = array_shard(environment)
    if shard == WHOLE and is_connected(environment):
        shard = connected_shard(environment)
    return shard


def is_connected(environment: Mapping[str, str]) -> bool:
    """Whether this is one of several processes that JAX can connect by itself: there is a coordinator's address, Slurm or Open
    MPI has started several tasks, or this is a TPU pod."""
    return (
        "JAX_COORDINATOR_ADDRESS" in environment
        or int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1
        or int(environment.get("OMPI_COMM_WORLD_SIZE", 1)) > 1
        or "," in environment.get("TPU_WORKER_HOSTNAMES", "")
    )


def connected_shard(environment: Mapping[str, str]) -> Shard:
    """Learn the index of this process from the others and disconnect from them; each process does the share of its index.

    They exchange no arrays. If they stayed connected, they would wait for each other at every checkpoint and at the end, and
    all would end if one is killed. Disconnected, each has its own devices and works alone, like a process with `--shard`.

    Raises:
        MerjaxError: they do not find each other.
    """
    from jax._src.distributed import global_state  # here, since JAX may move it: it is not public

    processes, own = (environment.get(f"JAX_{name}") for name in ("NUM_PROCESSES", "PROCESS_ID"))
    try:
        jax.distributed.initialize(
            num_processes=None if processes is None else int(processes), process_id=None if own is None else int(own)
        )
        shard = Shard(global_state.process_id + 1, global_state.num_processes)
        jax.distributed.shutdown()
    except (ValueError, RuntimeError) as error:
        raise MerjaxError(
            f"this is one of several processes of a cluster, but they do not find each other: {error}; start all of them, or "
            "give each its share, from --shard 1/N to --shard N/N"
        ) from error
    # the devices are found later, and until then all trace of other processes must be removed (jax has no public call for it)
    global_state.process_id, global_state.num_processes = 0, 1
    return shard
