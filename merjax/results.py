"""A sweep's folder: the plan, and one file of predictions per finished chunk."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from merjax.errors import MerjaxError
from merjax.metrics import confusion_matrix
from merjax.plan import Chunk, Plan, plan_from_json, refuse_another
from merjax.store import write_json


def open_folder(folder: Path, plan: Plan) -> Plan:
    """Begin a sweep's folder, or take up the one that is there; returns the plan to follow, which is the older one.

    Raises:
        MerjaxError: the folder holds another sweep, or something that is none.
    """
    path = folder / "plan.json"
    if path.is_file():
        there = read_plan(folder)
        refuse_another(there, plan, folder)
        return there
    if folder.exists() and any(folder.iterdir()):
        raise MerjaxError(f"{folder} is not empty and holds no sweep; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, plan.to_json())
    return plan


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
    locks = folder / "locks"
    locks.mkdir(exist_ok=True)
    lock = FileLock(locks / f"chunk-{chunk.number:04d}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield not is_finished(folder, chunk)
    finally:
        lock.release()


def write_chunk(folder: Path, chunk: Chunk, predictions: pd.DataFrame, curves: pd.DataFrame) -> None:
    """Save a finished chunk; predictions last, since they mark it as finished."""
    _write_table(folder / f"curves-{chunk.number:04d}.parquet", curves)
    _write_table(_predictions_path(folder, chunk), predictions)


def read_predictions(folder: Path, plan: Plan) -> pd.DataFrame:
    """All predictions of the finished chunks.

    Returns:
        A row per (trial, seed, fold, held-out clip): trial, seed, fold, database, subject, clip, label, prediction (class
        numbers; -1 from a run that diverged), and p_CLASS, the class probabilities.
    """
    finished = [chunk for chunk in plan.chunks if is_finished(folder, chunk)]
    return pd.concat([pd.read_parquet(_predictions_path(folder, chunk)) for chunk in finished], ignore_index=True)


def confusion_of(predictions: pd.DataFrame, classes: int) -> np.ndarray:
    """Pooled confusion matrix of predictions, `[truth, prediction]`."""
    return confusion_matrix(predictions["label"].to_numpy(), counted_predictions(predictions, classes), classes)


def counted_predictions(predictions: pd.DataFrame, classes: int) -> np.ndarray:
    """Predicted classes as they are scored: the clips of a diverged run (-1) count as the first wrong class."""
    label_N, prediction_N = predictions["label"].to_numpy(), predictions["prediction"].to_numpy()
    return np.where(prediction_N < 0, (label_N + 1) % classes, prediction_N)


def _predictions_path(folder: Path, chunk: Chunk) -> Path:
    return folder / f"predictions-{chunk.number:04d}.parquet"


def _write_table(path: Path, table: pd.DataFrame) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        table.to_parquet(aside, index=False)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
