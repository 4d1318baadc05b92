"""The cores that this process may use, and processes that take a share of its work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@contextmanager
def helping(helpers: int, module: str, *arguments: str | Path) -> Iterator[None]:
    """Let so many further processes run `python -m MODULE ARGUMENTS` meanwhile.

    They may do part of the work, and it must not depend on them: whatever is left is for the caller. Not a pool of spawned
    processes, which would run the caller's script once more.
    """
    line = [sys.executable, "-m", module, *map(str, arguments)]
    quiet = subprocess.DEVNULL  # what goes wrong in them goes wrong in the caller too, which says so
    processes = [subprocess.Popen(line, stdout=quiet, stderr=quiet) for _ in range(helpers)]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


@contextmanager
def callers_script_hidden() -> Iterator[None]:
    """Let processes that `multiprocessing` spawns meanwhile not run the caller's script once more.

    They would do so to find functions of it. Ours are imported from where they are, so that a script or notebook that calls
    merjax needs no `if __name__ == "__main__"`.
    """
    main = vars(sys.modules["__main__"])
    hidden = {name: value for name, value in main.items() if name in ("__file__", "__spec__")}
    main.pop("__file__", None)  # there is none in a notebook
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)
