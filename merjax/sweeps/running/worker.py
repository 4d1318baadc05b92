"""One of several processes that share a sweep, started by it: `python -m merjax.sweeps.running.worker FOLDER`."""

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from merjax.system.errors import WORKERS, command
from merjax.system.signals import Interrupted, stop_requests

if TYPE_CHECKING:
    from merjax.sweeps.running.listener import Listener


@command(word=WORKERS)
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the sweep's folder, with its plan.json")
    parser.add_argument("--core", type=int, help="the one core to run on")
    parser.add_argument("--shard", default="1/1", help="the share of the chunks to train")
    parser.add_argument("--log", choices=("jsonl", "tensorboard"), help="write training curves in this format too")
    # told, and not asked of the system: the sweep may be killed while this process still imports
    parser.add_argument("--parent", type=int, required=True, help="the process of the sweep that started this one")
    arguments = parser.parse_args()
    if arguments.core is not None and hasattr(os, "sched_setaffinity"):
        # before JAX is imported: XLA sizes its thread pool by the cores that it may use, and processes with one pinned thread
        # each are faster than one process with a pool over all cores
        os.sched_setaffinity(0, {arguments.core})
    from merjax.sweeps.running.messages import MessageWriter
    from merjax.sweeps.running.shards import parse_shard
    from merjax.sweeps.running.take_chunks import take_chunks
    from merjax.system.jax_setup import prepare_backend

    shard, listener = parse_shard(arguments.shard), MessageWriter()

    def is_orphan() -> bool:
        return os.getppid() != arguments.parent  # the sweep was killed, and nobody reads the messages

    prepare_backend()
    pass_on_warnings(listener)
    with stop_requests(ignore_interrupts=True) as stop:
        try:
            take_chunks(arguments.folder, listener, lambda: stop() or is_orphan(), shard, arguments.log, beside=True)
        except Interrupted:
            sys.exit(stop.exit_code)


def pass_on_warnings(listener: "Listener") -> None:
    """Let the sweep print Python's `warnings` of this process, since nobody reads its standard error."""
    warnings.showwarning = lambda message, *where: listener.warned(str(message))


if __name__ == "__main__":
    main()
