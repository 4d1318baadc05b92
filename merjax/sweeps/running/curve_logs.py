"""Training curves in the formats of other tools, one place per run: `logs/TRIAL/seed0/FOLD`.

- jsonl: `FOLD.jsonl`, a line per optimiser step: {"stage": "spatial", "step": 0, "loss": 1.7, ...}. A value is null if the
  batch held none of the run's training samples, and from the step on at which the run diverged.
- tensorboard: a folder `FOLD` with a folder per stage, each a TensorBoard run with a scalar per metric ("spatial/loss") and
  none where jsonl has null; `tensorboard --logdir runs/NAME/logs` shows all runs. A folder holds several event files: if a
  later one repeats steps of an earlier one, it says so, and TensorBoard shows the later one.

Logs grow while the runs train: jsonl with every call of the compiled programs, tensorboard about every half minute and at the
end of a stage. When a process first writes to the log of a stage, it writes the whole stage again from the curves in its
checkpoint, so that a run that was stopped or killed has each step once. Names are written as `merjax.system.files.safe_name`
writes them.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from merjax.engine import Progress
from merjax.sweeps.folder import read_curves
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.running.listener import Listener
from merjax.system.errors import MerjaxError
from merjax.system.files import safe_name, write_aside
from merjax.system.paths import is_file
from merjax.training.selection import training_name

Log = Literal["jsonl", "tensorboard"]
LOGS: tuple[Log, ...] = get_args(Log)
Metrics = Mapping[str, np.ndarray]
_RUN = ["trial", "seed", "fold", "stage", "step"]  # columns of curves that are not metrics


class Format(NamedTuple):
    """How curves are written.

    Attributes:
        write: (place of a run, stage, number of the first step, metrics `[steps]` from that step on); if the first step is 0,
            what was written for the stage before is replaced.
        steps: (place of a run, stage) -> how many steps were written.
        seconds: least time between two additions to a stage that is being trained.
    """

    write: Callable[[Path, str, int, Metrics], None]
    steps: Callable[[Path, str], int]
    seconds: float


class _Written(NamedTuple):
    steps: int
    at: float  # seconds of the process's clock


class CurveLogs(Listener):
    """Writes new points of the curves while a sweep's runs train, and missing ones when a chunk is finished.

    A shared stage is written to the log of the run that asks for it first; the others get its curve when they are finished.
    """

    def __init__(self, folder: Path, plan: Plan, log: Log) -> None:
        self.folder, self.plan, self.log = folder, plan, log
        self.written: dict[
            tuple[Chunk, str], _Written
        ] = {}  # by this process, of a stage of a chunk, or of a part of one

    def called(self, chunk: Chunk, progress: Progress) -> None:
        if not progress.history:
            return
        stage, form = training_name(progress.stage, progress.inner), _FORMATS[self.log]
        before = self.written.get((chunk, stage), _Written(0, -np.inf))
        # write less often the longer a stage takes: each addition may be a file, and there should be only dozens in the end
        pause = max(form.seconds, 0.1 * progress.seconds) if form.seconds else 0
        if time.monotonic() < before.at + pause and progress.step < progress.steps:
            return
        folds = self.plan.groups[chunk.group].folds
        for p, (trial, fold) in enumerate(chunk.runs):
            place = place_of(self.folder, self.plan, self.plan.trials[trial].name, chunk.seed, folds[fold].name)
            new = {name: values[p, before.steps :] for name, values in progress.history.items()}
            form.write(place, stage, before.steps, new)
        self.written[chunk, stage] = _Written(progress.step, time.monotonic())

    def finished(self, chunk: Chunk) -> None:
        if not chunk.shared:  # whose curves are those of the runs that take what it gives
            log_chunk(self.folder, self.plan, chunk, self.log)


def log_chunk(folder: Path, plan: Plan, chunk: Chunk, log: Log) -> None:
    """Write the curves of a finished chunk's runs if their logs lack steps: it may be older than the request for a log."""
    curves, form = read_curves(folder, [chunk]), _FORMATS[log]
    for stage, of_stage in curves.groupby("stage", sort=False) if len(curves) else ():
        names = [
            n for n in curves.columns.drop(_RUN) if of_stage[n].notna().any()
        ]  # of its metrics, not another stage's
        for (trial, seed, fold), run in of_stage.groupby(["trial", "seed", "fold"], sort=False):
            place = place_of(folder, plan, str(trial), int(str(seed)), str(fold))
            if form.steps(place, str(stage)) != len(run):
                form.write(place, str(stage), 0, {name: run[name].to_numpy() for name in names or ["loss"]})


