"""What shared stages gave, kept on disk until nothing waits for it: a folder per job, named by its sharing hash.

`features.npy` is the stage's output for every frame in use, which readers map into memory; `curves.npz` its training curves;
`variables.npz` what it learnt, if models are saved; `entry.json` says what it is and has the hash of each file. A folder is
written under another name and renamed, so it is whole or it is not there.
"""

import contextlib
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from merjax.engine import StageResult, Variables
from merjax.methods.stage_identity import StageReads
from merjax.models.learned import by_name, from_names
from merjax.sweeps.chunks import Chunk
from merjax.sweeps.folder import checkpoint_folder, is_finished
from merjax.sweeps.plan import Plan
from merjax.system.errors import MerjaxError
from merjax.system.files import is_aside, write_json
from merjax.system.own_files import broken_seal, changed_files, noted_files, read_json, reading, sealed
from merjax.system.paths import make_folder
from merjax.system.versions import __version__

FORMAT = 1
ABOUT = "entry.json"
_OUTPUT, _CURVES, _VARIABLES = "features.npy", "curves.npz", "variables.npz"
_AGAIN = "it is trained again"


class Kept(NamedTuple):
    """What one job gave.

    Attributes:
        output: of every sample, mapped from the disk.
        curves: by metric, of every step.
        variables: what it learnt; None if that was not kept.
    """

    output: np.ndarray
    curves: dict[str, np.ndarray]
    variables: Variables | None


def stages_of(folder: Path) -> Path:
    """Where a sweep keeps what its shared stages gave; the batches of a search have one place."""
    is_batch = folder.parent.name == "search" and folder.name.startswith("trials-")
    return (folder.parent if is_batch else folder) / "stages"


def is_there(place: Path, entry: str) -> bool:
    """Whether a job's output is in a folder; `read_entry` says whether it can be used."""
    return (place / entry / ABOUT).is_file()


def are_there(folder: Path, chunk: Chunk) -> bool:
    """Whether what a shared chunk gives is in a sweep's folder."""
    assert chunk.shared
    return all(is_there(stages_of(folder), entry) for entry in chunk.shared.entries)


def write_entry(place: Path, entry: str, reads: StageReads, result: StageResult, p: int, *, variables: bool) -> None:
    """Keep what run p of a stage gave.

    Args:
        place: the folder of all jobs.
        entry: the job's name in it.
        reads: of the stage.
        result: of all its runs.
        p: which of them.
        variables: whether to keep what it learnt, too.
    """
    make_folder(place)
    aside = place / f".{entry}.{platform.node()}.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        np.save(aside / _OUTPUT, np.asarray(result.outputs[p]).astype(precision_of(entry)))
        np.savez(aside / _CURVES, **{name: values[p] for name, values in result.curves.items()})
        if variables:
            learned = {name: x[p] for name, x in by_name(result.variables).items()}
            np.savez(aside / _VARIABLES, **learned)
        files = noted_files(aside, sorted(path.name for path in aside.iterdir()))
        about = {"format": FORMAT, "entry": entry, "stage": reads.stage, "stage_version": reads.version}
        about |= {"version": __version__, "precision": precision_of(entry), "files": files}
        write_json(aside / ABOUT, sealed(about))
        remove_entry(place, entry)
        aside.rename(place / entry)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def precision_of(entry: str) -> str:
    """The precision of a job's kept output, by its name."""
    return entry.partition("-")[2] or "float32"


def about_entry(place: Path, entry: str) -> dict[str, Any]:
    """What the folder of a job says about itself, if it can be used: all its files are the ones that were written.

    Raises:
        MerjaxError: it cannot be used; the message says why.
    """
    path = place / entry / ABOUT
    about = read_json(path, _AGAIN)
    with reading(path, _AGAIN):
        if about["format"] != FORMAT:
            raise MerjaxError(f"{path.parent} has format {about['format']} and not {FORMAT}; {_AGAIN}")
        if broken_seal(path) or (about["entry"], about["precision"]) != (entry, precision_of(entry)):
            raise MerjaxError(f"{path} was changed by hand; {_AGAIN}")
        if changed := changed_files(path, about["files"], _AGAIN):
            raise MerjaxError(f"{path.parent / changed[0]} is damaged; {_AGAIN}")
        return about


