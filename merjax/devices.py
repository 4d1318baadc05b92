"""What merjax sets on JAX in every process that trains."""

import os
from pathlib import Path

import jax


def cache_folder() -> Path:
    """What merjax remembers between sweeps: $MERJAX_CACHE, else `merjax` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("MERJAX_CACHE") or Path(home) / "merjax")


def prepare_backend() -> None:
    """Keep compiled programs on disk, so that each is compiled once."""
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    # float32 products mean float32: some accelerators would round their factors to ten bits of mantissa
    jax.config.update("jax_default_matmul_precision", "highest")
