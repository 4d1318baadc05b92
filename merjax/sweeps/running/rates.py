"""How fast devices train: rates that sweeps measured, kept in merjax's cache folder, and estimates from them."""

import contextlib
import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from merjax.engine import Progress
from merjax.engine.counting.duration import Expected
from merjax.sweeps.costs import costs_of, total_cost
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.running.listener import Listener
from merjax.system.files import cache_folder, write_json
from merjax.training.selection import training_name

# 1e9 multiply-adds a second of one worker process: roughly one core of an AMD EPYC, and a guess for accelerators
_ROUGH_RATE = {"cpu": 15.0, "gpu": 1000.0, "tpu": 1000.0}

_LEAST_SECONDS = 2.0  # of calls: a rate from less time is mostly chance


def seconds_left(plan: Plan, chunks: Sequence[Chunk], workers: int) -> tuple[float, bool]:
    """Expected seconds of chunks on this machine, and whether a sweep was timed here before (if not, it is a rough guess)."""
    workers = min(workers, max(len(chunks), 1))
    known = _read().get(_machine())
    rate = known if known else _ROUGH_RATE.get(jax.default_backend(), _ROUGH_RATE["gpu"])
    return total_cost(plan, chunks) / (rate * workers), known is not None


def expected_here(plan: Plan, chunks: Sequence[Chunk], workers: int) -> Expected:
    """The seconds of chunks on this machine, with their range."""
    seconds, timed = seconds_left(plan, chunks, workers)
    return (
        Expected(seconds, seconds / _DRIFT, seconds * _DRIFT) if timed else Expected(seconds, seconds / 2, seconds * 2)
    )


_DRIFT = 1.25  # the clock of a shared machine moves by a fifth within a day


class Measured(NamedTuple):
    """How fast one device trained a stage.

    Attributes:
        kind: what JAX calls the device.
        runs: side by side on it.
        rate: 1e9 multiply-adds a second.
    """

    kind: str
    runs: int
    rate: float

    def seconds(self, cost: float, runs: int) -> Expected:
        """How long such a device is expected to take for work of this cost with another number of runs side by side.

        With more runs a step may take as long as before or longer in proportion, and the other way round with fewer.
        """
        in_proportion, ratio = cost / self.rate, self.runs / runs
        likely, ends = in_proportion * math.sqrt(ratio), sorted((in_proportion, in_proportion * ratio))
        return Expected(likely, ends[0] / _DRIFT, ends[1] * _DRIFT)


def measured(kind: str, stage: str, runs: int) -> Measured | None:
    """What was measured of a stage on devices whose kind begins so, with the nearest number of runs; None if nothing was."""
    found = []
    for key, rate in _read().items():
        named = re.fullmatch(r"(.+), (.+), (\d+) runs", key)
        if named and named[1].startswith(kind) and named[2] == stage:
            found.append(Measured(named[1], int(named[3]), rate))
    return min(found, key=lambda m: abs(math.log(m.runs / runs)), default=None)


class Stopwatch(Listener):
    """Takes the time of training calls. The first call of a stage is left out, since it waits for the compiler."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.last: dict[int, tuple[str, int, float]] = {}  # by chunk: training, step and time of its last call
        self.cost = self.seconds = 0.0
        # by stage and number of runs side by side on a device: 1e9 multiply-adds of one device, and seconds
        self.of_stage: dict[tuple[str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])

    def called(self, chunk: Chunk, progress: Progress) -> None:
        name, now = training_name(progress.stage, progress.inner), time.monotonic()
        before = self.last.get(chunk.number)
        if before and before[0] == name:
            a_run = costs_of(self.plan, chunk)[name]
            cost = progress.runs * a_run * (progress.step - before[1]) / progress.steps
            self.cost += cost
            self.seconds += now - before[2]
            devices = jax.local_device_count()
            own = self.of_stage[progress.stage, -(-progress.runs // devices)]
            own[0] += cost / devices
            own[1] += now - before[2]
        self.last[chunk.number] = name, progress.step, now

    def remember(self) -> None:
        """Note the rates in the cache folder for the next estimates; if that cannot be written, the old ones are kept."""
        if self.seconds >= _LEAST_SECONDS:
            new = {_machine(): self.cost / self.seconds}
            if jax.default_backend() != "cpu":
                for (stage, runs), (cost, seconds) in self.of_stage.items():
                    if seconds >= _LEAST_SECONDS:
                        new[f"{_machine()}, {stage}, {runs} runs"] = cost / seconds
            with contextlib.suppress(OSError):
                cache_folder().mkdir(parents=True, exist_ok=True)
                write_json(_path(), _read() | new)


def _machine() -> str:
    return jax.devices()[0].device_kind


def _path() -> Path:
    return cache_folder() / "rates.json"


def _read() -> dict[str, float]:
    try:
        return json.loads(_path().read_text())
    except (OSError, ValueError):
        return {}
