"""Where progress is shown, and how: terminals, notebooks with widgets, notebooks without."""

import ast
import io
import os
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.table import Table
from support.places import CHECKOUT

import merjax.system.console
from merjax.synthesis import synthesize_release
from merjax.system.console import TextConsole, bars, counted, default_console, duration, is_watched, say, told
from merjax.system.errors import MerjaxError, command, visible


def test_a_caller_from_python_sees_progress_in_a_terminal_or_a_notebook_and_else_nothing(monkeypatch):
    assert default_console().quiet
    for place in ("force_terminal", "force_jupyter"):
        monkeypatch.setattr(
            merjax.system.console, "TextConsole", lambda place=place, **said: Console(**{place: True}, **said)
        )
        assert is_watched(default_console())
        assert not default_console().quiet


@pytest.fixture
def notebook(monkeypatch):
    """A notebook without ipywidgets: the texts that it shows, one after another, in place of each other."""
    shown, clock = [], [0.0]

    class Handle:
        def update(self, content, raw):
            assert raw
            shown.append(content["text/plain"])

    def display(content, raw, display_id):
        assert display_id
        Handle().update(content, raw)
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=sys.modules["IPython.display"]))
    monkeypatch.setattr(merjax.system.console, "find_spec", lambda name: None)
    monkeypatch.setattr(merjax.system.console.time, "monotonic", lambda: clock[0])
    return SimpleNamespace(console=Console(force_jupyter=True), shown=shown, clock=clock)


def test_a_notebook_without_widgets_shows_bars_as_text_about_once_a_second(notebook):
    with bars(notebook.console, TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}")) as drawn:
        task = drawn.add_task("sweep <b>", total=100)
        for done in range(1, 101):
            notebook.clock[0] += 0.1
            drawn.update(task, completed=done)
    assert 10 <= len(notebook.shown) <= 13
    assert notebook.shown[0] == ""
    assert "sweep <b>" in notebook.shown[1]
    assert notebook.shown[-1].endswith(" 100")  # what came last is always shown


def test_other_counts_are_shown_there_too_and_a_hidden_bar_is_not(notebook):
    with counted("preparing clips", notebook.console) as progress:
        progress(3, 9)
    assert "preparing clips" in notebook.shown[-1]
    assert "3/9" in notebook.shown[-1]
    notebook.shown.clear()
    with bars(notebook.console, TextColumn("{task.description}"), hidden=True) as drawn:
        drawn.add_task("nothing to do")
    assert not notebook.shown


@pytest.fixture
def terminal(monkeypatch):
    """What a terminal shows, in the place of this process's own console."""
    screen = io.StringIO()
    watched = TextConsole(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(merjax.system.console, "TextConsole", lambda quiet=False: watched)
    return screen


def test_a_function_called_from_a_terminal_draws_a_bar_by_default(terminal, tmp_path):
    synthesize_release(tmp_path / "made", subjects=1, clips_per_subject=1)
    assert "making clips" in terminal.getvalue()
    assert "1/1" in terminal.getvalue()


def test_whoever_gives_progress_is_told_and_nothing_is_drawn(terminal):
    seen = []
    with told("counting", lambda done, total: seen.append((done, total))) as progress:
        progress(1, 2)
    assert seen == [(1, 2)]
    assert not terminal.getvalue()


def test_durations_are_said_as_people_do():
    assert [duration(s) for s in (40, 720, 12600, 181440)] == ["40 s", "12 min", "3.5 h", "2.1 days"]


OUTSIDE = ("run [a]", "x[/y] z", "[bold]no[/bold]", ":smile:", "a\x1b[31mred", os.fsdecode(b"na\xffme"), "[/]")


@pytest.mark.parametrize("text", OUTSIDE)
def test_text_from_outside_is_printed_as_it_is_wherever_it_stands(text):
    """In sentences, tables, titles and bars; control characters and bytes that are no text are written out."""
    shown = text.replace("\x1b", "\\x1b").replace("\udcff", "\\udcff")
    file = io.StringIO()
    console = TextConsole(file=file, width=100, force_terminal=True, color_system=None)
    console.print(text)
    say(console, text, "yellow")
    say(Console(file=file, width=100), text)  # a caller's own console reads markup
    table = Table(text, title=text)
    table.add_row(text)
    console.print(table)
    with bars(console, TextColumn("{task.description}", markup=False)) as drawn:
        drawn.add_task(visible(text))
    assert file.getvalue().count(shown) >= 6
    assert text == shown or text not in file.getvalue()


def test_no_console_of_a_command_reads_markup():
    """Every console in the package that prints is one for text, but for the pages of plain text in a notebook."""
    makers = []
    for path in (CHECKOUT / "merjax").rglob("*.py"):
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        makers += [path.name for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Console"]
        texts = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "TextColumn"]
        for call in texts:
            markup = [k.value.value for k in call.keywords if k.arg == "markup" and isinstance(k.value, ast.Constant)]
            assert markup == [False] or "description" not in ast.unparse(call), f"{path}:{call.lineno}"
    assert makers == ["console.py"]


def test_an_error_names_what_no_terminal_can_show(capsys):
    def main():
        raise MerjaxError(f"{os.fsdecode(b'na' + bytes([255]))}: a \x1b[31mname")

    with pytest.raises(SystemExit):
        command(main)()
    assert capsys.readouterr().err == "error: na\\udcff: a \\x1b[31mname\n"
