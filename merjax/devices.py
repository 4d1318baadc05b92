"""What merjax sets on JAX in every process that trains."""

import os
from pathlib import Path

import jax


def prepare_backend() -> None:
    """Keep compiled programs on disk (in $MERJAX_CACHE, else the user's cache folder), so that each is compiled once."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("MERJAX_CACHE") or Path(home) / "merjax") / "programs"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
