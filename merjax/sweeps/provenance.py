"""The conditions under which chunks were trained: devices, versions of packages, time.

By design, results do not depend on them, up to float tolerance; they help if a number cannot be reproduced.
"""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from merjax.sweeps.folder import record_path
from merjax.sweeps.plan import Chunk
from merjax.system.files import write_json
from merjax.system.versions import versions


class Conditions(NamedTuple):
    """What a sweep's finished chunks were trained with.

    Attributes:
        devices: of each process, such as "1 x NVIDIA H200"; several if processes differed.
        versions: "merjax 0.1.0, Python 3.11.2, jax 0.10.0, ..."; several if processes differed.
        seconds: the time that chunks took, with compilation, summed over chunks; the time of killed processes is not included.
    """

    devices: tuple[str, ...]
    versions: tuple[str, ...]
    seconds: float


def note_sitting(folder: Path, chunk: Chunk, seconds: float) -> None:
    """Add the time that this process spent on a chunk, its device and its versions to the chunk's record."""
    path = record_path(folder, chunk)
    before: dict[str, Any] = {"seconds": 0.0, "with": []}
    if path.is_file():
        before = json.loads(path.read_text())
    here = {"device": _device(), "versions": versions()}
    kept = before["with"] + ([] if here in before["with"] else [here])
    write_json(path, {"seconds": round(before["seconds"] + seconds, 3), "with": kept})


def read_conditions(folder: Path, chunks: Sequence[Chunk]) -> Conditions | None:
    """The conditions of finished chunks; None if none were noted."""
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


def _device() -> str:
    devices = jax.local_devices()
    kind = _processor() if devices[0].platform == "cpu" else devices[0].device_kind
    return f"{len(devices)} x {kind}"


def _processor() -> str:
    """The processor's name, as Linux gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
