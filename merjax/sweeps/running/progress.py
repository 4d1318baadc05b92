"""Progress bars for a sweep in a terminal or a notebook, and estimates of how long sweeps take on this machine."""

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from merjax.engine import Progress
from merjax.sweeps.costs import costs_of, total_cost
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.running.listener import Listener
from merjax.system.console import bars, say
from merjax.system.files import cache_folder, write_json
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


# 1e9 multiply-adds a second of one worker process: roughly one core of an AMD EPYC, and a guess for accelerators
_ROUGH_RATE = {"cpu": 15.0, "gpu": 1000.0, "tpu": 1000.0}


_LEAST_SECONDS = 2.0  # of calls: a rate from less time is mostly chance


def seconds_left(plan: Plan, chunks: Sequence[Chunk], workers: int) -> tuple[float, bool]:
    """Expected seconds of chunks on this machine, and whether a sweep was timed here before (if not, it is a rough guess)."""
    workers = min(workers, max(len(chunks), 1))
    known = _read().get(_machine())
    rate = known if known else _ROUGH_RATE.get(jax.default_backend(), _ROUGH_RATE["gpu"])
    return total_cost(plan, chunks) / (rate * workers), known is not None


class Stopwatch(Listener):
    """Takes the time of training calls. The first call of a stage is left out, since it waits for the compiler."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.last: dict[int, tuple[str, int, float]] = {}  # by chunk: training, step and time of its last call
        self.cost = self.seconds = 0.0

    def called(self, chunk: Chunk, progress: Progress) -> None:
        name, now = training_name(progress.stage, progress.inner), time.monotonic()
        before = self.last.get(chunk.number)
        if before and before[0] == name:
            cost = costs_of(self.plan, chunk)[name]
            self.cost += progress.runs * cost * (progress.step - before[1]) / progress.steps
            self.seconds += now - before[2]
        self.last[chunk.number] = name, progress.step, now

    def remember(self) -> None:
        """Note the rate in the cache folder for the next estimate; if that cannot be written, the old rate is kept."""
        if self.seconds >= _LEAST_SECONDS:
            with contextlib.suppress(OSError):
                cache_folder().mkdir(parents=True, exist_ok=True)
                write_json(_path(), _read() | {_machine(): self.cost / self.seconds})


def _machine() -> str:
    return jax.devices()[0].device_kind


def _path() -> Path:
    return cache_folder() / "rates.json"


def _read() -> dict[str, float]:
    try:
        return json.loads(_path().read_text())
    except (OSError, ValueError):
        return {}
