"""The environment variables that merjax reads, and those of JAX that it puts aside. No other module reads any.

An empty variable counts as unset: batch systems hand on empty ones. Of JAX's variables and XLA's flags, only those stay that
say where to train, how processes find each other, what is logged and where compiled programs are kept. All others are put aside
before JAX reads them, also those that a later JAX may add: results under any environment are the same.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path

from merjax.system.errors import MerjaxError

HERE: MutableMapping[str, str] = os.environ

_MOST = 2**31 - 1
_SHOWN = 60  # characters of a value that a sentence shows
_CLUSTERS = ("SLURM_", "OMPI_", "TPU_", "JAX_")
_ALSO_EMPTY = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "HOME", "XDG_CACHE_HOME", "MERJAX_CACHE", "MERJAX_LANDMARK_MODEL")

_TRUTH = r"(?i)y|yes|t|true|on|1|n|no|f|false|off|0"
_TEXT, _WHOLE, _NUMBER, _NAMES = r"(?s).+", r"-?[0-9]{1,9}", r"[0-9]{1,9}(\.[0-9]{1,9})?", r"[\w ,.:;*-]+"
_KEPT = {  # variables of JAX that stay, and what they must look like for JAX not to fail on them
    "JAX_PLATFORMS": _NAMES,
    "JAX_PLATFORM_NAME": _NAMES,
    "JAX_CUDA_VISIBLE_DEVICES": r"all|[0-9]+(,[0-9]+)*",
    "JAX_ROCM_VISIBLE_DEVICES": r"all|[0-9]+(,[0-9]+)*",
    "JAX_NUM_CPU_DEVICES": r"[1-9][0-9]{0,3}",
    "JAX_COORDINATOR_ADDRESS": _TEXT,
    "JAX_COORDINATOR_BIND_ADDRESS": _TEXT,
    "JAX_COORDINATOR_PORT": r"[0-9]{1,5}",
    "JAX_NUM_PROCESSES": _TEXT,  # these two are read by `whole`, which refuses what it cannot understand
    "JAX_PROCESS_ID": _TEXT,
    "JAX_LOCAL_DEVICE_IDS": r"[0-9]+(,[0-9]+)*",
    "JAX_COMPILATION_CACHE_DIR": _TEXT,
    "JAX_COMPILATION_CACHE_MAX_SIZE": _WHOLE,
    "JAX_ENABLE_COMPILATION_CACHE": _TRUTH,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": _NUMBER,
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": _WHOLE,
    "JAX_LOGGING_LEVEL": r"NOTSET|DEBUG|INFO|WARNING|ERROR|CRITICAL",
    "JAX_LOG_COMPILES": _TRUTH,
    "JAX_DEBUG_LOG_MODULES": _NAMES,
    "JAX_EXPLAIN_CACHE_MISSES": _TRUTH,
    "JAX_DISTRIBUTED_DEBUG": _TRUTH,
    "JAX_TRACEBACK_FILTERING": r"off|tracebackhide|remove_frames|quiet_remove_frames|auto",
}
_HOST_DEVICES = "xla_force_host_platform_device_count"
_FLAG_TRUTH = r"(?i)true|false|1|0"
_FLAGS = {  # of XLA that stay; XLA ends the process for one that it does not know or cannot read
    _HOST_DEVICES: r"[1-9][0-9]{0,3}",
    "xla_gpu_cuda_data_dir": _TEXT,
    "xla_gpu_deterministic_ops": _FLAG_TRUTH,
    "xla_gpu_exclude_nondeterministic_ops": _FLAG_TRUTH,
    "xla_dump_to": _TEXT,
    "xla_dump_hlo_as_text": _FLAG_TRUTH,
    "xla_dump_hlo_as_proto": _FLAG_TRUTH,
    "xla_dump_hlo_as_html": _FLAG_TRUTH,
}
_OTHERS = ("CHECK_VMA", "EAGER_CONSTANT_FOLDING", "NVIDIA_TF32_OVERRIDE", "LIBTPU_INIT_ARGS")
_NUMERIC = r"""(?x) JAX_( ENABLE_X64 | DEFAULT_DTYPE_BITS | EXPLICIT_X64_DTYPES | NUMPY_DTYPE_PROMOTION | DEFAULT_PRNG_IMPL
    | THREEFRY_\w+ | RANDOM_SEED_OFFSET | DEFAULT_MATMUL_PRECISION | ENABLE_CUSTOM_PRNG | HIGH_DYNAMIC_RANGE_GUMBEL
    | SOFTMAX_CUSTOM_JVP | ALLOW_F16_REDUCTIONS | DISABLE_MOST_OPTIMIZATIONS | OPTIMIZATION_LEVEL | EXEC_TIME_\w+
    | RAGGED_DOT\w+ | DEFAULT_DEVICE ) | NVIDIA_TF32_OVERRIDE"""
_HINDERS = r"""(?x) JAX_( NUMPY_RANK_PROMOTION | DEBUG_(NANS|INFS|KEY_REUSE) | DISABLE_JIT | TRANSFER_GUARD\w* | NO_\w+
    | CHECK_\w+ | ENABLE_CHECKS | ERROR_CHECKING\w+ | LEGACY_PRNG_KEY | THREAD_GUARD | ARRAY_GARBAGE_COLLECTION_GUARD )"""


def text(name: str, environment: Mapping[str, str] = HERE) -> str | None:
    """A variable's value; None if it is unset or empty."""
    return environment.get(name, "").strip() or None


