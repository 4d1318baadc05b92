"""The notebooks, run by a Jupyter kernel from their first cell to their last as a reader would, draw their figures; with tiny
networks, since the paper's take minutes to compile."""

from pathlib import Path

import cv2
import jupytext
import nbclient
import pytest
from support.commands import checkout_environment
from support.places import CHECKOUT
from support.small_command import tiny_networks

FIGURES = {
    "first_tour": {"regions", "motion", "curves", "features", "evidence", "saliency", "decision", "recording"},
    "ablations": {"tables", "differences", "regions_by_class", "audit"},
}


def notebook_of(name: str):
    """The notebook of a percent script, in the format that Jupyter opens (nbformat 4)."""
    return jupytext.read(CHECKOUT / "notebooks" / f"{name}.py")


def test_all_notebooks_are_known_here():
    assert {path.stem for path in (CHECKOUT / "notebooks").glob("*.py")} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_scripts_are_notebooks_that_say_what_they_do(name):
    """Every cell compiles by itself, and text leads up to code."""
    cells = notebook_of(name).cells
    assert {cell.cell_type for cell in cells} == {"markdown", "code"}
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert sum(cell.cell_type == "markdown" for cell in cells) > 3
    for number, cell in enumerate(cells):
        if cell.cell_type == "code":
            compile(cell.source, f"cell {number}", "exec")


@pytest.mark.long
@pytest.mark.parametrize("name", FIGURES)
def test_notebook(name, tmp_path):
    run(name, tmp_path)


def run(name: str, folder: Path) -> None:
    env = checkout_environment() | {"MERJAX_NOTEBOOK": str(folder), "MERJAX_NOTEBOOK_TINY": "1"}
    env |= tiny_networks(folder) | {
        "MPLBACKEND": "agg",
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(folder / "ipython"),
    }
    client = nbclient.NotebookClient(
        notebook_of(name), timeout=900, kernel_name="python3", resources={"metadata": {"path": str(CHECKOUT)}}
    )
    client.execute(env=env)
    figures = {path.stem: cv2.imread(str(path)) for path in (folder / "figures").glob("*.png")}
    assert set(figures) == FIGURES[name]
    assert all(figure.std() > 5 for figure in figures.values())
