"""The notebooks run from top to bottom and draw their figures."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_notebook(notebook, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    env |= {"MERJAX_TOUR": str(tmp_path), "MERJAX_TOUR_SMALL": "1", "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", f"exec(open({str(notebook)!r}).read())"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    figures = list((tmp_path / "figures").glob("*.png"))
    assert len(figures) == 4
    assert all(cv2.imread(str(figure)).std() > 5 for figure in figures)
