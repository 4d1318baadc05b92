"""The conditions under which chunks were trained: devices, versions of packages, time.

By design, results do not depend on them, up to float tolerance; they help if a number cannot be reproduced.
"""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from merjax.sweeps.folder import chunk_files, record_path
from merjax.sweeps.plan import Chunk
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.own_files import noted_files, read_json, sealed
from merjax.system.paths import is_file
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
    before = _record(path) or {"seconds": 0.0, "with": []}
    here = {"device": _device(), "versions": versions()}
    kept = before["with"] + ([] if here in before["with"] else [here])
    write_json(path, sealed({"seconds": round(before["seconds"] + seconds, 3), "with": kept}))


def note_files(folder: Path, chunk: Chunk) -> None:
    """Add sizes and hashes of a finished chunk's files to its record, for `merjax doctor`."""
    path = record_path(folder, chunk)
    names = [file.name for file in chunk_files(folder, chunk)]
    write_json(path, sealed((_record(path) or {}) | {"files": noted_files(folder, names)}))


def _record(path: Path) -> dict[str, Any] | None:
    """What was noted, if anything was; no result depends on it, so a damaged record counts as none, and the doctor names it."""
    if not is_file(path):
        return None
    try:
        record = read_json(path, "it is written anew")
        return record if isinstance(record["seconds"], int | float) and _are_sittings(record["with"]) else None
    except (MerjaxError, KeyError):
        return None


def _are_sittings(noted: Any) -> bool:
    return isinstance(noted, list) and all(
        isinstance(s, dict) and isinstance(s.get("device"), str) and isinstance(s.get("versions"), dict) for s in noted
    )


def read_conditions(folder: Path, chunks: Sequence[Chunk]) -> Conditions | None:
    """The conditions of finished chunks; None if none were noted."""
    records = [record for chunk in chunks if (record := _record(record_path(folder, chunk)))]
    if not records:
        return None
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
