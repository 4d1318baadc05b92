"""Locks hold also where the file system of a folder has none."""

import errno
import fcntl
import subprocess
import sys

import pytest
from filelock import Timeout
from support.commands import checkout_environment

from merjax.system import locks
from merjax.system.locks import lock_at, lockless


@pytest.fixture
def no_locks_there(tmp_path, monkeypatch):
    """A folder whose file system says that it has no locks, as NFS without its daemon does."""
    locks._has_locks.cache_clear()
    flock, folder = fcntl.flock, tmp_path / "remote"
    folder.mkdir()

    def refused(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    assert not locks._has_locks(folder)
    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield folder
    locks._has_locks.cache_clear()


def test_a_lock_lies_where_its_path_says_and_is_not_told(tmp_path):
    with lock_at(tmp_path / "a.lock"):
        assert (tmp_path / "a.lock").exists()
        with pytest.raises(Timeout):
            lock_at(tmp_path / "a.lock").acquire(timeout=0)
    lock_at(tmp_path / "a.lock").acquire(timeout=0).lock.release()
    assert lockless(tmp_path) == ""


def test_without_locks_the_processes_of_this_machine_still_exclude_each_other(no_locks_there, tmp_path):
    assert "without locks" in lockless(no_locks_there)
    code = (
        f"import tempfile; tempfile.tempdir = {str(tmp_path)!r}; from pathlib import Path; from merjax.system import locks\n"
        "locks._has_locks = lambda folder: False\n"
        f"locks.lock_at(Path({str(no_locks_there)!r}) / 'a.lock').acquire(timeout=0)\n"
    )
    with lock_at(no_locks_there / "a.lock"):
        assert not (no_locks_there / "a.lock").exists()
        line = [sys.executable, "-c", code]
        other = subprocess.run(line, env=checkout_environment(), capture_output=True, text=True, check=False)
        assert "Timeout" in other.stderr
        with lock_at(no_locks_there / "b.lock"):  # another path is another lock
            pass
    assert subprocess.run(line, env=checkout_environment(), check=False).returncode == 0
