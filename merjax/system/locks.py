"""Locks between processes, also where the file system of a folder has none."""

import errno
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from merjax.system.console import warn
from merjax.system.errors import MerjaxError
from merjax.system.paths import make_folder

_NONE = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


def lock_at(path: Path) -> FileLock:
    """A lock that all processes share which name this path; its folder must exist. It ends with its process.

    Where the folder's file system has no locks, as on some network drives, the lock lies in this machine's folder for temporary
    files, and only the processes of this machine share it; see `lockless`.
    """
    if _has_locks(path.parent.absolute()):
        return FileLock(path)
    digits = hashlib.blake2b(os.fsencode(path.resolve()), digest_size=16).hexdigest()
    return FileLock(Path(tempfile.gettempdir()) / f"merjax-{os.getuid()}-{digits}.lock")


def lockless(folder: Path) -> str:
    """A sentence for the user of a folder whose file system has no locks; "" where it has them."""
    if _has_locks(folder.absolute()):
        return ""
    return (
        f"{folder} lies on a file system without locks: processes of this machine share the work there, but no other machine "
        "may work in this folder at the same time"
    )


@contextmanager
def alone_at(out: Path, doing: str) -> Iterator[None]:
    """Keep other processes from making the same folder or file meanwhile.

    Raises:
        MerjaxError: another process is `doing` the same, or nothing can be written there.
    """
    make_folder(out.parent)
    if sentence := lockless(out.parent):
        warn(sentence)
    lock = lock_at(out.with_name(f".{out.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise MerjaxError(f"another process is {doing} {out}; wait for it, or choose another folder") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@functools.cache
def _has_locks(folder: Path) -> bool:
    """Whether a file in a folder can be locked. Anything else that is wrong there shows when the lock is taken."""
    try:
        import fcntl
    except ImportError:  # not on Windows, whose locks every file system has
        return True
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _NONE
    return True
