"""What a terminal shows while work goes on; nothing where the output is no terminal."""

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from merjax.sweeps.plan import Chunk, Plan
from merjax.system.console import draws
from merjax.system.files import cache_folder, write_json


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
        """Take in a call's message (see `merjax.sweeps.running.pool.carry_out`)."""
        if "warning" in call:
            self.bars.console.print(call["warning"])
            return
        chunk = self.plan.chunks[call["chunk"]]
        work = self.plan.groups[chunk.group].cost
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


# 1e9 multiply-adds a second of one worker process: roughly one core of an AMD EPYC, and a guess for accelerators
_ROUGH_RATE = {"cpu": 15.0, "gpu": 1000.0, "tpu": 1000.0}


_LEAST_SECONDS = 2.0  # of calls: below, a rate is mostly chance


def seconds_left(plan: Plan, chunks: Sequence[Chunk], workers: int) -> tuple[float, bool]:
    """Expected seconds of chunks on this machine, and whether a sweep here was ever timed (else it is a rough guess)."""
    import jax

    workers = min(workers, max(len(chunks), 1))
    known = _read().get(_machine())
    rate = known if known else _ROUGH_RATE.get(jax.default_backend(), _ROUGH_RATE["gpu"])
    return work_of(plan, chunks) / (rate * workers), known is not None


class Stopwatch:
    """Takes the time of training calls. The first call of a stage is left out, for it waits for the compiler."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.last: dict[int, tuple[int, str, int, float]] = {}
        self.work = self.seconds = 0.0

    def hear(self, call: dict[str, Any]) -> None:
        """Take in a call's message (see `merjax.sweeps.running.pool.carry_out`)."""
        chunk, stage, step, now = call["chunk"], call["stage"], call["step"], time.monotonic()
        before = self.last.get(call["worker"])
        if before and before[:2] == (chunk, stage):
            work = self.plan.groups[self.plan.chunks[chunk].group].cost[stage]
            self.work += call["runs"] * work * (step - before[2]) / call["steps"]
            self.seconds += now - before[3]
        self.last[call["worker"]] = chunk, stage, step, now

    def remember(self) -> None:
        """Note the rate in the cache folder, for the next estimate, if it can be written: what was trained is no worse."""
        if self.seconds >= _LEAST_SECONDS:
            with contextlib.suppress(OSError):
                cache_folder().mkdir(parents=True, exist_ok=True)
                write_json(_path(), _read() | {_machine(): self.work / self.seconds})


def work_of(plan: Plan, chunks: Sequence[Chunk]) -> float:
    """1e9 multiply-adds of chunks."""
    return sum(len(chunk.runs) * sum(plan.groups[chunk.group].cost.values()) for chunk in chunks)


def _machine() -> str:
    import jax

    return jax.devices()[0].device_kind


def _path() -> Path:
    return cache_folder() / "rates.json"


def _read() -> dict[str, float]:
    try:
        return json.loads(_path().read_text())
    except (OSError, ValueError):
        return {}
