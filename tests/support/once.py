"""What takes long to make, made once for all processes of a test session."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` that `make` writes for whichever process asks first; the others wait and share it.

    Args:
        factory: pytest's, whose base folder the workers of pytest-xdist have side by side in one folder.
        worker: "master", or which worker of pytest-xdist this is.
        name: of the folder.
        make: writes the folder that it is given; it leaves none behind when it fails.

    Tests must not write into it.
    """
    base = factory.getbasetemp()
    folder = (base if worker == "master" else base.parent) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make(folder)
    return folder
