"""An unfinished release: the clips that are made so far, beside its place, so that a stopped synthesis can go on."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import Timeout

from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.locks import lock_at
from merjax.system.paths import make_folder

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
    make_folder(out.parent)
    lock = lock_at(out.with_name(f".{out.name}.making"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise MerjaxError(f"another process is making {out}; wait for it, or name another folder") from None
    try:
        root = _opened(partial, json.loads(json.dumps(made_of)))
        try:
            yield root
            root.replace(out)
        except Exception:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        shutil.rmtree(partial, ignore_errors=True)
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _opened(partial: Path, made_of: dict[str, Any]) -> Path:
    """The folder in `partial`, with the clips that are there already if they are the same ones."""
    marker, root = partial / _MARKER, partial / "release"
    if partial.exists():
        if not marker.is_file() and any(partial.iterdir()):
            raise MerjaxError(f"{partial} is in the way and was not made by merjax; remove it or name another folder")
        if _content(marker) != made_of:
            shutil.rmtree(partial)
    root.mkdir(parents=True, exist_ok=True)
    write_json(marker, made_of)
    return root


def _content(marker: Path) -> Any:
    try:
        return json.loads(marker.read_text())
    except (OSError, ValueError):
        return None
