"""Training curves in the formats of other tools, one place per run: `logs/TRIAL/seed0/FOLD`.

- jsonl: `FOLD.jsonl`, a line per optimiser step: {"stage": "spatial", "step": 0, "loss": 1.7, ...}; null where the batch held
  none of the run's training samples, and from where on it diverged.
- tensorboard: a folder `FOLD` with an event file per stage, a scalar per metric ("spatial/loss"), none where jsonl has null;
  look at all runs with `tensorboard --logdir runs/NAME/logs`.

Logs grow with every call of the compiled programs. The first call of a stage in a process writes all of the stage anew, from
the curves that its checkpoint holds, so that a run that was stopped or killed has each step once. Names are written as
`merjax.sweeps.sweep_file.safe_name` has them.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from merjax.engine import Progress
from merjax.sweeps.folder import chunk_files
from merjax.sweeps.plan import Chunk, Plan
from merjax.system.errors import MerjaxError
from merjax.system.files import safe_name, write_aside

Log = Literal["jsonl", "tensorboard"]
LOGS: tuple[Log, ...] = get_args(Log)
Metrics = Mapping[str, np.ndarray]
_RUN = ["trial", "seed", "fold", "stage", "step"]  # columns of curves that are no metrics


class Format(NamedTuple):
    """How curves are written.

    Attributes:
        path: (place of a run, stage) -> file.
        head: (file, stage) -> what stands in the file before the stage's own lines.
        lines: (stage, number of the first step, metrics `[steps]`) -> what a reader sees of these steps.
    """

    path: Callable[[Path, str], Path]
    head: Callable[[Path, str], bytes]
    lines: Callable[[str, int, Metrics], bytes]


def logged(
    folder: Path, plan: Plan, chunk: Chunk, log: Log | None, say: Callable[[Progress], None]
) -> Callable[[Progress], None]:
    """Hears of a chunk's calls: writes what is new to its runs' logs, and passes on all but the curves."""
    folds = plan.groups[chunk.group].folds
    places = [place_of(folder, plan.trials[t].name, chunk.seed, folds[f].name) for t, f in chunk.runs]
    written: dict[str, int] = {}

    def hear(progress: Progress) -> None:
        if log and progress.history:
            for p, place in enumerate(places):
                own = {name: values[p] for name, values in progress.history.items()}
                _write(_FORMATS[log], place, progress.stage, own, written.get(progress.stage))
            written[progress.stage] = progress.step
        say(progress._replace(history={}))

    return hear


def log_chunk(folder: Path, chunk: Chunk, log: Log) -> None:
    """Write the curves of a finished chunk's runs as far as their logs lack them: it may be older than the wish for a log."""
    curves, form = pd.read_parquet(chunk_files(folder, chunk)[0]), _FORMATS[log]
    for stage, of_stage in curves.groupby("stage", sort=False):
        names = [
            n for n in curves.columns.drop(_RUN) if of_stage[n].notna().any()
        ]  # of its metrics, not another stage's
        for (trial, seed, fold), run in of_stage.groupby(["trial", "seed", "fold"], sort=False):
            place = place_of(folder, str(trial), int(str(seed)), str(fold))
            metrics = {name: run[name].to_numpy() for name in names or ["loss"]}
            path = form.path(place, str(stage))
            size = len(form.lines(str(stage), 0, metrics)) + len(form.head(path, str(stage)))
            if not path.is_file() or path.stat().st_size != size:
                _write(form, place, str(stage), metrics, None)


def place_of(folder: Path, trial: str, seed: int, fold: str) -> Path:
    """Where the log of a run lies in a sweep's folder, but for what a format adds to the name."""
    return folder / "logs" / safe_name(trial) / f"seed{seed}" / safe_name(fold)


def refuse_missing(log: Log | None) -> None:
    """Refuse a log whose library is not installed.

    Raises:
        MerjaxError: naming the line that installs it.
    """
    if log == "tensorboard":
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise MerjaxError("--log tensorboard needs tensorboardX: pip install 'merjax[tensorboard]'") from None


def _write(form: Format, place: Path, stage: str, metrics: Metrics, written: int | None) -> None:
    """Append the steps after those that are written; or, with None, write the stage anew."""
    path = form.path(place, stage)
    if written is not None and path.is_file():
        with path.open("ab") as file:
            file.write(form.lines(stage, written, {name: values[written:] for name, values in metrics.items()}))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = form.head(path, stage) + form.lines(stage, 0, metrics)
    write_aside(path, lambda aside: aside.write_bytes(whole))


def _json_path(place: Path, stage: str) -> Path:
    return place.with_name(place.name + ".jsonl")


def _json_head(path: Path, stage: str) -> bytes:
    """The lines of the other stages; not one that a kill cut short."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    return b"".join(line for line in lines if line.endswith(b"}\n") and json.loads(line)["stage"] != stage)


def _json_lines(stage: str, first: int, metrics: Metrics) -> bytes:
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
    return float(f"{value:.7g}")  # what a float32 holds


def _event_path(place: Path, stage: str) -> Path:
    return place / f"events.out.tfevents.0000000000.merjax.{safe_name(stage)}"


def _event_head(path: Path, stage: str) -> bytes:
    return _record(file_version="brain.Event:2")


def _event_lines(stage: str, first: int, metrics: Metrics) -> bytes:
    from tensorboardX.proto.summary_pb2 import Summary

    records = []
    for step, row in enumerate(zip(*metrics.values(), strict=True), first):
        tags = [f"{safe_name(stage)}/{name}" for name in metrics]
        values = [Summary.Value(tag=t, simple_value=v) for t, v in zip(tags, row, strict=True) if np.isfinite(v)]
        if values:
            records.append(_record(step=step, summary=Summary(value=values)))
    return b"".join(records)


def _record(**said: object) -> bytes:
    """An event as TensorBoard's files hold it: its length and itself, each with a checksum."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    event = Event(wall_time=time.time(), **said).SerializeToString()
    length = len(event).to_bytes(8, "little")
    checks = [masked_crc32c(part).to_bytes(4, "little") for part in (length, event)]
    return length + checks[0] + event + checks[1]


_FORMATS = {
    "jsonl": Format(_json_path, _json_head, _json_lines),
    "tensorboard": Format(_event_path, _event_head, _event_lines),
}
