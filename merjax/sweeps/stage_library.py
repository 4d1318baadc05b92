"""A folder in which sweeps share what their stages gave (`engine.stages`), on this machine or on a disk of several.

A sweep copies what it can use from there into its own folder, and adds what it has trained. The folder has a size limit; what
was used longest ago goes first. Whatever is wrong with it is a sentence, and the sweep goes on without it.
"""

import contextlib
import errno
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import Timeout

from merjax.config import EngineConfig
from merjax.methods.stage_identity import StageReads
from merjax.sweeps.kept_stages import (
    ABOUT,
    about_entry,
    asides,
    entries_in,
    is_there,
    read_entry,
    remove_entry,
    size_of,
)
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.health import Finding
from merjax.system.locks import lock_at
from merjax.system.own_files import read_json
from merjax.system.paths import is_file, lacks_folder, make_folder, user_path
from merjax.system.values import size_in_bytes

MARKER, FORMAT = "stages.json", 1
_PATIENCE = 60  # seconds for the lock: another process copies meanwhile
_ABANDONED = 24 * 3600  # seconds after which a half-written folder belongs to no living process
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Library:
    """A shared folder, as one process uses it.

    Args:
        folder: where it lies; None for no folder.
        limit: bytes that it may take.
        warn: is called with a sentence on each output that cannot be used, and when the process goes on without the folder, at
            most once for reading and once for writing.
    """

    def __init__(self, folder: Path | None, limit: int, warn: Callable[[str], None]) -> None:
        self.folder, self.limit, self.warn = folder, limit, warn
        self.reads = self.writes = folder is not None and self._is_known(folder)

    def holds(self, entry: str) -> bool:
        """Whether it seems to hold what a job gave."""
        return self.folder is not None and self.reads and is_there(self.folder, entry)

    def fetch(self, entry: str, place: Path, reads: StageReads, *, variables: bool) -> bool:
        """Copy what a job gave into a sweep's folder; False if it is not there or cannot be used."""
        if self.folder is None or not self.holds(entry):
            return False
        try:
            read_entry(self.folder, entry, reads, variables=variables)
        except MerjaxError as error:
            if is_there(self.folder, entry):  # else another process has just removed it, to make room
                self.warn(str(error))
                remove_entry(self.folder, entry)
            return False
        make_folder(place)
        try:
            _copy(self.folder, entry, place)
        except OSError as error:
            if error.errno in _FULL:
                raise  # the sweep's own disk
            if error.errno != errno.ENOENT:  # which means that another process has just removed it
                self.warn(f"{self.folder / entry} cannot be copied to {place} ({error.strerror}); it is trained again")
            return False
        with contextlib.suppress(OSError):
            os.utime(self.folder / entry / ABOUT)
        return True

    def offer(self, entry: str, place: Path) -> None:
        """Add what a job gave, from a sweep's folder."""
        if self.folder is None or not self.writes or is_there(self.folder, entry):
            return
        size = size_of(place, entry)
        if size > self.limit:
            return self._go_on(f"engine.stages_limit is below the {size / 1e6:.1f} MB of one stage's output")
        try:
            make_folder(self.folder)
            with lock_at(self.folder / ".lock").acquire(timeout=_PATIENCE):
                if not is_file(self.folder / MARKER):
                    write_json(self.folder / MARKER, {"format": FORMAT})
                trim(self.folder, self.limit - size)
                self._add(entry, place)
        except Timeout:
            return
        except (MerjaxError, OSError) as error:
            told = str(error).partition(";")[0] if isinstance(error, MerjaxError) else str(error.strerror)
            self._go_on(f"cannot be written ({told})")

    def _add(self, entry: str, place: Path) -> None:
        """Copy what a job gave; where the disk is full, what was used longest ago is removed first."""
        assert self.folder is not None
        while not is_there(self.folder, entry):
            try:
                _copy(place, entry, self.folder)
            except OSError as error:
                if error.errno not in _FULL or not _remove_oldest(self.folder):
                    raise

    def _is_known(self, folder: Path) -> bool:
        if lacks_folder(folder) == "does not exist":
            return True
        try:
            if lacking := lacks_folder(folder):
                raise MerjaxError(f"{folder} {lacking}")
            if is_file(folder / MARKER) and (found := read_json(folder / MARKER, "").get("format")) != FORMAT:
                raise MerjaxError(f"it has format {found}, and this merjax knows format {FORMAT}")
            if not is_file(folder / MARKER) and any(folder.iterdir()):
                raise MerjaxError("it is not empty and holds no stages")
        except (MerjaxError, OSError) as error:
            self._go_on(f"cannot be used ({str(error).rstrip('; ')})")
            return False
        return True

    def _go_on(self, reason: str) -> None:
        self.writes = False
        self.warn(f"engine.stages: {self.folder} {reason}; the sweep goes on without it")


