"""What the user did not expect, said in a sentence."""

import errno
import functools
import sys
from collections.abc import Callable


class MerjaxError(Exception):
    """Bad input. The message names the file, row or key, what was expected and what to do about it."""


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


_DISK = {
    errno.ENOSPC: "the disk is full; free some space or choose another output folder, then run the same line again",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another output folder",
    errno.EACCES: "no permission to write there; choose another output folder or change its permissions",
    errno.EROFS: "this file system is read-only; choose another output folder",
}


def _say(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return 2
