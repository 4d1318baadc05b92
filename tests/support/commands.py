"""Commands as a user runs them, each a process of its own."""

import os
import subprocess
import sys

from support.places import CHECKOUT


def checkout_environment() -> dict[str, str]:
    """An environment in which this checkout and `support` are found, with as many CPU devices as a user has."""
    path = os.pathsep.join([str(CHECKOUT / "tests"), str(CHECKOUT)])
    return {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {"PYTHONPATH": path}


def run(*arguments, module="merjax.sweep", cwd=CHECKOUT, **environment) -> subprocess.CompletedProcess:
    env = checkout_environment() | environment
    line = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
