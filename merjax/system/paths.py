"""Paths that people give: the home folder expanded once, at the door; what lies at a path; folders listed and made."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from merjax.system.environment import expanded
from merjax.system.errors import MerjaxError, visible

# what systems, synchronising programs and file servers leave beside files of people
_FOREIGN = frozenset(
    {"__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "system volume information", "lost+found"}
    | {".ds_store", ".directory", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
)


def user_path(said: str | Path) -> Path:
    """A path as its user means it: a leading `~` is the home folder, as in a shell. Every path from a command line, a setting,
    a YAML file or a caller from Python comes through here, once.

    Raises:
        MerjaxError: it is empty, holds what no path can hold, or begins with `~` where there is no such home folder.
    """
    text = os.fspath(said)
    if not text.strip():
        raise MerjaxError("a path is empty (an unset variable?); write the file or folder that is meant")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise MerjaxError(
            f"{text}: this name holds bytes that are not text; rename the file or folder, or reach it through a link"
        )
    return expanded(text)


def lacks_file(path: Path) -> str:
    """Why a path is no file that can be read, as the end of a sentence that begins with it; "" if it is one."""
    return _lacks(path, lambda mode: stat.S_ISREG(mode) or stat.S_ISFIFO(mode), os.R_OK)


def lacks_own_content(path: Path) -> str:
    """The same for a file that merjax finds by itself, and nobody named: a pipe is none, since its reader may wait for ever."""
    return _lacks(path, stat.S_ISREG, os.R_OK)


def lacks_folder(path: Path) -> str:
    """Why a path is no folder that can be listed, as the end of a sentence that begins with it; "" if it is one."""
    return _lacks(path, stat.S_ISDIR, os.R_OK | os.X_OK)


def _lacks(path: Path, wanted: Callable[[int], bool], access: int) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads back to itself"
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return "is a link that leads nowhere" if os.path.islink(path) else "does not exist"
        return f"cannot be reached ({error.strerror})"
    if wanted(mode):
        return "" if os.access(path, access) else "cannot be read (no permission)"
    if stat.S_ISDIR(mode):
        return "is a folder"
    return "is a file, not a folder" if stat.S_ISREG(mode) else "is neither a file nor a folder"


def is_file(path: Path) -> bool:
    """Whether a file lies at a path; not where it cannot be looked at."""
    return lacks_file(path) == ""


def is_foreign(name: str) -> bool:
    """Whether a name is none that a release has: hidden, as `.DS_Store` and `.git`, or left by a system, as `Thumbs.db`."""
    return name.startswith((".", "~$")) or left_by_system(name)


def left_by_system(name: str) -> bool:
    """Whether a system left a file of this name by itself: `.DS_Store`, `._x`, `Thumbs.db` and the like, but not `.git`."""
    return name.startswith("._") or name.casefold() in _FOREIGN


def listed(folder: Path, passed_over: list[str]) -> list[Path]:
    """What lies in a folder, in the order of names, without foreign files. A folder that cannot be listed, and a link that
    leads nowhere, are passed over, and a sentence about each is added to a list."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        passed_over.append(f"the folder {visible(str(folder))} cannot be listed ({error.strerror}): passed over")
        return []
    found = []
    for name in names:
        if is_foreign(name):
            continue
        try:
            os.stat(folder / name)
        except OSError as error:
            why = lacks_file(folder / name) or error.strerror
            passed_over.append(f"{visible(str(folder / name))} {why}: passed over")
        else:
            found.append(folder / name)
    return found


def holds_something(folder: Path, own: Callable[[str], bool] = lambda name: False) -> bool:
    """Whether anything lies in a folder but what systems leave, and files whose names `own` takes; False without a folder."""
    return folder.is_dir() and any(not left_by_system(name) and not own(name) for name in os.listdir(folder))


def refuse_taken(out: Path) -> None:
    """Refuse a place for results where something is, or where nothing can be written, before any work is done for it.

    Raises:
        MerjaxError: one of these.
    """
    if os.path.lexists(out):
        raise MerjaxError(f"{out} exists; remove it, or choose another --out")
    refuse_unwritable(out.parent)


def refuse_unwritable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written, before any work is done for it. Nothing is made.

    Raises:
        MerjaxError: it, or what lies above it, is a file, or there is no permission to write there.
    """
    for place in (folder, *folder.parents):
        lacking = lacks_folder(place)
        if lacking == "does not exist":
            continue
        if lacking in ("", "cannot be read (no permission)"):
            if not os.access(place, os.W_OK | os.X_OK):
                raise MerjaxError(f"{place}: no permission to write there; choose another output folder")
            return
        raise MerjaxError(f"{place} {lacking}; choose another output folder")


def make_folder(folder: Path) -> None:
    """Make a folder to write to, with the folders above it, if it does not exist.

    Raises:
        MerjaxError: that is not possible; the message says why.
    """
    refuse_unwritable(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise MerjaxError(f"{folder} cannot be made ({error.strerror}); choose another output folder") from error
