"""An unfinished release: the clips that are made so far, beside its place, so that a stopped synthesis can go on."""

import json
import os
import shutil
from collections.abc import Iterator
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
