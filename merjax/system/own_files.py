"""merjax's own files, read back: what is missing or damaged is one sentence that names the file and says what to do."""

import errno
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merjax.system.errors import MerjaxError
from merjax.system.paths import lacks_file

if TYPE_CHECKING:
    import pandas as pd

_SEAL = "check"  # the key of a JSON file under which the hash of all its other content stands


@contextmanager
def reading(path: Path, todo: str) -> Iterator[None]:
    """Turn whatever a library raises about one of merjax's own files into a sentence; libraries raise errors of many kinds.

    Args:
        path: the file.
        todo: what to do about it, as the end of the sentence.

    Raises:
        MerjaxError: the block raised an error.
    """
    try:
        yield
    except MerjaxError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # a library writes beside what it reads
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        lacking = "" if path.is_dir() else lacks_content(path)
        raise MerjaxError(f"{path} {lacking or f'is damaged ({reason})'}; {todo}") from error


def lacks_content(path: Path) -> str:
    """Why there is nothing to read at a path, as the end of a sentence that begins with it; "" if there is something."""
    return lacks_file(path) or ("" if path.stat().st_size else "is empty")


def read_json(path: Path, todo: str) -> dict[str, Any]:
    """The content of a JSON file, without its seal; see `reading`."""
    with reading(path, todo):
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it holds no keys")
        return {key: value for key, value in content.items() if key != _SEAL}


def read_table(path: Path, todo: str, columns: tuple[str, ...] = ()) -> "pd.DataFrame":
    """The table of a Parquet file that must have these columns; its own checksums are compared. See `reading`."""
    import pandas as pd  # not on top: commands that only answer load nothing heavy

    if lacking := lacks_table(path):
        raise MerjaxError(f"{path} {lacking}; {todo}")
    with reading(path, todo):
        table = pd.read_parquet(path, page_checksum_verification=True)
        if lost := [name for name in columns if name not in table]:
            raise ValueError(f"it has no column {', '.join(lost)}")
        return table


def lacks_table(path: Path) -> str:
    """Why a Parquet file is not whole, from its size and its ends alone, which takes as long as asking whether it exists; as
    the end of a sentence that begins with its name; "" if it is whole.

    Raises:
        MerjaxError: it cannot be looked at, so that it may well be whole.
    """
    lacking = lacks_content(path)
    if lacking.startswith(("cannot be read", "cannot be reached")):
        raise MerjaxError(f"{path} {lacking}; change its permissions, or use a copy of your own")
    if lacking:
        return lacking
    stat = path.stat()
    try:
        _refuse_cut(path, stat.st_size, stat.st_mtime_ns)
    except ValueError as error:
        return str(error)
    return ""


@functools.lru_cache(1 << 16)  # what raises is not kept
def _refuse_cut(path: Path, size: int, changed: int) -> None:
    """Refuse a file of this size and time of change that does not begin and end as Parquet does, with a footer that fits."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(size - 8, 0))
        length, tail = file.read(4), file.read(4)
    if not (head == tail == b"PAR1" and 0 < int.from_bytes(length, "little") <= size - 12):
        raise ValueError("is cut off or damaged")


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Content for a JSON file with a hash of itself, which `merjax doctor` compares; readers do without it."""
    return {**content, _SEAL: hash_of(content)}


def broken_seal(path: Path) -> bool:
    """Whether a readable JSON file has a hash of its content that is not the content's; files of merjax 0.1.0 have none."""
    content = json.loads(path.read_bytes())
    seal = content.pop(_SEAL, None)
    return seal is not None and seal != hash_of(content)


def hash_of(content: Mapping[str, Any]) -> str:
    """The hash of what a JSON file holds, whatever the order of its keys."""
    as_read = json.loads(json.dumps(content))  # tuples are lists there
    return hashlib.blake2b(json.dumps(as_read, sort_keys=True).encode(), digest_size=16).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def noted_files(folder: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Size and hash of files, for the JSON file beside them: opening compares sizes, `merjax doctor` hashes."""
    return {name: {"bytes": (folder / name).stat().st_size, "sha256": file_hash(folder / name)} for name in names}


def refuse_other_sizes(record: Path, noted: Mapping[str, Any], todo: str) -> None:
    """Refuse files that are missing or of another size than `noted_files` noted.

    Args:
        record: the JSON file in which this was noted; the files lie beside it.
        noted: what was noted.
        todo: what to do about it, as the end of the sentence.

    Raises:
        MerjaxError: the message names the first of them, or the record if what it notes cannot be understood.
    """
    for name, known in _noted(record, noted, todo).items():
        path = record.parent / name
        lacking = lacks_content(path)
        if not lacking and (size := path.stat().st_size) != known["bytes"]:
            lacking = f"has {size:,} bytes and should have {known['bytes']:,}"
        if lacking:
            raise MerjaxError(f"{path} {lacking}; {todo}")


def changed_files(record: Path, noted: Mapping[str, Any], todo: str) -> list[str]:
    """The noted files whose content is not the one that `noted_files` noted; see `refuse_other_sizes`."""
    return [
        name
        for name, known in _noted(record, noted, todo).items()
        if lacks_file(record.parent / name) or file_hash(record.parent / name) != known["sha256"]
    ]


def _noted(record: Path, noted: Any, todo: str) -> Mapping[str, Any]:
    """What was noted of files, if it has the form that `noted_files` gives it; a damaged record may say anything."""
    with reading(record, todo):
        for name, known in dict(noted).items():
            if type(known["bytes"]) is not int or not isinstance(known["sha256"], str):
                raise ValueError(f"what it notes of {name} is no size and hash")
        return dict(noted)
