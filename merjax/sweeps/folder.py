"""A sweep's folder: the plan, and one file of predictions per finished chunk."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from merjax.config import Config
from merjax.sweeps.plan import Chunk, Plan, plan_from_json
from merjax.sweeps.same_sweep import refuse_another
from merjax.system.errors import MerjaxError, full_disk_told
from merjax.system.files import is_aside, write_aside, write_json, write_table
from merjax.system.locks import lock_at
from merjax.system.own_files import lacks_table, read_json, read_table, reading, sealed
from merjax.system.paths import holds_something, is_file, lacks_file, lacks_folder, make_folder, refuse_unwritable
from merjax.system.settings import flatten


def open_folder(folder: Path, plan: Plan) -> Plan:
    """Start a sweep's folder, or go on with the one that is there.

    Returns the plan to follow: the older one, whose chunks stay as they were cut, with the `engine` settings of this one.

    Raises:
        MerjaxError: the folder holds another sweep, or files that do not belong to a sweep.
    """
    refuse_folder(folder, plan)
    with (
        full_disk_told(folder),
        _lock(folder, "plan"),
    ):  # several processes may start at once: the first one's plan counts
        _remove_asides(folder, "plan.json")
        if (folder / "plan.json").is_file():
            there = read_plan(folder)
            refuse_another(there, plan, folder)
            _clear_finished(folder, there)
            # equal except for how the work is done and what is printed beside it
            plan = replace(
                there,
                trials=plan.trials,
                not_run=plan.not_run,
                published=plan.published,
                ensembles=plan.ensembles,
            )
            if plan == there:
                return there
        write_json(folder / "plan.json", sealed(plan.to_json()))
        return plan


def refuse_folder(folder: Path, plan: Plan) -> None:
    """Refuse a folder in which a sweep cannot start or go on.

    Raises:
        MerjaxError: it holds another sweep, or files that do not belong to a sweep, or nothing can be written there.
    """
    refuse_unwritable(folder)
    # list the folder before looking for the plan: another process may start the sweep meanwhile, and its plan comes first
    something = holds_something(folder, lambda name: name in ("locks", "slurm") or is_aside(Path(name), "plan.json"))
    if (folder / "plan.json").is_file():
        refuse_another(read_plan(folder), plan, folder)
    elif something:
        raise MerjaxError(f"{folder} is not empty and holds no sweep; choose another --out")


def read_plan(folder: Path) -> Plan:
    """The plan of a sweep's folder.

    Raises:
        MerjaxError: there is no plan, or it is damaged or of another version.
    """
    path = folder / "plan.json"
    if lacking := lacks_folder(folder):
        raise MerjaxError(f"{folder} {lacking}; name a folder that `merjax sweep` wrote")
    if lacks_file(path) == "does not exist":
        raise MerjaxError(f"{folder} is not a sweep's folder (it has no plan.json)")
    todo = f"copy it again from where the sweep was trained, or remove {folder} and run the sweep again"
    content = read_json(path, todo)
    with reading(path, todo):
        try:
            return plan_from_json(content)
        except MerjaxError as error:  # of another format, or with settings that this merjax does not know
            raise MerjaxError(f"{path}: {error}") from error


def is_finished(folder: Path, chunk: Chunk) -> bool:
    """Whether a chunk's predictions are on disk, whole, and its curves are not damaged (earlier folders may have none)."""
    return not lacks_table(_predictions_path(folder, chunk)) and not _damaged_curves(folder, chunk)


def _damaged_curves(folder: Path, chunk: Chunk) -> str:
    lacking = lacks_table(_curves_path(folder, chunk))
    return "" if lacking == "does not exist" else lacking


def damaged_files(folder: Path, chunks: Sequence[Chunk]) -> list[str]:
    """A sentence for each file of a chunk that is there and empty or cut off, so that the chunk does not count as finished."""
    sentences = []
    for chunk in chunks:
        for path in chunk_files(folder, chunk):
            lacking = lacks_table(path)
            if lacking not in ("", "does not exist"):
                sentences.append(
                    f"{path} {lacking}: chunk {chunk.number} does not count as finished and is trained again"
                )
    return sentences


@contextmanager
def claimed(folder: Path, chunk: Chunk) -> Iterator[bool]:
    """Take a chunk if no other process has it; the claim ends with the process, however it ends."""
    with _held(folder, chunk) as mine:
        yield mine and not is_finished(folder, chunk)


def write_chunk(folder: Path, chunk: Chunk, predictions: pd.DataFrame, curves: pd.DataFrame) -> None:
    """Save a finished chunk; predictions last, since they mark it as finished."""
    _write_table(_curves_path(folder, chunk), curves)
    _write_table(_predictions_path(folder, chunk), predictions)


