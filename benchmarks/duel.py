"""Two implementations of the same work, timed in turn on the same machine.

Every arrangement is a set of worker processes that stay alive. A round visits the arrangements one after another, and all
workers of one run at once, so a busy neighbour on the machine slows both sides alike.
"""

import argparse
import functools
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# Freed memory stays with the process: otherwise every step of either side pays for the pages of its buffers again.
_KEEP_MEMORY = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=8589934592"

NOTHING = "nothing"  # for --against
DEVICE = "MERJAX_DUEL"  # environment variable of the workers: cpu or gpu

Work = Callable[[], int]  # does some work and returns how many units it was


@dataclass
class Arrangement:
    """One side's processes, each pinned to one core or free to use all, or one that uses the GPU."""

    side: str
    pinned: bool
    device: str
    workers: list[subprocess.Popen] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        if self.device == "gpu":
            return f"{self.side}, one GPU"
        cores = len(os.sched_getaffinity(0))
        return f"{self.side}, {f'{cores} pinned processes' if self.pinned else f'one process, {cores} threads'}"


def main(
    module: str,
    unit: str,
    sides: dict[str, Callable[..., Work]],
    settings: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> None:
    """The command line of a benchmark: `--against torch` compares both sides, `--against nothing` times merjax alone, and
    `--worker side` is one of their processes.

    Args:
        module: the benchmark's name for `python -m`.
        unit: what the times are per.
        sides: per side, a function that prepares its work; its keywords are the values of the benchmark's own settings.
        settings: adds these to the command line.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--against", choices=[*(side for side in sides if side != "jax"), NOTHING], default="torch")
    parser.add_argument(
        "--device", choices=("cpu", "gpu"), default="cpu", help="gpu: one process a side, on the first GPU"
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds, each visiting every arrangement once")
    parser.add_argument("--worker", choices=list(sides), help=argparse.SUPPRESS)
    common = {action.dest for action in parser._actions}
    settings(parser)
    options = parser.parse_args()
    if options.worker:
        _serve(sides[options.worker](**{name: value for name, value in vars(options).items() if name not in common}))
        return
    both = ("jax",) if options.against == NOTHING else ("jax", options.against)
    if options.against != NOTHING and importlib.util.find_spec(options.against) is None:
        sys.exit(
            f"error: this needs {options.against}, which is not installed: pip install 'merjax[benchmarks]', "
            f"or add --against {NOTHING}"
        )
    pins = (True, False) if options.device == "cpu" else (False,)
    arrangements = [Arrangement(side, pin, options.device) for side in both for pin in pins]
    for arrangement in arrangements:
        _start(arrangement, module)
    for _ in range(options.rounds):
        for arrangement in arrangements:
            arrangement.ms.append(_turn(arrangement))
    for arrangement in arrangements:
        _stop(arrangement)
    _report(arrangements, unit)


def threads() -> int:
    """Threads that this process may use: the cores it is pinned to."""
    return len(os.sched_getaffinity(0))


def _start(arrangement: Arrangement, module: str) -> None:
    """Start the workers, and wait until each has compiled and warmed up."""
    command = [sys.executable, "-m", module, *sys.argv[1:], "--worker", arrangement.side]
    env = dict(os.environ, GLIBC_TUNABLES=_KEEP_MEMORY, JAX_PLATFORMS={"cpu": "cpu", "gpu": "cuda"}[arrangement.device])
    env[DEVICE] = arrangement.device
    cores = sorted(os.sched_getaffinity(0))
    for allowed in [{core} for core in cores] if arrangement.pinned else [set(cores)]:
        # Pinned from its first instruction: both libraries size their thread pools by the cores that they see.
        pin = functools.partial(os.sched_setaffinity, 0, allowed)
        pipe = subprocess.PIPE
        worker = subprocess.Popen(command, env=env, preexec_fn=pin, stdin=pipe, stdout=pipe, text=True)
        arrangement.workers.append(worker)
    for worker in arrangement.workers:
        _answer(worker)


def _turn(arrangement: Arrangement) -> float:
    """Milliseconds per unit when all workers run at once; after an untimed turn, since waiting cools caches and pages."""
    for _ in range(2):
        start = time.perf_counter()
        for worker in arrangement.workers:
            print("go", file=worker.stdin, flush=True)
        units = sum(_answer(worker) for worker in arrangement.workers)
    return (time.perf_counter() - start) * 1e3 / units


def _answer(worker: subprocess.Popen) -> int:
    line = worker.stdout.readline()
    if not line:
        sys.exit("error: a worker process died; its message is above")
    return int(line)


def _serve(work: Work) -> None:
    """Warm up, then do the work once for every line on the standard input."""
    for _ in range(2):
        units = work()
    print(units, flush=True)
    for _ in sys.stdin:
        print(work(), flush=True)


def _stop(arrangement: Arrangement) -> None:
    for worker in arrangement.workers:
        worker.stdin.close()
        worker.wait()


def _report(arrangements: list[Arrangement], unit: str) -> None:
    print(f"ms per {unit}, {len(arrangements[0].ms)} rounds{'min':>26}{'median':>11}")
    for arrangement in arrangements:
        print(f"  {arrangement.name:<40}{min(arrangement.ms):11.4f}{statistics.median(arrangement.ms):11.4f}")
    if len({arrangement.side for arrangement in arrangements}) == 1:
        return
    for name, summary in (("minima", min), ("medians", statistics.median)):
        half = len(arrangements) // 2
        ours, theirs = (min(summary(a.ms) for a in side) for side in (arrangements[:half], arrangements[half:]))
        print(f"ratio of {name} {theirs / ours:.2f}")
    print(f"ratio {theirs / ours:.2f}")
