"""What merjax asks of XLA."""

import jax

_TRIED = ((0, 10), (0, 11))  # jax versions, from and below, with which the pass was seen to exist under this name


def compiler_options() -> dict[str, str]:
    """Options for `jax.jit(f, compiler_options=...)` and `lowered.compile(compiler_options=...)`.

    `merjax.nn` separates its products from the element-wise work around them with `lax.optimization_barrier`. XLA:CPU
    drops the barriers early unless this pass is switched off, and then fuses work into loops that run up to half
    slower; results do not change. The pass has an internal name, so unknown versions of jax get no options.
    """
    version = tuple(int(part) for part in jax.__version__.split(".")[:2])
    known = _TRIED[0] <= version < _TRIED[1]
    return {"xla_disable_hlo_passes": "cse_barrier_expander"} if known and jax.default_backend() == "cpu" else {}
