"""Errors that the user can mend, each told in one sentence."""

import difflib
import errno
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class MerjaxError(Exception):
    """Bad input. The message names the file, row or key, what was expected and what to do about it."""


def meant(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: which of the known words may be meant; "" where none is similar."""
    near = difflib.get_close_matches(word, list(known), 2, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def command(main: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command line's `main`: a `MerjaxError` or a failing disk becomes one sentence and exit code 2."""

    @functools.wraps(main)
    def run(*args, **kwargs) -> None:
        try:
            main(*args, **kwargs)
        except MerjaxError as error:
            sys.exit(_say(str(error)))
        except OSError as error:
            if error.errno not in _DISK:
                raise
            sys.exit(_say(f"{error.filename or 'the output'}: {_DISK[error.errno]}"))

    return run


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
    errno.EACCES: "no permission to write there; choose another output folder or change its permissions",
    errno.EROFS: "this file system is read-only; choose another output folder",
}


def _say(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return 2
