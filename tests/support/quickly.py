"""Programs that are compiled in a fraction of the time and run slower, for tests that compile much and compute little."""

import os
import sys

LEVEL = "xla_backend_optimization_level"
_FLAGS = f"--{LEVEL}=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"


def compile_quickly() -> None:
    """From now on this process compiles without LLVM's optimisations, and fused loops by XLA's older, plainer emitters.

    XLA's own passes stay, and with them what is computed in which order; only the machine's code is plainer. Call it before JAX
    looks for devices. Versions of JAX that `compiler_options` does not know may not know these flags: they compile as ever.
    """
    from jax._src.compiler import get_compile_options

    from merjax.system import jax_setup

    users = jax_setup.compiler_options
    if not users("cpu"):
        return

    def plainer(platform: str = "") -> dict[str, str | int]:
        return {name: value for name, value in users(platform).items() if name != LEVEL}

    for module in [*sys.modules.values()]:
        if getattr(module, "compiler_options", None) is users:
            module.compiler_options = plainer
    before = os.environ.get("XLA_FLAGS")
    os.environ["XLA_FLAGS"] = f"{before or ''} {_FLAGS}"
    get_compile_options(1, 1)  # XLA reads the variable once, when it first needs one of its flags
    if before is None:
        del os.environ["XLA_FLAGS"]
    else:
        os.environ["XLA_FLAGS"] = before
