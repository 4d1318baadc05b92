"""A sweep with two worker processes, called from a script without `if __name__ == "__main__"`."""

import subprocess
import sys

import pytest
from support.small_command import TRIALS, small_environment
from support.small_experiment import BASE

SCRIPT = f"""\
from pathlib import Path

with open("starts", "a") as file:
    file.write("started\\n")

import merjax

result = merjax.run_sweep({{"base": {BASE!r}, "trials": {TRIALS!r}}}, out="run", engine={{"workers": 2}})
print(len(result.predictions), result.missing)
"""


@pytest.mark.long
def test_a_script_without_a_guard_trains_with_two_workers_and_runs_once(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    line = [sys.executable, str(script)]
    result = subprocess.run(
        line, cwd=tmp_path, env=small_environment(tmp_path), capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[0] == "24 ()"  # two trials, twelve clips
    assert (tmp_path / "starts").read_text() == "started\n"
    assert len(list((tmp_path / "run").glob("predictions-*.parquet"))) == 2
