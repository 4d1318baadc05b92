"""The settings of JAX in every process that trains."""

import jax

from merjax.system.files import cache_folder


def prepare_backend() -> None:
    """Keep compiled programs on disk, so that each is compiled once."""
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    # float32 products mean float32: some accelerators would round their factors to ten bits of mantissa
    jax.config.update("jax_default_matmul_precision", "highest")


_TRIED = ((0, 10), (0, 11))  # from and below: the versions of jax in which both options were seen to have these effects


def compiler_options() -> dict[str, str | int]:
    """Options for `jax.jit(f, compiler_options=...)` and `lowered.compile(compiler_options=...)`; none off CPU.

    They change how fast XLA:CPU is, never what it computes. Versions of jax that were not tried get none of them.

    - `merjax.nn` separates its products from the element-wise work around them with `lax.optimization_barrier`. XLA:CPU
      drops the barriers early unless the pass `cse_barrier_expander` (an internal name) is off, and then fuses work into
      loops that make a training step half slower.
    - LLVM's level 1 compiles these programs in half the time of its default 2, and they run equally fast: they spend their
      time in matrix products that are already compiled.
    """
    version = tuple(int(part) for part in jax.__version__.split(".")[:2])
    if jax.default_backend() != "cpu" or not _TRIED[0] <= version < _TRIED[1]:
        return {}
    return {"xla_disable_hlo_passes": "cse_barrier_expander", "xla_backend_optimization_level": 1}
