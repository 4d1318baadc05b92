"""A sweep's folder: the plan, and one file of predictions per finished chunk."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from merjax.errors import MerjaxError, full_disk_told
from merjax.metrics import confusion_matrix
from merjax.plan import Chunk, Plan, plan_from_json, refuse_another
from merjax.store import is_aside, write_aside, write_json, write_table


def open_folder(folder: Path, plan: Plan) -> Plan:
    """Begin a sweep's folder, or take up the one that is there.

    Returns the plan to follow: the older one, whose chunks stay as they were cut, with the `engine` settings of this one.

    Raises:
        MerjaxError: the folder holds another sweep, or something that is none.
    """
    refuse_folder(folder, plan)
    with (
        full_disk_told(folder),
        _lock(folder, "plan"),
    ):  # several processes may begin at once: the first one's plan counts
        _remove_asides(folder, "plan.json")
        if (folder / "plan.json").is_file():
            there = read_plan(folder)
            refuse_another(there, plan, folder)
            _clear_finished(folder, there)
            plan = replace(there, trials=plan.trials)  # equal but for how the work is done
            if plan == there:
                return there
        write_json(folder / "plan.json", plan.to_json())
        return plan


def refuse_folder(folder: Path, plan: Plan) -> None:
    """Refuse a folder in which a sweep cannot begin or go on.

    Raises:
        MerjaxError: it holds another sweep, or something that is none.
    """
    # looked into before the plan is looked for: another process may begin the sweep meanwhile, and its plan comes first
    something = folder.is_dir() and _holds_something(folder)
    if (folder / "plan.json").is_file():
        refuse_another(read_plan(folder), plan, folder)
    elif something:
        raise MerjaxError(f"{folder} is not empty and holds no sweep; choose another --out")


def read_plan(folder: Path) -> Plan:
    """The plan of a sweep's folder.

    Raises:
        MerjaxError: none, a damaged one, or one of another version.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise MerjaxError(f"{folder} is no sweep's folder (it has no plan.json)")
    try:
        content = json.loads(path.read_text())
    except ValueError:
        raise MerjaxError(f"{path} is damaged; remove the folder and run the sweep again") from None
    return plan_from_json(content)


def is_finished(folder: Path, chunk: Chunk) -> bool:
    """Whether a chunk's predictions are on disk."""
    return _predictions_path(folder, chunk).is_file()


@contextmanager
def claimed(folder: Path, chunk: Chunk) -> Iterator[bool]:
    """Take a chunk if no other process has it; the claim ends with the process, however it ends."""
    with _held(folder, chunk) as mine:
        yield mine and not is_finished(folder, chunk)


def write_chunk(folder: Path, chunk: Chunk, predictions: pd.DataFrame, curves: pd.DataFrame) -> None:
    """Save a finished chunk; predictions last, since they mark it as finished."""
    _write_table(_curves_path(folder, chunk), curves)
    _write_table(_predictions_path(folder, chunk), predictions)


def read_predictions(folder: Path, plan: Plan) -> pd.DataFrame:
    """All predictions of the finished chunks.

    Returns:
        A row per (trial, selection, seed, fold, held-out clip): trial, selection (see `merjax.selection`), seed, fold,
        database, subject, clip, label, prediction (class numbers; -1 from a run that diverged), p_CLASS, the class
        probabilities, and step, the optimiser steps of the last stage after which they were.
    """
    finished = [chunk for chunk in plan.chunks if is_finished(folder, chunk)]
    return pd.concat([pd.read_parquet(_predictions_path(folder, chunk)) for chunk in finished], ignore_index=True)


def read_curves(folder: Path, plan: Plan) -> pd.DataFrame:
    """Training curves of the finished chunks: trial, fold, seed, stage, step and a column per metric."""
    finished = [chunk for chunk in plan.chunks if is_finished(folder, chunk)]
    return pd.concat([pd.read_parquet(_curves_path(folder, chunk)) for chunk in finished], ignore_index=True)


def write_scores(folder: Path, scores: pd.DataFrame) -> None:
    """Save the table of scores, `scores.csv`; see `merjax.report.scores.score_table`."""
    with full_disk_told(folder):
        write_aside(folder / "scores.csv", lambda path: scores.to_csv(path, index=False))


def confusion_of(predictions: pd.DataFrame, classes: int) -> np.ndarray:
    """Pooled confusion matrix of predictions, `[truth, prediction]`."""
    return confusion_matrix(predictions["label"].to_numpy(), counted_predictions(predictions, classes), classes)


def counted_predictions(predictions: pd.DataFrame, classes: int) -> np.ndarray:
    """Predicted classes as they are scored: the clips of a diverged run (-1) count as the first wrong class."""
    label_N, prediction_N = predictions["label"].to_numpy(), predictions["prediction"].to_numpy()
    return np.where(prediction_N < 0, (label_N + 1) % classes, prediction_N)


def chunk_files(folder: Path, chunk: Chunk) -> tuple[Path, Path]:
    """Curves and predictions of a chunk, in the order in which they are written."""
    return _curves_path(folder, chunk), _predictions_path(folder, chunk)


def checkpoint_folder(folder: Path, chunk: Chunk) -> Path:
    """Where a chunk under way is kept; see `merjax.checkpoints`."""
    return folder / "checkpoints" / f"chunk-{chunk.number:04d}"


def record_path(folder: Path, chunk: Chunk) -> Path:
    """Where it is noted how a chunk was trained; see `merjax.conditions`."""
    return folder / f"record-{chunk.number:04d}.json"


def _predictions_path(folder: Path, chunk: Chunk) -> Path:
    return folder / f"predictions-{chunk.number:04d}.parquet"


def _curves_path(folder: Path, chunk: Chunk) -> Path:
    return folder / f"curves-{chunk.number:04d}.parquet"


def _lock(folder: Path, name: str) -> FileLock:
    (folder / "locks").mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "locks" / f"{name}.lock")


def _holds_something(folder: Path) -> bool:
    return any(path.name not in ("locks", "slurm") and not is_aside(path, "plan.json") for path in folder.iterdir())


@contextmanager
def _held(folder: Path, chunk: Chunk) -> Iterator[bool]:
    """Hold a chunk against other processes, if none has it; what one was killed over while it wrote it is removed."""
    lock = _lock(folder, f"chunk-{chunk.number:04d}")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        for path in (record_path(folder, chunk), *chunk_files(folder, chunk)):
            _remove_asides(folder, path.name)
        yield True
    finally:
        lock.release()


def _clear_finished(folder: Path, plan: Plan) -> None:
    """Remove the checkpoints of finished chunks, which a process that was killed just then has left."""
    for chunk in plan.chunks:
        if is_finished(folder, chunk) and checkpoint_folder(folder, chunk).is_dir():
            with _held(folder, chunk) as mine:
                if mine:
                    shutil.rmtree(checkpoint_folder(folder, chunk), ignore_errors=True)


def _remove_asides(folder: Path, name: str) -> None:
    for path in folder.iterdir():
        if is_aside(path, name):
            path.unlink(missing_ok=True)


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_aside(path, lambda aside: write_table(aside, table))
