"""Training curves in the formats of other tools, one place per run: `logs/TRIAL/seed0/FOLD`.

- jsonl: `FOLD.jsonl`, a line per optimiser step: {"stage": "spatial", "step": 0, "loss": 1.7, ...}.
- tensorboard: a folder `FOLD` with an event file, a scalar per stage and metric ("spatial/loss"); look at all runs with
  `tensorboard --logdir runs/NAME/logs`.

A run's curves are written once, when its chunk is finished. What is not a letter, a digit or one of `=.,+-` in a name
becomes `_`.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from merjax.errors import MerjaxError
from merjax.plan import Chunk
from merjax.results import chunk_files

Log = Literal["jsonl", "tensorboard"]
LOGS: tuple[Log, ...] = get_args(Log)


def log_chunk(folder: Path, chunk: Chunk, log: Log) -> None:
    """Write the curves of a finished chunk's runs, but for those that are there."""
    curves = pd.read_parquet(chunk_files(folder, chunk)[0])
    for (trial, seed, fold), run in curves.groupby(["trial", "seed", "fold"], sort=False):
        place = folder / "logs" / safe_name(str(trial)) / f"seed{seed}" / safe_name(str(fold))
        _WRITERS[log](place, run.drop(columns=["trial", "seed", "fold"]))


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


def _write_jsonl(place: Path, run: pd.DataFrame) -> None:
    path = place.with_name(place.name + ".jsonl")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_text("".join(row.to_json() + "\n" for _, row in run.iterrows()))
        aside.replace(path)


def _write_events(place: Path, run: pd.DataFrame) -> None:
    from tensorboardX import SummaryWriter

    if place.is_dir():
        return
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    with SummaryWriter(str(aside), write_to_disk=True) as writer:
        for stage, own in run.groupby("stage", sort=False):
            for metric in own.columns.drop(["stage", "step"]):
                for step, value in own[["step", metric]].dropna().itertuples(index=False):
                    writer.add_scalar(f"{stage}/{metric}", value, int(step))
    aside.rename(place)


_WRITERS: dict[Log, Callable[[Path, pd.DataFrame], None]] = {"jsonl": _write_jsonl, "tensorboard": _write_events}


def safe_name(name: str) -> str:
    """A name as part of a path."""
    return re.sub(r"[^\w=.,+-]", "_", name)