def open_library(engine: EngineConfig, warn: Callable[[str], None]) -> Library:
    """The folder that a sweep's settings name, if they name one."""
    folder = user_path(engine.stages) if engine.share and engine.stages != "none" else None
    return Library(folder, size_in_bytes(engine.stages_limit), warn)


def trim(place: Path, limit: int) -> None:
    """Remove from a folder of jobs what was used longest ago, as far as it can be, until the rest takes `limit` bytes."""
    for path in [*asides(place)]:
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
    while sum(size_of(place, entry) for entry in entries_in(place)) > limit:
        if not _remove_oldest(place):
            return


def examine_stages(folder: Path) -> Iterator[Finding]:
    """What a folder of kept stages holds, its size, and what is unusable in it."""
    entries = entries_in(folder)
    total = sum(size_of(folder, entry) for entry in entries)
    yield Finding("stages", f"{len(entries)} outputs of stages, {total / 1e6:.1f} MB")
    if is_file(folder / MARKER):
        try:
            found = read_json(folder / MARKER, "remove the folder").get("format")
            if found != FORMAT:
                yield Finding(
                    MARKER, f"of format {found}, not {FORMAT}", "use the merjax that wrote it, or remove the folder"
                )
        except MerjaxError as error:
            yield Finding(MARKER, str(error), "remove the folder")
    for entry in entries:
        yield _examined(folder, entry)
    for path in asides(folder):
        yield Finding("half-written", path.name, "remove it, unless a sweep is writing it now", needed=False)


def _examined(folder: Path, entry: str) -> Finding:
    try:
        about = about_entry(folder, entry)
    except MerjaxError as error:
        what, _, _ = str(error).rpartition("; ")
        return Finding("unusable", what, f"remove {folder / entry}; sweeps train it again")
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime((folder / entry / ABOUT).stat().st_mtime))
    told = f"{entry}: {about['stage']} stage, version {about['stage_version']}, {about['precision']}"
    return Finding("output", f"{told}, {size_of(folder, entry) / 1e6:.1f} MB, last used {used}")


def _remove_oldest(place: Path) -> bool:
    """Remove what was used longest ago of all that can be removed; False if there is nothing."""
    used = {}
    for entry in entries_in(place):
        with contextlib.suppress(OSError):
            used[entry] = (place / entry / ABOUT).stat().st_mtime
    for entry in sorted(used, key=lambda entry: used[entry]):
        remove_entry(place, entry)
        if not is_there(place, entry):  # else it belongs to another user
            return True
    return False


def _copy(source: Path, entry: str, place: Path) -> None:
    """Copy a job's folder; it is there as a whole or not at all."""
    aside = place / f".{entry}.{platform.node()}.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        for path in (source / entry).iterdir():
            shutil.copyfile(path, aside / path.name)
        if not is_there(place, entry):
            remove_entry(place, entry)  # a part of it, which a rename would take for the whole
        with contextlib.suppress(FileExistsError):  # another process was faster
            aside.rename(place / entry)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # the same, as Linux says it
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
