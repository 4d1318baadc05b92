"""How a command ends if it does not end well: it was stopped, or something happened that nobody foresaw."""

import getpass
import os
import platform
import re
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from merjax.system.at_work import worked_on
from merjax.system.environment import home
from merjax.system.versions import versions

_LONGEST = 300  # characters of a library's message in a sentence


class FaultElsewhere(Exception):
    """A worker process met an error that nobody foresaw and has written its details; the message is its sentence."""


def fault_sentence(error: BaseException) -> str:
    """Write the details of an error that nobody foresaw into a file, and say what happened and where they are."""
    doing = next(iter(worked_on(error)), "")
    said = " ".join(str(error).split())
    name = type(error).__name__ + (f": {said[:_LONGEST]}{'...' if len(said) > _LONGEST else ''}" if said else "")
    details = _details(error)
    path = _written(details)
    where = f"{path}, which holds the details" if path else f"these details, which could not be written: {details}"
    return (
        f"this is a fault of merjax and not of what you gave it: while it was {doing or 'at work'}, an error occurred that "
        f"nobody foresaw ({name}); please report it with {where}"
    )


def _details(error: BaseException) -> str:
    """Versions, command, what was at work and the traceback, without home folders and user names."""
    lines = [f"{name}: {value}" for name, value in {**_versions(), "system": platform.platform()}.items()]
    lines += [f"command: {shlex.join(sys.argv)}", *(f"at work: {step}" for step in worked_on(error)), ""]
    return impersonal("\n".join(lines) + "\n" + "".join(traceback.format_exception(error)))


def _versions() -> dict[str, str]:
    try:
        return versions()
    except Exception as error:  # a package may be the very reason
        return {"Python": platform.python_version(), "versions": f"not found ({error})"}


def impersonal(text: str) -> str:
    """A text without the working folder's place, home folders and user names."""
    here, own = _here(), home()
    for place, shown in ((here, "."), (str(own) if own else "", "~")):
        if len(place) > 1:  # not of the root folder
            text = re.sub(rf"{re.escape(place)}(?![\w.-])", shown, text)
    text = re.sub(r"((?:/home|/Users|[A-Za-z]:\\Users)[/\\])[^/\\\s\"']+", r"\1USER", text)
    for name in _names(own):
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "USER", text)
    return text


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return ""


def _names(own: Path | None) -> Iterable[str]:
    """Names of the user that may stand in paths; not those that are words of the system, such as root."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = ""
    return {name for name in (user, own.name if own else "") if len(name) > 2 and name not in _COMMON}


_COMMON = ("root", "user", "nobody", "home", "merjax")


def _written(details: str) -> Path | None:
    """The file that holds details, in the working folder or else among the temporary ones; None if neither can be written."""
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    for folder in (Path(), Path(tempfile.gettempdir())):
        for mark in ("", f"-{os.getpid()}"):  # two processes may fail in the same second
            path = folder / f"merjax-error-{stamp}{mark}.txt"
            try:
                with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(details)
                return path
            except FileExistsError:
                continue
            except OSError:
                break
    return None
