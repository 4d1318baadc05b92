"""A sweep divided among machines that do not communicate: each takes a fixed share of the chunks."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from merjax.system.environment import HERE, text, whole
from merjax.system.errors import MerjaxError, first_line

if TYPE_CHECKING:  # a process of a cluster says for whom it waits before it loads anything that takes long
    from merjax.sweeps.plan import Chunk, Plan


class Shard(NamedTuple):
    """One share of a sweep: the `number`-th, from 1, of `total`."""

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def of(self, plan: "Plan") -> "list[Chunk]":
        """The chunks of this share: every `total`-th one, so that groups are spread evenly; those that wait for a shared chunk
        stay together, so that no two shares train it."""
        mine = {number for family in _families(plan)[self.number - 1 :: self.total] for number in family}
        return [chunk for chunk in plan.chunks if chunk.number in mine]


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


def refuse_idle(shard: Shard, plan: "Plan") -> None:
    """Refuse more shards than can have a part of a plan: some of them would end well without having done anything.

    Raises:
        MerjaxError: there are fewer parts; every shard says so, before any of them trains.
    """
    chunks, parts = len(plan.chunks), len(_families(plan))
    if shard.total > parts:
        told = f" in {parts} parts, since those that share a stage stay together" if parts < chunks else ""
        raise MerjaxError(
            f"the sweep is cut into {chunks} chunks{told}, so that {shard.total - parts} of {shard.total} shards would have "
            f"nothing to do; start {parts} or fewer"
        )


def _families(plan: "Plan") -> list[set[int]]:
    """The numbers of the chunks that wait for common shared chunks, directly or through others; large families first."""
    alone = [{chunk.number} for chunk in plan.chunks if not chunk.needs]
    together: list[tuple[set[int], set[int]]] = []  # what is needed, and by which chunks
    for chunk in plan.chunks:
        if chunk.needs:
            joined = [family for family in together if family[0] & set(chunk.needs)]
            together = [family for family in together if family not in joined]
            needs, numbers = set(chunk.needs), {chunk.number}
            together.append((needs.union(*(f[0] for f in joined)), numbers.union(*(f[1] for f in joined))))
    return sorted([*alone, *(numbers for _, numbers in together)], key=lambda family: (-len(family), min(family)))


def array_shard(environment: Mapping[str, str] = HERE) -> Shard:
    """The shard that belongs to this task of a Slurm job array; the whole sweep outside of such an array.

    Raises:
        MerjaxError: the array leaves numbers out, so that its tasks do not say how many shards there are; or a variable holds
            no number.
    """
    if text("SLURM_ARRAY_TASK_ID", environment) is None or text("SLURM_ARRAY_TASK_COUNT", environment) is None:
        return WHOLE

    def of_array(name: str, default: int, least: int = 0) -> int:
        return whole(f"SLURM_ARRAY_TASK_{name}", default, least=least, environment=environment)

    task, total, step = of_array("ID", 0), of_array("COUNT", 1, 1), of_array("STEP", 1, 1)
    first = of_array("MIN", 0)
    last = of_array("MAX", first + (total - 1) * step)
    behind, off = divmod(task - first, step)
    if off or not 0 <= behind < total or last != first + (total - 1) * step:
        raise MerjaxError(
            f"this is task {task} of a Slurm array of {total} tasks from {first} to {last} that leaves numbers out, so merjax "
            "cannot tell which share of how many is meant; say it by --shard I/N, with the N of the first array, such as "
            "--shard $((SLURM_ARRAY_TASK_ID + 1))/12 for one of --array=0-11"
        )
    return Shard(behind + 1, total)


def own_shard(environment: Mapping[str, str] = HERE, say: Callable[[str], None] = lambda sentence: None) -> Shard:
    """The share of this task of a Slurm array, or of this one of several processes that JAX connects; else the whole.

    `say` is called with a sentence if the other processes let this one wait.
    """
    shard = array_shard(environment)
    if shard == WHOLE and is_connected(environment):
        shard = connected_shard(environment, say)
    return shard


def is_connected(environment: Mapping[str, str]) -> bool:
    """Whether this is one of several processes that JAX can connect by itself: there is a coordinator's address, Slurm or Open
    MPI has started several tasks, or this is a TPU pod."""
    return (
        text("JAX_COORDINATOR_ADDRESS", environment) is not None
        or whole("SLURM_STEP_NUM_TASKS", 1, environment=environment) > 1
        or whole("OMPI_COMM_WORLD_SIZE", 1, environment=environment) > 1
        or "," in (text("TPU_WORKER_HOSTNAMES", environment) or "")
    )


def connected_shard(environment: Mapping[str, str], say: Callable[[str], None]) -> Shard:
    """Learn the index of this process from the others and disconnect from them; each process does the share of its index.

    They exchange no arrays. If they stayed connected, they would wait for each other at every checkpoint and at the end, and
    all would end if one is killed. Disconnected, each has its own devices and works alone, like a process with `--shard`.

    Raises:
        MerjaxError: they do not find each other.
    """
    processes = whole("JAX_NUM_PROCESSES", 0, least=1, environment=environment) or None
    own = whole("JAX_PROCESS_ID", -1, environment=environment)
    if processes and own >= processes:
        raise MerjaxError(f"JAX_PROCESS_ID={own} is not below JAX_NUM_PROCESSES={processes}; they count from 0")

    import jax
    from jax._src.distributed import global_state  # JAX may move it: it is not public

    def connect() -> None:
        jax.distributed.initialize(
            num_processes=processes, process_id=None if own < 0 else own, initialization_timeout=2 * _PATIENCE
        )

    try:
        _heard_meanwhile(connect, lambda: say(waiting_sentence(environment)))
        shard = Shard(global_state.process_id + 1, global_state.num_processes)
        jax.distributed.shutdown()
    except Exception as error:  # of JAX, and of the variables of clusters that it reads
        raise MerjaxError(
            f"this is one of several processes of a cluster, but they do not find each other: {first_line(error)}; start all "
            "of them, or give each its share, from --shard 1/N to --shard N/N"
        ) from error
    # the devices are found later, and until then all trace of other processes must be removed (jax has no public call for it)
    global_state.process_id, global_state.num_processes = 0, 1
    return shard


def waiting_sentence(environment: Mapping[str, str]) -> str:
    """For whom a process of a cluster waits, and how long."""
    for own, all_of_them, place in _NUMBERS:
        total = whole(all_of_them, 0, environment=environment)
        number = whole(own, _UNKNOWN, environment=environment)
        if total > 1:
            where = f" on {there}" if (there := text(place, environment)) else ""
            me = f"process {number + 1} of {total}" if number != _UNKNOWN else f"one of {total} processes"
            others = [str(other + 1) for other in range(min(total, _LISTED + 1)) if other != number]
            listed = ", ".join(others[:_LISTED]) + (", ..." if total - 1 > _LISTED else "")
            return (
                f"this is {me}{where}; it waits for the others ({listed}), at most {_PATIENCE // 60} minutes. If they are not "
                "to start, stop it and give each process its share by --shard I/N"
            )
    hosts = text("TPU_WORKER_HOSTNAMES", environment) or text("JAX_COORDINATOR_ADDRESS", environment) or "this cluster"
    return (
        f"this is one of several processes; it waits for the others ({hosts}), at most {_PATIENCE // 60} minutes. If they are "
        "not to start, stop it and give each process its share by --shard I/N"
    )


_PATIENCE = 300  # seconds
_SOON = 1.0  # seconds in which processes that start together find each other
_UNKNOWN, _LISTED = 2**31 - 1, 8
_NUMBERS = (  # variables: this process, how many there are, where they meet
    ("JAX_PROCESS_ID", "JAX_NUM_PROCESSES", "JAX_COORDINATOR_ADDRESS"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "HOSTNAME"),
)


def _heard_meanwhile(work: Callable[[], None], slow: Callable[[], None]) -> None:
    """Do work in a thread of its own, since a library that waits outside of Python would not hear Ctrl-C; call `slow` if the
    work does not end soon, and give up where it takes too long."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_SOON)
    if thread.is_alive():
        slow()
    ends = time.monotonic() + _PATIENCE
    while thread.is_alive():
        thread.join(0.2)
        if time.monotonic() > ends:  # before JAX ends the process with a stack of C++
            raise TimeoutError(f"they were not there after {_PATIENCE} seconds")
    if failed:
        raise failed[0]
