"""One of several processes that share a sweep: `python -m merjax.worker FOLDER`, started by `python -m merjax.sweep`."""

import argparse
import json
import os
import sys
from pathlib import Path

from merjax.errors import command


@command
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the sweep's folder, with its plan.json")
    parser.add_argument("--core", type=int, help="the one core to run on")
    arguments = parser.parse_args()
    if arguments.core is not None and hasattr(os, "sched_setaffinity"):
        # before JAX comes in: XLA sizes its thread pool by the cores it may use, and one pinned thread per process does
        # more than a pool over all cores does in one process
        os.sched_setaffinity(0, {arguments.core})
    from merjax.devices import prepare_backend
    from merjax.work import work

    parent = os.getppid()
    prepare_backend()

    def say(chunk, progress) -> None:
        if os.getppid() != parent:  # the sweep was killed: nobody listens, and a new one may have begun
            sys.exit(1)
        print(json.dumps({"chunk": chunk.number, **progress._asdict()}), flush=True)

    work(arguments.folder, say)


if __name__ == "__main__":
    main()