def whole(name: str, default: int, *, least: int = 0, most: int = _MOST, environment: Mapping[str, str] = HERE) -> int:
    """A variable that holds a whole number; the default if it is unset or empty.

    Raises:
        MerjaxError: it holds anything else, or a number out of range.
    """
    value = text(name, environment)
    if value is None:
        return default
    if re.fullmatch(r"[0-9]{1,10}", value) is None or not least <= int(value) <= most:
        within = f"of at least {least}" if most == _MOST else f"from {least} to {most}"
        raise MerjaxError(f"the environment variable {_shown(name, value)} is not a whole number {within}; unset it")
    return int(value)


def home() -> Path | None:
    """The user's home folder; None if there is none, as in a container whose user the system does not know."""
    if named := text("HOME"):
        return Path(named)
    try:
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except ImportError:  # not a Unix
        return Path(profile) if (profile := text("USERPROFILE")) else None
    except KeyError:
        return None


def expanded(said: str) -> Path:
    """A path whose leading `~` or `~name` is the home folder of this user or of that one.

    Raises:
        MerjaxError: there is no such home folder.
    """
    first, _, rest = said.partition("/")
    if first == "~":
        own = home()
        if own is None:
            raise MerjaxError(
                f"{said}: there is no home folder here that ~ could stand for (HOME is not set); write it out"
            )
        return own / rest.lstrip("/")
    path = Path(os.path.expanduser(said))
    if re.fullmatch(r"~[A-Za-z_][\w.-]*", path.parts[0] if path.parts else ""):
        raise MerjaxError(
            f"{said}: there is no user {first[1:]} here with a home folder; write ./{said} if it is a file's name"
        )
    return path


def cache_place() -> tuple[Path, str]:
    """The folder where merjax keeps files between sweeps, and a sentence if it is only a makeshift ("" if it is not).

    It is $MERJAX_CACHE, or `merjax` in $XDG_CACHE_HOME, or in `.cache` of the home folder; or, where none of these can be had,
    a folder of this user's among the temporary ones.

    Raises:
        MerjaxError: $MERJAX_CACHE names a home folder that there is not.
    """
    if named := text("MERJAX_CACHE"):
        return expanded(named), ""
    given = text("XDG_CACHE_HOME")
    if given and os.path.isabs(given):  # another is to be ignored, says the specification of these folders
        return Path(given) / "merjax", ""
    own = home()
    if own is not None and can_be_made(own / ".cache" / "merjax"):
        return own / ".cache" / "merjax", ""
    makeshift = Path(tempfile.gettempdir()) / f"merjax-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    why = "there is no home folder" if own is None else f"nothing can be written to {own / '.cache' / 'merjax'}"
    return makeshift, (
        f"{why}, so compiled programs are kept in {makeshift} until the system removes it; set MERJAX_CACHE to a folder that "
        "stays"
    )


_UNUSED = "is not used"
_LATE = (
    "may have had effect before merjax was loaded, and is undone as far as that goes (use merjax before you import jax, or "
    "unset it)"
)


