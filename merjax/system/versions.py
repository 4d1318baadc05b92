"""Versions of merjax, of the packages that training uses, and of the checkout that it runs from."""

import contextlib
import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__version__ = "0.2.0"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


OPTIONAL = ("scikit-learn",)  # only some methods need it


def versions() -> dict[str, str]:
    """Versions of merjax, Python and the packages that training uses."""
    found = {"merjax": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "of unknown version"
    try:
        import cv2  # only where versions are asked for: `merjax --version` loads nothing

        found["OpenCV"] = cv2.__version__  # several distributions install this module
    except ImportError:
        found["OpenCV"] = "does not load"
    for name in OPTIONAL:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | ({"commit": commit} if (commit := _commit()) else {})


@functools.cache
def _commit() -> str:
    """The commit of a merjax that runs from a git checkout, with a mark if files were changed since; "" elsewhere."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return ""
    line = ["git", "-C", str(folder), "describe", "--always", "--dirty=, changed", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
