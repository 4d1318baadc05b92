"""An unfinished release: what is made so far lies beside its place, so that a stopped synthesis can go on."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.locks import alone_at
from merjax.system.paths import holds_something, left_by_system

_MARKER = "partial.json"


@contextmanager
def unfinished_release(out: Path, made_of: dict[str, Any]) -> Iterator[Path]:
    """A folder to make a release in, which becomes `out` if the block ends without an error.

    It lies in `<out>.partial`. Where the block is interrupted, it stays, and is handed out again to whoever makes the same; an
    error removes it.

    Args:
        out: where the release is to be.
        made_of: all that its content depends on.

    Raises:
        MerjaxError: nothing can be written there, something else is in the way, or another process makes the same folder.
    """
    partial = out.with_name(out.name + ".partial")
    with alone_at(out, "making"):
        root = _opened(partial, json.loads(json.dumps(made_of)))
        try:
            yield root
            _take_in_what_systems_leave(out, root)
            root.replace(out)
        except Exception:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def unfinished_folder(place: Path) -> Iterator[Path]:
    """A folder to write frames in, which gets its name if the block ends without an error: one of that name is whole."""
    folder = place.with_name(f".{place.name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    folder.replace(place)


def make_all(jobs: Sequence[Callable[[], None]], workers: int, progress: Callable[[int, int], None]) -> None:
    """Do jobs, so many at a time; `progress` is called with (jobs done, jobs in all). After an error no other job begins."""
    progress(0, len(jobs))
    # Threads, not processes: OpenCV and NumPy release the lock while they work, and the caller may have started JAX.
    with ThreadPoolExecutor(workers) as pool:
        begun = [pool.submit(job) for job in jobs]
        try:
            for done, job in enumerate(as_completed(begun), 1):
                job.result()
                progress(done, len(jobs))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _take_in_what_systems_leave(out: Path, root: Path) -> None:
    """Move what a system has left in the output folder into the release: a folder takes another's place only if it is empty."""
    for name in os.listdir(out) if out.is_dir() else ():
        if left_by_system(name):
            (out / name).replace(root / name)


def _opened(partial: Path, made_of: dict[str, Any]) -> Path:
    """The folder in `partial`, with the clips that are there already if they are the same ones."""
    marker, root = partial / _MARKER, partial / "release"
    if not marker.is_file() and holds_something(partial):
        raise MerjaxError(f"{partial} is in the way and was not made by merjax; remove it or name another folder")
    if marker.is_file() and _content(marker) != made_of:
        shutil.rmtree(partial)
    root.mkdir(parents=True, exist_ok=True)
    write_json(marker, made_of)
    return root


def _content(marker: Path) -> Any:
    try:
        return json.loads(marker.read_text())
    except (OSError, ValueError):
        return None
