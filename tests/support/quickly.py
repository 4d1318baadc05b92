"""Programs that are compiled in a fraction of the time and run slower, for tests that compile much and compute little."""

LEVEL = "xla_backend_optimization_level"


def compile_quickly() -> None:
    """From now on this process compiles without LLVM's optimisations, those that `compiler_options` asks for too.

    XLA's own passes stay, and with them what is computed in which order; only the machine's code is plainer. Call it before
    modules are imported that take `compiler_options` by name.
    """
    import jax

    from merjax.system import jax_setup

    users = jax_setup.compiler_options
    jax_setup.compiler_options = lambda platform="": {k: v for k, v in users(platform).items() if k != LEVEL}
    jax_setup._PINNED["jax_disable_most_optimizations"] = True
    jax.config.update("jax_disable_most_optimizations", True)