def put_aside(environment: MutableMapping[str, str] = HERE, unused: str = _UNUSED) -> list[str]:
    """Remove the variables of JAX and XLA that would change results or stop training, and empty ones; a sentence for each that
    was not empty, with `unused` as what happens to it."""
    sentences = []
    for name in sorted(environment):
        value = environment[name]
        if not value.strip():
            if name.startswith(_CLUSTERS) or name in (*_ALSO_EMPTY, *_OTHERS):
                del environment[name]
        elif name == "XLA_FLAGS":
            sentences += _put_flags_aside(environment, unused)
        elif name in _KEPT:
            if re.fullmatch(_KEPT[name], value.strip()) is None:
                sentences.append(f"{_shown(name, value)} {unused}: JAX does not understand it")
                del environment[name]
        elif name.startswith(("JAX_", "JAX2TF_")) or name in _OTHERS:
            sentences.append(f"{_shown(name, value)} {unused}: {_reason(name)}")
            del environment[name]
    return sentences


def put_aside_once() -> None:
    """`put_aside` for this process; `take_notes` returns the sentences. JAX reads most variables when it is imported."""
    if not _done:
        _done.append(True)
        _notes.extend(put_aside(unused=_LATE if "jax" in sys.modules else _UNUSED))


def take_notes() -> list[str]:
    """Sentences that nobody has told the user yet."""
    notes = list(_notes)
    _notes.clear()
    return notes


_done: list[bool] = []
_notes: list[str] = []


def without_host_devices(environment: Mapping[str, str] = HERE) -> tuple[dict[str, str], str]:
    """The environment for a worker process with one core, and a sentence if it asked for several devices on that core ("" if
    not). With several devices and one thread, XLA waits for ever."""
    flags: list[str] = []
    asked: list[str] = []
    for flag in environment.get("XLA_FLAGS", "").split():
        (asked if _flag(flag)[0] == _HOST_DEVICES else flags).append(flag)
    if several := environment.get("JAX_NUM_CPU_DEVICES"):
        asked.append(f"JAX_NUM_CPU_DEVICES={several}")
    kept = {name: value for name, value in environment.items() if name not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")}
    if flags:
        kept["XLA_FLAGS"] = " ".join(flags)
    if all(flag.endswith("=1") for flag in asked):
        return kept, ""
    return kept, (
        f"{' and '.join(asked)} is not used by the worker processes, which have a core each and one device on it; for several "
        "devices in one process, add engine.workers=1"
    )


def named_platform(environment: Mapping[str, str] = HERE) -> str:
    """The variable that says on which platform JAX is to run, with its value; "" if none does."""
    for name in ("JAX_PLATFORMS", "JAX_PLATFORM_NAME"):
        if value := text(name, environment):
            return _shown(name, value)
    return ""


def _put_flags_aside(environment: MutableMapping[str, str], unused: str) -> list[str]:
    """Keep the flags of XLA that are known to be harmless."""
    given = environment["XLA_FLAGS"].split()
    kept, sentences = [], []
    for flag in given:
        name, value = _flag(flag)
        if name not in _FLAGS:
            sentences.append(f"XLA_FLAGS: {flag[:_SHOWN]} {unused}: it may change results, or XLA may not know it")
        elif re.fullmatch(_FLAGS[name], value) is None:
            sentences.append(f"XLA_FLAGS: {flag[:_SHOWN]} {unused}: XLA would not understand it")
        else:
            kept.append(flag)
    if kept:
        environment["XLA_FLAGS"] = " ".join(kept)
    else:
        del environment["XLA_FLAGS"]
    return sentences


def _flag(flag: str) -> tuple[str, str]:
    """Name and value of a flag of XLA; the value is "true" where it is left out, the name "" if this is no flag."""
    name, equals, value = flag.partition("=")
    return (name[2:] if name.startswith("--") else ""), (value if equals else "true")


def _reason(name: str) -> str:
    if re.fullmatch(_NUMERIC, name):
        return "it would change results"
    if re.fullmatch(_HINDERS, name):
        return "it would stop or slow the training"
    return "it may change results"


def can_be_made(folder: Path) -> bool:
    """Whether a folder is there and can be written to, or could be made."""
    there: Iterable[Path] = (folder, *folder.absolute().parents)
    nearest = next((place for place in there if os.path.lexists(place)), None)
    return nearest is not None and nearest.is_dir() and os.access(nearest, os.W_OK)


def _shown(name: str, value: str) -> str:
    return f"{name}={value if len(value) <= _SHOWN else value[:_SHOWN] + '...'}"