def read_predictions(folder: Path, chunks: Sequence[Chunk]) -> pd.DataFrame:
    """The predictions of the finished chunks among these; at least one must be finished.

    Returns:
        A row per (trial, selection, seed, fold, held-out clip): trial, selection (see `merjax.training.selection`), seed, fold,
        database, subject, clip, label, prediction (class numbers; -1 from a run that diverged), p_CLASS, the class
        probabilities, and step, the number of optimiser steps of the last stage after which they were made.

        Of spotters, clip is the name of a held-out video, and in place of label and prediction there are a row that is
        "video", one for each of its true intervals that is "true", and one for each found interval that is "found": with onset,
        offset and apex (frames of the video from 0; -1 for no apex), kind, confidence and emotion; and the seconds that a video
        lasts. The interval of a "video" is all of its frames.
    """
    files = [_predictions_path(folder, chunk) for chunk in chunks if is_finished(folder, chunk)]
    return pd.concat(map(_read_tested, files), ignore_index=True)


def _read_tested(file: Path) -> pd.DataFrame:
    table = read_table(file, _TRAIN_AGAIN, _TESTED)
    with reading(file, _TRAIN_AGAIN):
        if lost := [name for name in (_SPOTTED if "row" in table else _PREDICTED) if name not in table]:
            raise ValueError(f"it has no column {', '.join(lost)}")
    return table


def read_curves(folder: Path, chunks: Sequence[Chunk]) -> pd.DataFrame:
    """Curves of the finished chunks: trial, fold, seed, stage, step and a column per metric; empty if none has curves."""
    files = [path for chunk in chunks if is_finished(folder, chunk) and is_file(path := _curves_path(folder, chunk))]
    tables = [read_table(file, _TRAIN_AGAIN, ("trial", "stage", "step")) for file in files]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


_TRAIN_AGAIN = "remove the file and run the sweep's line again, which trains its chunk again"
_TESTED = ("trial", "seed", "fold", "database", "subject", "clip")
_PREDICTED = ("label", "prediction")
_SPOTTED = ("row", "onset", "offset", "apex", "kind", "confidence", "emotion", "seconds", "selection", "step")


def chosen_folder(folder: Path) -> Path:
    """Where a sweep's plan and predictions lie: the folder itself, or for a search the folder of its folds' last choices."""
    numbers = {path.parent: path.parent.name.rsplit("-", 1)[1] for path in folder.glob("chosen-of-*/plan.json")}
    chosen = [(int(number), place) for place, number in numbers.items() if number.isdecimal()]
    return folder if is_file(folder / "plan.json") or not chosen else max(chosen)[1]


def read_tried(search: Path) -> pd.DataFrame | None:
    """The proposals of a search, from the folder `search` in its results (`merjax.sweeps.running.search.table`); None if there
    is no search."""
    path = search / "search.csv"
    if lacks_file(path) == "does not exist":
        return None
    texts = ["trial", "state", "chosen_for"]
    texts += [key for key, value in flatten(Config()).items() if isinstance(value, str)]
    with reading(path, "run the search's line again, which writes it anew"):
        tried = pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=[""])
        if lost := {"trial", "state"} - {*tried.columns}:
            raise ValueError(f"it has no column {min(lost)}")
        return tried.fillna({"chosen_for": ""})


def write_scores(folder: Path, scores: pd.DataFrame) -> None:
    """Save the table of scores, `scores.csv`; see `merjax.scoring.scores.score_table`."""
    with full_disk_told(folder):
        write_aside(folder / "scores.csv", lambda path: scores.to_csv(path, index=False))


def chunk_files(folder: Path, chunk: Chunk) -> tuple[Path, Path]:
    """Curves and predictions of a chunk, in the order in which they are written."""
    return _curves_path(folder, chunk), _predictions_path(folder, chunk)


def checkpoint_folder(folder: Path, chunk: Chunk) -> Path:
    """Where the checkpoints of an unfinished chunk lie; see `merjax.engine.checkpoints`."""
    return folder / "checkpoints" / f"chunk-{chunk.number:04d}"


def record_path(folder: Path, chunk: Chunk) -> Path:
    """The file that records how a chunk was trained; see `merjax.sweeps.provenance`."""
    return folder / f"record-{chunk.number:04d}.json"


def _predictions_path(folder: Path, chunk: Chunk) -> Path:
    return folder / f"predictions-{chunk.number:04d}.parquet"


def _curves_path(folder: Path, chunk: Chunk) -> Path:
    return folder / f"curves-{chunk.number:04d}.parquet"


def _lock(folder: Path, name: str) -> FileLock:
    make_folder(folder / "locks")
    return lock_at(folder / "locks" / f"{name}.lock")


@contextmanager
def _held(folder: Path, chunk: Chunk) -> Iterator[bool]:
    """Hold a chunk against other processes, if none has it; half-written files of a killed process are removed."""
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
    """Remove the checkpoints of finished chunks; a process that was killed at that moment leaves them."""
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
