"""How long a sweep will take, from the work that it is and the rate of the last sweep on this machine."""

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merjax.devices import cache_folder
from merjax.plan import Chunk, Plan
from merjax.store import write_json

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
        """Take in a call's message (see `merjax.running.carry_out`)."""
        chunk, stage, step, now = call["chunk"], call["stage"], call["step"], time.monotonic()
        before = self.last.get(call["worker"])
        if before and before[:2] == (chunk, stage):
            work = self.plan.data[self.plan.chunks[chunk].group]["work"][stage]
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
    return sum(len(chunk.runs) * sum(plan.data[chunk.group]["work"].values()) for chunk in chunks)


def duration(seconds: float) -> str:
    """Seconds as people say them: 40 s, 12 min, 3.5 h, 2.1 days."""
    for unit, size, places in (("s", 60, 0), ("min", 3600, 0), ("h", 172800, 1)):
        if seconds < size:
            return f"{seconds / {'s': 1, 'min': 60, 'h': 3600}[unit]:.{places}f} {unit}"
    return f"{seconds / 86400:.1f} days"


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
