"""Progress is drawn where somebody watches, a terminal or a notebook, and nowhere else."""

import io

import pytest
from rich.console import Console

from merjax.synthesis import synthesize_release
from merjax.system import console


@pytest.fixture
def terminal(monkeypatch):
    """A terminal in the place of this process's own console."""
    screen = io.StringIO()
    monkeypatch.setattr(console, "Console", lambda quiet=False: Console(file=screen, force_terminal=True, width=100))
    return screen


def test_a_function_called_from_a_terminal_draws_a_bar_by_default(terminal, tmp_path):
    synthesize_release(tmp_path / "made", subjects=1, clips_per_subject=1)
    assert "making clips" in terminal.getvalue()
    assert "1/1" in terminal.getvalue()


def test_whoever_gives_progress_is_told_and_nothing_is_drawn(terminal):
    seen = []
    with console.told("counting", lambda done, total: seen.append((done, total))) as progress:
        progress(1, 2)
    assert seen == [(1, 2)]
    assert not terminal.getvalue()


def test_nothing_is_drawn_where_nobody_watches(capsys):
    with console.told("counting", None) as progress:
        progress(1, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_draws_where_it_has_widgets(monkeypatch, widgets):
    monkeypatch.setattr(console, "find_spec", lambda name: object() if widgets and name == "ipywidgets" else None)
    assert console.draws(Console(force_jupyter=True)) == widgets
