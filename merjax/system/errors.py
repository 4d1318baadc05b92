"""Errors that the user can mend, each told in one sentence."""

import difflib
import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from merjax.system.at_work import worked_on


class MerjaxError(Exception):
    """Bad input. The message names the file, row or key, what was expected and what to do about it."""


def visible(text: str) -> str:
    """Text from outside as every terminal can show it: control characters, and bytes that are not text, are written out."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def first_line(error: BaseException) -> str:
    """What an error of a library says first, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # all but the tab and the end of a line


def meant(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: which of the known words may be meant; "" where none is similar."""
    near = difflib.get_close_matches(word, list(known), 2, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


STOPPED = "stopped before it was finished; the same line starts again"


WORKERS = "error of a worker of merjax"  # so that no line of a library is taken for the worker's own


def command(
    main: Callable[..., None] | None = None, *, stopped: str = STOPPED, word: str = "error"
) -> Callable[..., Any]:
    """Wrap a command line's `main`, so that it never ends in a traceback.

    A `MerjaxError`, or a file that cannot be read or written, becomes one sentence and exit code 2. Where a signal stops it, it
    says `stopped` and ends with the code that a shell expects (130 for Ctrl-C). Any other error is a fault of merjax: one
    sentence, exit code 1. These sentences begin with `word`.
    """
    if main is None:
        return functools.partial(command, stopped=stopped, word=word)

    @functools.wraps(main)
    def run(*args, **kwargs) -> None:
        from merjax.system.environment import put_aside_once  # both need this module
        from merjax.system.signals import stoppable

        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter shows its number
                stream.reconfigure(errors="backslashreplace")
        put_aside_once()
        with stoppable() as stop:
            try:
                main(*args, **kwargs)
                sys.stdout.flush()
            except Exception as error:
                # what is interrupted while it loads a library may raise anything
                code = _say(stopped, stop.exit_code) if stop.signal else _said(error, word)
            except KeyboardInterrupt:
                code = _say(stopped, stop.exit_code)
            else:
                return
            sys.exit(code)

    return run


def _said(error: Exception, word: str) -> int:
    """Say what happened, in one sentence; the exit code."""
    from merjax.system.ending import FaultElsewhere, fault_sentence

    if isinstance(error, MerjaxError):
        return _say(f"{word}: {error}", 2)
    if isinstance(error, BrokenPipeError):  # `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell expects of SIGPIPE
    if isinstance(error, OSError) and (sentence := _of_files(error)):
        return _say(f"{word}: {sentence}", 2)
    if isinstance(error, MemoryError):
        doing = next(iter(worked_on(error)), "at work")
        return _say(f"{word}: memory ran out while merjax was {doing}; close other programs, or use fewer workers", 2)
    return _say(f"{word}: {error if isinstance(error, FaultElsewhere) else fault_sentence(error)}", 1)


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Turn what libraries raise when nothing more can be written to a folder into a sentence.

    Raises:
        MerjaxError: the disk, or the quota, has no space left.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, MerjaxError) and _is_full_disk(error):
            raise MerjaxError(f"no space left in {folder}; free some and run the same line again") from error
        raise


def _is_full_disk(error: BaseException | None) -> bool:
    """Whether an error comes from a full disk or quota, even if libraries have wrapped it in errors of their own."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(said in str(error) for said in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))  # the messages of C++ libraries hold no error number
_DISK = {
    errno.ENOSPC: "the disk is full; free some space or choose another output folder, then run the same line again",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another output folder",
    errno.EROFS: "this file system is read-only; choose another output folder",
    errno.EIO: "the disk or the network gave an error; look whether the file can be copied",
    errno.ESTALE: "the file server no longer knows this file; run the same line again",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
    errno.ELOOP: "these links lead back to themselves; mend or remove them",
}
_READ = "no permission to read it; change its permissions, or use a copy of your own"
_WRITE = "no permission to write there; choose another output folder or change its permissions"


def _of_files(error: OSError) -> str:
    """A sentence about a file that cannot be read or written; "" for errors of other kinds."""
    path = error.filename
    if error.errno in _DISK:
        return f"{path or 'the output'}: {_DISK[error.errno]}"
    if error.errno not in (errno.EACCES, errno.EPERM):
        return ""
    if path is None:
        return f"the output: {_WRITE}"
    return f"{os.fsdecode(path)}: {_READ if _is_unreadable(path) else _WRITE}"


def _is_unreadable(path: str | bytes) -> bool:
    """Whether permission lacks for reading: what is there may not be read, or the way to it may not be walked."""
    if os.path.exists(path):
        return not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0))
    above = os.path.dirname(os.path.abspath(path))
    return not os.access(above, os.X_OK)


def _say(sentence: str, code: int) -> int:
    print(visible(sentence), file=sys.stderr)
    return code
