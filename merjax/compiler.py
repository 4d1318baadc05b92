"""What merjax asks of XLA."""

import jax

_TRIED = ((0, 10), (0, 11))  # from and below: versions of jax in which both options were seen to do what is said here


def compiler_options() -> dict[str, str | int]:
    """Options for `jax.jit(f, compiler_options=...)` and `lowered.compile(compiler_options=...)`; none off CPU.

    They change how fast XLA:CPU is, never what it computes, and unknown versions of jax get none:

    - `merjax.nn` separates its products from the element-wise work around them with `lax.optimization_barrier`. XLA:CPU
      drops the barriers early unless the pass `cse_barrier_expander` (an internal name) is off, and then fuses work into
      loops that make a training step half slower.
    - LLVM's level 1 compiles these programs in half the time of its default 2, and they run equally fast: their time is
      spent in matrix products that come compiled.
    """
    version = tuple(int(part) for part in jax.__version__.split(".")[:2])
    if jax.default_backend() != "cpu" or not _TRIED[0] <= version < _TRIED[1]:
        return {}
    return {"xla_disable_hlo_passes": "cse_barrier_expander", "xla_backend_optimization_level": 1}
