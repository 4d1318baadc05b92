"""The settings of JAX in every process that trains."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from merjax.system.environment import cache_place, named_platform, put_aside_once, take_notes, text
from merjax.system.errors import MerjaxError

put_aside_once()  # before the next line, since JAX reads them when it is imported

import jax  # noqa: E402
from jax.experimental.compilation_cache import compilation_cache  # noqa: E402

# What merjax trains with. A process that imports merjax may have set JAX otherwise before, and may have let it read variables
# that are otherwise put aside (merjax/system/environment.py).
_PINNED: dict[str, Any] = {
    "jax_enable_x64": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_threefry_gpu_kernel_lowering": False,
    "jax_random_seed_offset": 0,
    "jax_enable_custom_prng": False,
    "jax_high_dynamic_range_gumbel": False,
    "jax_softmax_custom_jvp": False,
    "jax_legacy_prng_key": "allow",
    "jax_debug_key_reuse": False,
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_disable_jit": False,
    "jax_disable_most_optimizations": False,
    "jax_check_tracer_leaks": False,
    "jax_enable_checks": False,
    "jax_transfer_guard": "allow",
    "jax_explicit_x64_dtypes": 1,  # warn
    "jax_allow_f16_reductions": True,
    "jax_optimization_level": "UNKNOWN",
    "jax_exec_time_optimization_effort": 0.0,
    "jax_ragged_dot_use_ragged_dot_instruction": True,
    "jax_ragged_dot_use_gpu_pallas_triton_lowering": False,
    "jax_default_device": None,
    # float32 products mean float32: some accelerators would round their factors to ten bits of mantissa
    "jax_default_matmul_precision": "highest",
}


def prepare_backend() -> None:
    """Pin all settings of JAX that change results, keep compiled programs on disk, so that each is compiled once, and look
    whether there is a device. What of the environment is not used is told, a sentence for each.

    Raises:
        MerjaxError: JAX does not start, most often since a variable names a platform that is not here.
    """
    folder, makeshift = cache_place()
    own = {key: value for key, value in _cached(folder).items() if text(key.upper()) is None}  # a set variable wins
    makeshift = makeshift if "jax_compilation_cache_dir" in own else ""
    for sentence in (*take_notes(), *_pin(), *([makeshift] if makeshift and not _told else [])):
        print(f"note: {sentence}", file=sys.stderr)
    _told.add(makeshift)
    for key, value in own.items():
        jax.config.update(key, value)
    try:
        jax.local_devices()
    except Exception as error:  # of many kinds, by platform and driver
        first = next((f" ({line})" for line in str(error).strip().splitlines()), "")
        named = named_platform()
        todo = f"unset {named.partition('=')[0]}, or install what it names" if named else "see `merjax doctor`"
        raise MerjaxError(
            f"JAX finds no device to train on{f' with {named}' if named else ''}{first}; {todo}"
        ) from error


_told: set[str] = set()


def _cached(folder: Path) -> dict[str, str | float]:
    """The settings of JAX under which compiled programs are kept on disk."""
    return {
        "jax_compilation_cache_dir": str(folder / "programs"),
        "jax_persistent_cache_min_compile_time_secs": 0.5,
    }


def programs_are_kept() -> bool:
    """Whether what one process compiles is there for the others."""
    return bool(jax.config.values["jax_enable_compilation_cache"] and jax.config.values["jax_compilation_cache_dir"])


def _pin() -> list[str]:
    """Pin the settings; a sentence for each that this process had changed."""
    sentences = []
    for name, value in _PINNED.items():
        there = jax.config.values.get(name, value)
        before = there.value if isinstance(there, Enum) else there
        if name in jax.config.values and before != value:
            jax.config.update(name, type(there)(value) if isinstance(there, Enum) else value)
            if before not in (None, "default"):
                sentences.append(f"{name} was {before} and is {value} from now on, since merjax trains with that")
    return sentences


@contextmanager
def programs_not_kept() -> Iterator[None]:
    """Keep no compiled programs on disk meanwhile: those for a device that is not here are written and can't be read back."""
    before = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # JAX looks only once whether it is to keep any
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


_TRIED = ((0, 10), (0, 11))  # from and below: the versions of jax in which both options were seen to have these effects


def compiler_options(platform: str = "") -> dict[str, Any]:
    """Options for `jax.jit(f, compiler_options=...)` and `lowered.compile(compiler_options=...)`; none off CPU.

    Args:
        platform: what is compiled for; "" means what this process trains on.

    They change how fast XLA:CPU is, never what it computes. Versions of jax that were not tried get none of them.

    - `merjax.nn` separates its products from the element-wise work around them with `lax.optimization_barrier`. XLA:CPU
      drops the barriers early unless the pass `cse_barrier_expander` (an internal name) is off, and then fuses work into
      loops that make a training step half slower.
    - LLVM's level 1 compiles these programs in half the time of its default 2, and they run equally fast: they spend their
      time in matrix products that are already compiled.
    """
    version = tuple(int(part) for part in jax.__version__.split(".")[:2])
    if (platform or jax.default_backend()) != "cpu" or not _TRIED[0] <= version < _TRIED[1]:
        return {}
    return {"xla_disable_hlo_passes": "cse_barrier_expander", "xla_backend_optimization_level": 1}


def quick_options(platform: str) -> dict[str, Any]:
    """What to add for programs that would take too long to compile; none for a GPU.

    LLVM spends 14 s on optimising a random initialisation, which runs once, for milliseconds. A TPU's compiler at its usual
    effort needs 20 s of CPU for each convolution with its gradients, at its least 2 to 8 s, and then keeps less in the chip's
    scratch memory.
    """
    quick: dict[str, dict[str, Any]] = {
        "cpu": {"xla_backend_optimization_level": 0},
        "tpu": {"exec_time_optimization_effort": -1.0},
    }
    return quick.get(platform, {})
