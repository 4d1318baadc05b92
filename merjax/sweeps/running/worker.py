"""One of several processes that share a sweep, started by it: `python -m merjax.sweeps.running.worker FOLDER`."""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

from merjax.system.errors import command
from merjax.system.signals import Interrupted, stop_requests


@command
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the sweep's folder, with its plan.json")
    parser.add_argument("--core", type=int, help="the one core to run on")
    parser.add_argument("--shard", default="1/1", help="the share of the chunks to care for")
    parser.add_argument("--log", choices=("jsonl", "tensorboard"), help="where the curves of finished runs go besides")
    arguments = parser.parse_args()
    if arguments.core is not None and hasattr(os, "sched_setaffinity"):
        # before JAX comes in: XLA sizes its thread pool by the cores it may use, and one pinned thread per process does
        # more than a pool over all cores does in one process
        os.sched_setaffinity(0, {arguments.core})
    from merjax.sweeps.running.shards import parse_shard
    from merjax.sweeps.running.take_chunks import work
    from merjax.system.jax_setup import prepare_backend

    parent, shard = os.getppid(), parse_shard(arguments.shard)

    def is_orphan() -> bool:
        return os.getppid() != parent  # the sweep was killed: nobody listens

    prepare_backend()
    pass_on_warnings()
    with stop_requests(ignore_interrupts=True) as stop:
        try:
            work(arguments.folder, _say, lambda: stop() or is_orphan(), _warn, shard, arguments.log, _wait)
        except Interrupted:
            sys.exit(stop.exit_code)


def pass_on_warnings() -> None:
    """Let the sweep print what Python's `warnings` say here, where nobody reads the standard error."""
    warnings.showwarning = lambda message, *where: _warn(str(message))


def _say(chunk, progress) -> None:
    _send({"chunk": chunk.number, **progress._asdict()})


def _warn(sentence: str) -> None:
    _send({"warning": sentence})


def _wait(chunks: int) -> None:
    _send({"waiting": chunks})


def _send(message: dict) -> None:
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:  # the sweep is gone; the next look at the parent ends this process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
