"""Terminals and notebooks: where progress can be drawn, and how durations are said."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def default_console() -> Console:
    """The console of whoever calls from Python: silent where there is neither a terminal nor a notebook to watch."""
    console = Console()
    return console if draws(console) else Console(quiet=True)


def draws(console: Console) -> bool:
    """Whether a console can redraw what it shows: a terminal, or a notebook that has ipywidgets."""
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


@contextmanager
def counted(what: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar for `what`, driven by calls with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not draws(console)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def told(what: str, progress: Callable[[int, int], None] | None) -> Iterator[Callable[[int, int], None]]:
    """What tells of (done, total): what the caller gave, or a bar for `what` on the default console."""
    if progress is not None:
        yield progress
        return
    with counted(what, default_console()) as bar:
        yield bar


def duration(seconds: float) -> str:
    """Seconds as people say them: 40 s, 12 min, 3.5 h, 2.1 days."""
    for unit, size, places in (("s", 60, 0), ("min", 3600, 0), ("h", 172800, 1)):
        if seconds < size:
            return f"{seconds / {'s': 1, 'min': 60, 'h': 3600}[unit]:.{places}f} {unit}"
    return f"{seconds / 86400:.1f} days"
