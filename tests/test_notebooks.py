"""The notebooks run from top to bottom and draw their figures."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[1]
FIGURES = {
    "first_tour": {"regions", "motion", "curves", "features", "evidence", "saliency", "decision"},
    "ablations": {"tables", "differences", "regions_by_class"},
}


def test_all_notebooks_are_known_here():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.py")} == set(FIGURES)


@pytest.mark.parametrize("notebook", FIGURES)
def test_notebook(notebook, tmp_path):
    if notebook == "ablations" and "MERJAX_LONG_TESTS" not in os.environ:
        pytest.skip("takes minutes; set MERJAX_LONG_TESTS=1 to run this notebook too")
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    env |= {"MERJAX_NOTEBOOK": str(tmp_path), "MERJAX_NOTEBOOK_TINY": "1", "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", f"exec(open('notebooks/{notebook}.py').read())"],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    figures = {path.stem: cv2.imread(str(path)) for path in (tmp_path / "figures").glob("*.png")}
    assert set(figures) == FIGURES[notebook]
    assert all(figure.std() > 5 for figure in figures.values())