def place_of(folder: Path, plan: Plan, trial: str, seed: int, fold: str) -> Path:
    """Where the log of a run lies in a sweep's folder, without what a format adds to the name."""
    return folder / "logs" / safe_name(trial) / f"seed{seed}" / safe_name(fold, plan.fold_names)


def refuse_missing(log: Log | None) -> None:
    """Refuse a log whose library is not installed.

    Raises:
        MerjaxError: it is not installed; the message says how to install it.
    """
    if log == "tensorboard":
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise MerjaxError("--log tensorboard needs tensorboardX: pip install 'merjax[tensorboard]'") from None


def _write_lines(place: Path, stage: str, first: int, metrics: Metrics) -> None:
    path, new = _lines_path(place), _lines(stage, first, metrics)
    if first:
        with path.open("ab") as file:
            file.write(new)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    others = b"".join(line for line in _whole_lines(path) if _stage_of(line) != stage)
    write_aside(path, lambda aside: aside.write_bytes(others + new))


def _lines_steps(place: Path, stage: str) -> int:
    return sum(_stage_of(line) == stage for line in _whole_lines(_lines_path(place)))


def _lines_path(place: Path) -> Path:
    return place.with_name(place.name + ".jsonl")


def _whole_lines(path: Path) -> list[bytes]:
    """A file's lines, if it exists, without those that were cut short when the process was killed, or are damaged."""
    lines = path.read_bytes().splitlines(keepends=True) if is_file(path) else []
    return [line for line in lines if line.endswith(b"}\n") and _stage_of(line)]


def _stage_of(line: bytes) -> str:
    """The stage that a line is about; "" if it is damaged."""
    try:
        return str(json.loads(line)["stage"])
    except (ValueError, KeyError, TypeError):
        return ""


def _lines(stage: str, first: int, metrics: Metrics) -> bytes:
    rows = zip(*metrics.values(), strict=True)
    return b"".join(
        json.dumps(
            {"stage": stage, "step": step}
            | {name: _short(v) if np.isfinite(v) else None for name, v in zip(metrics, row, strict=True)}
        ).encode()
        + b"\n"
        for step, row in enumerate(rows, first)
    )


def _short(value: float) -> float:
    return float(f"{value:.7g}")  # the digits that a float32 holds


def _write_events(place: Path, stage: str, first: int, metrics: Metrics) -> None:
    """Write a further event file, and note beside it how many steps there are now, since no library reads event files back."""
    from tensorboardX import SummaryWriter

    folder, steps = place / safe_name(stage), first + len(next(iter(metrics.values())))
    (folder / _STEPS).unlink(missing_ok=True)
    if not first:  # an older merjax wrote the stage in one file by other means, which would show it a second time
        (place / f"events.out.tfevents.0000000000.merjax.{safe_name(stage)}").unlink(missing_ok=True)
    # TensorBoard drops what older files hold for the steps from `first` on. It would lose a run whose files were removed
    # while it follows them. Files are named by the second; the suffix distinguishes those of the same second
    with SummaryWriter(str(folder), purge_step=first, filename_suffix=f".{first:08d}.{os.getpid()}") as writer:
        for step, row in enumerate(zip(*metrics.values(), strict=True), first):
            for name, value in zip(metrics, row, strict=True):
                if np.isfinite(value):
                    writer.add_scalar(f"{safe_name(stage)}/{name}", value, step)
    write_aside(folder / _STEPS, lambda aside: aside.write_text(f"{steps}\n"))


def _event_steps(place: Path, stage: str) -> int:
    path = place / safe_name(stage) / _STEPS
    noted = path.read_bytes().strip() if is_file(path) else b""
    return int(noted) if noted.isdigit() else 0


_STEPS = "steps"  # beside event files: how many steps they hold
_FORMATS = {
    "jsonl": Format(_write_lines, _lines_steps, 0),
    "tensorboard": Format(_write_events, _event_steps, 30),
}
