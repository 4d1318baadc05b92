"""Terminals and notebooks: text from outside printed as it is, where progress can be drawn, how durations are written."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from merjax.system.errors import visible


class TextConsole(Console):
    """Prints every string as it is, also in tables: `run [a]` and `:x:` are text, never rich's markup, and no control
    character reaches the terminal. Styles come from arguments and `Text` alone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)


def wide_console() -> Console:
    """A console for tables with many columns: a file or a pipe does not wrap them at 80 characters."""
    console = TextConsole()
    return console if console.is_terminal else TextConsole(width=140)


def say(console: Console, sentence: str, style: str = "") -> None:
    """Print a sentence as it is on any console, without line breaks; an empty one prints nothing."""
    if sentence:
        console.print(Text(visible(sentence), style=style), soft_wrap=True)


def warn(sentence: str) -> None:
    """Print a warning about something that merjax mends by itself, beside the output."""
    say(TextConsole(stderr=True), f"warning: {sentence}", "yellow")


def default_console() -> Console:
    """The console for callers from Python: it is silent where there is neither a terminal nor a notebook."""
    console = TextConsole()
    return console if is_watched(console) else TextConsole(quiet=True)


def is_watched(console: Console) -> bool:
    """Whether a console can show progress: a terminal or a notebook."""
    return console.is_terminal or console.is_jupyter


def bars(console: Console, *columns: ProgressColumn, hidden: bool = False) -> Progress:
    """Progress bars on a console, as text in a notebook that has no ipywidgets. Nothing is drawn if `hidden`, or if the
    console is neither a terminal nor a notebook."""
    drawn = _TextBars if console.is_jupyter and find_spec("ipywidgets") is None else Progress
    return drawn(*columns, console=console, disable=hidden or not is_watched(console))


@contextmanager
def counted(what: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar for `what`, driven by calls with (done, total)."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bars(console, *columns) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def told(what: str, progress: Callable[[int, int], None] | None) -> Iterator[Callable[[int, int], None]]:
    """The function to call with (done, total): the caller's own, or else a bar for `what` on the default console."""
    if progress is not None:
        yield progress
        return
    with counted(what, default_console()) as bar:
        yield bar


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use: 40 s, 12 min, 3.5 h, 2.1 days."""
    for unit, size, places in (("s", 60, 0), ("min", 3600, 0), ("h", 172800, 1)):
        if seconds < size:
            return f"{seconds / {'s': 1, 'min': 60, 'h': 3600}[unit]:.{places}f} {unit}"
    return f"{seconds / 86400:.1f} days"


class _TextBars(Progress):
    """Bars as a notebook's plain text, which is replaced about once a second; rich draws them with ipywidgets only."""

    _shown: Any = None  # IPython's handle of the text
    _drawn_at = 0.0

    def start(self) -> None:
        if not self.disable:
            from IPython.display import display

            self._shown, self._drawn_at = display(self._text(), raw=True, display_id=True), time.monotonic()

    def stop(self) -> None:
        if self._shown:
            self._shown.update(self._text(), raw=True)

    def refresh(self) -> None:
        if self._shown and time.monotonic() >= self._drawn_at + _PAUSE:
            self._shown.update(self._text(), raw=True)
            self._drawn_at = time.monotonic()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self.refresh()

    def _text(self) -> dict[str, str]:
        file = io.StringIO()
        page = Console(file=file, width=_WIDTH, force_jupyter=False, force_terminal=False)
        page.print(self.get_renderable())
        text = "\n".join(line.rstrip() for line in file.getvalue().splitlines())
        return {"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>"}


_PAUSE = 1.0  # seconds
_WIDTH = 120  # of a line of bars
