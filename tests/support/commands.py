"""Commands as a user runs them, each a process of its own."""

import os
import subprocess
import sys

from support.places import CHECKOUT


def run(*arguments, module="merjax.sweep", cwd=CHECKOUT, **environment) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | environment
    line = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