def read_entry(place: Path, entry: str, reads: StageReads, *, variables: bool) -> Kept:
    """What a job gave.

    Raises:
        MerjaxError: it is damaged, of another version of the stage, or lacks what it learnt; the message says which.
    """
    about, folder = about_entry(place, entry), place / entry
    if (about["stage"], about["stage_version"]) != (reads.stage, reads.version):
        raise MerjaxError(f"{folder} is of another version of the {reads.stage} stage; {_AGAIN}")
    if variables and _VARIABLES not in about["files"]:
        raise MerjaxError(f"{folder} was kept without what the stage learnt, which engine.save_models needs; {_AGAIN}")
    with reading(folder / ABOUT, _AGAIN):
        return Kept(
            np.load(folder / _OUTPUT, mmap_mode="r"),
            _arrays(folder / _CURVES),
            from_names(_arrays(folder / _VARIABLES)) if variables else None,
        )


def remove_entry(place: Path, entry: str) -> None:
    """Remove what a job gave; at no moment is a part of it under its name, for others to read or for a kill to leave."""
    going = place / f".{entry}.{platform.node()}.{os.getpid()}.removed"
    shutil.rmtree(going, ignore_errors=True)
    if os.access(place / entry, os.W_OK):  # another user's stays as it is
        with contextlib.suppress(OSError):
            (place / entry).rename(going)
    shutil.rmtree(going, ignore_errors=True)


def is_awaited(folder: Path, plan: Plan, shared: Chunk) -> bool:
    """Whether an unfinished chunk takes what a shared chunk gives."""
    return any(shared.number in chunk.needs and not is_finished(folder, chunk) for chunk in plan.chunks)


def remove_unneeded(folder: Path, plan: Plan, stages: Sequence[Chunk]) -> None:
    """Remove what shared chunks gave if no unfinished chunk waits for it, and what killed processes have left of them.

    Proposals of a search share what they keep, so it stays until the search is over; see `merjax.sweeps.running.search`.
    """
    place, keeps = stages_of(folder), plan.inner > 0 or plan.trials[0].config.engine.keep_features
    for shared in stages:
        if shared.shared is None or is_awaited(folder, plan, shared):
            continue
        begun = checkpoint_folder(folder, shared)
        for path in begun.parent.glob(f"{begun.name}-*"):
            shutil.rmtree(path, ignore_errors=True)
        remove_asides(place, shared.shared.entries)
        for entry in () if keeps else shared.shared.entries:
            remove_entry(place, entry)
    with contextlib.suppress(OSError):  # something is in it still, or it is not there
        place.rmdir()


def remove_asides(place: Path, entries: Sequence[str]) -> None:
    """Remove what processes that were killed have left of these jobs, which nobody may be training now."""
    for path in [*asides(place)]:
        if any(is_aside(path, entry) for entry in entries):
            shutil.rmtree(path, ignore_errors=True)


def asides(place: Path) -> Iterator[Path]:
    """Half-written folders: of processes that are writing them, or that were killed."""
    return place.glob(".*/") if place.is_dir() else iter(())


def entries_in(place: Path) -> list[str]:
    """The names of all jobs in a folder."""
    return sorted(path.parent.name for path in place.glob(f"[!.]*/{ABOUT}"))


def size_of(place: Path, entry: str) -> int:
    """Bytes that a job takes; 0 once another process has removed it."""
    try:
        return sum(path.stat().st_size for path in (place / entry).iterdir())
    except FileNotFoundError:
        return 0


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as held:
        return {name: held[name] for name in held.files}
