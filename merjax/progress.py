"""What a terminal shows while work goes on; nothing where the output is no terminal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from merjax.plan import Chunk, Plan


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


class SweepProgress:
    """One bar for the whole sweep and one line per worker: stage, step, rate and losses of its chunk.

    Args:
        plan: the plan.
        chunks: those to be done here.
        waiting: those of them that are not done yet.
        console: where to draw.
    """

    def __init__(self, plan: Plan, chunks: Sequence[Chunk], waiting: Sequence[Chunk], console: Console) -> None:
        self.plan = plan
        self.share = {chunk.number: 0.0 if chunk in waiting else 1.0 for chunk in chunks}
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.bars = Progress(*columns, console=console, disable=not draws(console) or not waiting)
        # until the first call is over, for which programs are traced, and compiled if they were not before
        self.total = self.bars.add_task("sweep, preparing programs", total=1.0)
        self.bars.update(self.total, completed=self._done())
        self.lines: dict[int, tuple[TaskID, int]] = {}  # of each worker, with the chunk that it tells of

    def __enter__(self) -> "SweepProgress":
        self.bars.__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        self.bars.__exit__(*reason)

    def hear(self, call: dict[str, Any]) -> None:
        """Take in a call's message (see `merjax.running.carry_out`)."""
        if "warning" in call:
            self.bars.console.print(call["warning"])
            return
        chunk = self.plan.chunks[call["chunk"]]
        work = self.plan.data[chunk.group]["work"]
        stages = list(work)
        before = sum(work[stage] for stage in stages[: stages.index(call["stage"])])
        share = call["step"] / call["steps"]
        self.share[chunk.number] = (before + share * work[call["stage"]]) / sum(work.values())
        low, high = call["loss"]
        rate = call["runs"] * call["step"] / max(call["seconds"], 1e-9)
        text = (
            f"chunk {chunk.number + 1}/{len(self.plan.chunks)} {call['stage']}: {call['runs']} runs x {call['step']}/"
            f"{call['steps']} steps, {rate:.1f} run-steps/s, loss {low:.3f}-{high:.3f}"
            + (f", {call['diverged']} diverged" if call["diverged"] else "")
        )
        line, of_chunk = self.lines.get(call["worker"], (None, None))
        if line is None:
            line = self.bars.add_task(text, total=1.0)
        elif of_chunk != chunk.number:
            self.bars.reset(line)  # its clock, and its rate
        self.lines[call["worker"]] = line, chunk.number
        self.bars.update(line, description=text, completed=self.share[chunk.number])
        self.bars.update(self.total, description="sweep", completed=self._done())

    def _done(self) -> float:
        runs = {number: len(self.plan.chunks[number].runs) for number in self.share}
        return sum(runs[n] * share for n, share in self.share.items()) / max(sum(runs.values()), 1)
