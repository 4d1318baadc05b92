"""The cores that this process may use, and processes that take a share of its work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merjax.system.signals import unheard_by_children


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@contextmanager
def helping(helpers: int, module: str, *arguments: str | Path) -> Iterator[None]:
    """Let `helpers` further processes run `python -m MODULE ARGUMENTS` meanwhile.

    They may do part of the work, but the work must not depend on them: the caller does whatever is left. This is not a pool
    of spawned processes, since those would run the caller's script once more.
    """
    line = [sys.executable, "-m", module, *map(str, arguments)]
    quiet = subprocess.DEVNULL  # an error in a helper occurs in the caller too, which reports it
    with unheard_by_children():
        processes = [subprocess.Popen(line, stdout=quiet, stderr=quiet) for _ in range(helpers)]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


@contextmanager
def callers_script_hidden() -> Iterator[None]:
    """Keep processes that `multiprocessing` spawns meanwhile from running the caller's script once more.

    They would run it to find its functions. The functions of merjax are imported from their own modules, so a script or
    notebook that calls merjax needs no `if __name__ == "__main__"`.
    """
    main = vars(sys.modules["__main__"])
    hidden = {name: value for name, value in main.items() if name in ("__file__", "__spec__")}
    main.pop("__file__", None)  # there is none in a notebook
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)
