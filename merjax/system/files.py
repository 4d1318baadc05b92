"""Files that are never half-written, names that are safe in paths, and the cache folder."""

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merjax.system.environment import cache_place

if TYPE_CHECKING:
    import pandas as pd


def cache_folder() -> Path:
    """Where merjax keeps files between sweeps."""
    return cache_place()[0]


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a Parquet file, built in memory first: Arrow's own errors do not tell a full disk from other faults."""
    path.write_bytes(table.to_parquet(None, index=False, write_page_checksum=True))


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never a part of it."""
    write_aside(path, lambda aside: aside.write_text(json.dumps(content, indent=1) + "\n"))


def write_aside(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file beside a path, and give it the path's name once it is whole. No other process, on this machine
    or on another that shares the folder, writes to the same file."""
    aside = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    try:
        write(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def is_aside(path: Path, name: str = "") -> bool:
    """Whether a file was left behind when `write_aside` was killed; if `name` is given, whether it was to become that file."""
    return path.name.startswith(f".{name}.")


def safe_name(name: str, among: Iterable[str] = ()) -> str:
    """The name of a trial, fold or stage in a path: a hyphen replaces whatever is not a letter, a digit or one of `_.=+`.

    Where another name of `among` would be written alike, also on a disk that takes capitals for small letters, some digits of
    the name's hash follow. They follow, too, where a name is cut since it is too long.
    """
    written = _written(name)
    alike = any(other != name and _written(other).casefold() == written.casefold() for other in among)
    if not alike and len(written.encode()) <= _LONGEST:
        return written
    short = written.encode()[:_LONGEST].decode(errors="ignore")
    digits = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return f"{short}-{digits}"


_LONGEST = 180  # bytes of a name, of the 255 that file systems allow: other parts are added to it


def _written(name: str) -> str:
    return re.sub(r"[^\w.=+]+", "-", name).strip("-.")
