"""Under what conditions chunks were trained: devices, versions of packages, time.

Results do not depend on them by design, to float tolerance; whoever cannot reproduce a number wants to know them.
"""

import contextlib
import functools
import json
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from merjax import __version__
from merjax.plan import Chunk
from merjax.results import record_path
from merjax.store import write_json

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
OPTIONAL = ("scikit-learn",)  # some methods alone need it


class Conditions(NamedTuple):
    """What a sweep's finished chunks were trained with.

    Attributes:
        devices: of each process, such as "1 x NVIDIA H200"; several where processes differed.
        versions: "merjax 0.1.0, Python 3.11.2, jax 0.10.0, ..."; several where processes differed.
        seconds: that chunks took, compilation included, summed over chunks; what a killed process had spent is not in it.
    """

    devices: tuple[str, ...]
    versions: tuple[str, ...]
    seconds: float


def note_sitting(folder: Path, chunk: Chunk, seconds: float) -> None:
    """Add the time that this process spent on a chunk, and what it is, to the chunk's record."""
    path = record_path(folder, chunk)
    before: dict[str, Any] = {"seconds": 0.0, "with": []}
    if path.is_file():
        before = json.loads(path.read_text())
    here = {"device": _device(), "versions": versions()}
    kept = before["with"] + ([] if here in before["with"] else [here])
    write_json(path, {"seconds": round(before["seconds"] + seconds, 3), "with": kept})


def read_conditions(folder: Path, chunks: Sequence[Chunk]) -> Conditions | None:
    """The conditions of finished chunks; None where none were noted."""
    paths = [path for chunk in chunks if (path := record_path(folder, chunk)).is_file()]
    if not paths:
        return None
    records = [json.loads(path.read_text()) for path in paths]
    sittings = [sitting for record in records for sitting in record["with"]]
    said = [", ".join(f"{name} {number}" for name, number in sitting["versions"].items()) for sitting in sittings]
    return Conditions(
        tuple(dict.fromkeys(sitting["device"] for sitting in sittings)),
        tuple(dict.fromkeys(said)),
        sum(record["seconds"] for record in records),
    )


def versions() -> dict[str, str]:
    """Versions of merjax, Python and the packages that training rests on."""
    found = {"merjax": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "of unknown version"
    found["OpenCV"] = cv2.__version__  # which several distributions bring
    for name in OPTIONAL:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | ({"commit": commit} if (commit := _commit()) else {})


@functools.cache
def _commit() -> str:
    """The commit of a merjax that runs from a git checkout, marked where files were changed since; "" elsewhere."""
    folder = Path(__file__).parents[1]
    if not (folder / ".git").exists():
        return ""
    line = ["git", "-C", str(folder), "describe", "--always", "--dirty=, changed", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _device() -> str:
    import jax

    devices = jax.local_devices()
    kind = _processor() if devices[0].platform == "cpu" else devices[0].device_kind
    return f"{len(devices)} x {kind}"


def _processor() -> str:
    """The processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
