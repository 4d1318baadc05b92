"""The notebooks, paired with `.ipynb` as jupytext does it, run cell by cell from top to bottom and draw their figures."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from support.places import CHECKOUT

FIGURES = {
    "first_tour": {"regions", "motion", "curves", "features", "evidence", "saliency", "decision"},
    "ablations": {"tables", "differences", "regions_by_class"},
}


def test_all_notebooks_are_known_here():
    assert {path.stem for path in (CHECKOUT / "notebooks").glob("*.py")} == set(FIGURES)


def notebook_of(script: Path) -> dict:
    """The notebook of a percent script, in the format that Jupyter opens (nbformat 4)."""
    _, *cells = re.split(r"^# %%(.*)\n", script.read_text(), flags=re.M)
    made = []
    for kind, text in zip(cells[::2], cells[1::2], strict=True):
        lines = text.strip("\n").splitlines(keepends=True)
        if kind.strip() == "[markdown]":
            assert all(line.startswith("#") for line in lines), text
            made.append(
                {"cell_type": "markdown", "metadata": {}, "source": [re.sub("^# ?", "", line) for line in lines]}
            )
        else:
            assert not kind.strip(), kind
            made.append({"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": lines})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": kernel, "cells": made}


# what a kernel does with a notebook: its code cells one after another, in one namespace
RUN = """
import json, sys
names = {"__name__": "__main__"}
for number, cell in enumerate(json.load(open(sys.argv[1]))["cells"]):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
"""


@pytest.mark.parametrize("notebook", FIGURES)
def test_scripts_are_notebooks_that_say_what_they_do(notebook):
    """Every cell compiles by itself, and text leads up to code."""
    cells = notebook_of(CHECKOUT / "notebooks" / f"{notebook}.py")["cells"]
    assert cells[0]["cell_type"] == "markdown"
    assert cells[0]["source"][0].startswith("# ")
    kinds = [cell["cell_type"] for cell in cells]
    assert kinds.count("markdown") > 3
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), f"cell {number}", "exec")


@pytest.mark.parametrize("notebook", FIGURES)
def test_notebook(notebook, tmp_path):
    if notebook == "ablations" and "MERJAX_LONG_TESTS" not in os.environ:
        pytest.skip("takes minutes; set MERJAX_LONG_TESTS=1 to run this notebook too")
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    env |= {
        "MERJAX_NOTEBOOK": str(tmp_path),
        "MERJAX_NOTEBOOK_TINY": "1",
        "MPLBACKEND": "agg",
        "PYTHONPATH": str(CHECKOUT),
    }
    paired = tmp_path / f"{notebook}.ipynb"
    paired.write_text(json.dumps(notebook_of(CHECKOUT / "notebooks" / f"{notebook}.py")))
    result = subprocess.run(
        [sys.executable, "-c", RUN, str(paired)],
        env=env,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    figures = {path.stem: cv2.imread(str(path)) for path in (tmp_path / "figures").glob("*.png")}
    assert set(figures) == FIGURES[notebook]
    assert all(figure.std() > 5 for figure in figures.values())
