"""Progress bars for a sweep in a terminal or a notebook."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from merjax.engine import Progress
from merjax.sweeps.costs import costs_of, total_cost
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.running.listener import Listener
from merjax.system.console import bars, say
from merjax.training.selection import training_name


class SweepProgress(Listener):
    """One bar for the whole sweep, and one for each chunk that is being trained: stage, step, rate and losses.

    Args:
        plan: the plan.
        chunks: the chunks to be trained here.
        unfinished: those of them that are not finished yet.
        console: where to draw.
    """

    def __init__(self, plan: Plan, chunks: Sequence[Chunk], unfinished: Sequence[Chunk], console: Console) -> None:
        self.plan = plan
        self.share = {chunk.number: 0.0 if chunk in unfinished else 1.0 for chunk in chunks}
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.bars = bars(console, *columns, hidden=not unfinished)
        # until the first call is over: programs are traced for it, and compiled if they were not before
        self.total = self.bars.add_task("sweep, preparing programs", total=1.0)
        self.bars.update(self.total, completed=self._done())
        self.lines: dict[int, TaskID] = {}  # by the number of the chunk that each shows
        self.free: list[TaskID] = []  # of chunks that are finished

    def __enter__(self) -> "SweepProgress":
        self.bars.__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        self.bars.__exit__(*reason)

    def called(self, chunk: Chunk, progress: Progress) -> None:
        costs, name = costs_of(self.plan, chunk), training_name(progress.stage, progress.inner)
        before = sum(list(costs.values())[: list(costs).index(name)])
        share = progress.step / progress.steps
        self.share[chunk.number] = (before + share * costs[name]) / sum(costs.values())
        rate = progress.runs * progress.step / max(progress.seconds, 1e-9)
        low, high = progress.loss
        total = len(self.plan.chunks) + len(self.plan.stages)
        text = (
            f"chunk {chunk.number + 1}/{total} {name}: {progress.runs} runs x {progress.step}/"
            f"{progress.steps} steps, {rate:.1f} run-steps/s, loss {low:.3f}-{high:.3f}"
            + (f", {progress.diverged} diverged" if progress.diverged else "")
        )
        self.bars.update(self._line_of(chunk), description=text, completed=self.share[chunk.number])
        self.bars.update(self.total, description="sweep", completed=self._done())

    def finished(self, chunk: Chunk) -> None:
        self.share[chunk.number] = 1.0
        if chunk.number in self.lines:
            self.free.append(self.lines.pop(chunk.number))
        self.bars.update(self.total, description="sweep", completed=self._done())

    def warned(self, sentence: str) -> None:
        say(self.bars.console, sentence)

    def waiting(self, chunks: int) -> None:
        self.warned(
            f"other processes are training what is left ({chunks} chunks); waiting for them, and ready to take over what "
            "they do not finish"
        )

    def _line_of(self, chunk: Chunk) -> TaskID:
        """The bar of a chunk. A chunk that has just started takes over the bar of a finished one, with a new clock and rate."""
        if chunk.number not in self.lines:
            line = self.free.pop() if self.free else self.bars.add_task("", total=1.0)
            self.bars.reset(line)
            self.lines[chunk.number] = line
        return self.lines[chunk.number]

    def _done(self) -> float:
        cost = {number: total_cost(self.plan, [self.plan.chunk(number)]) for number in self.share}
        return sum(cost[n] * share for n, share in self.share.items()) / max(sum(cost.values()), 1e-9)
