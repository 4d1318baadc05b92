"""merjax: micro-expression recognition from local facial regions, trained as array programs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merjax.sweeping import SweepResult, run_sweep

__version__ = "0.1.0"
__all__ = ["SweepResult", "__version__", "run_sweep"]


def __getattr__(name: str) -> Any:
    if name in (
        "SweepResult",
        "run_sweep",
    ):  # not before they are asked for: a worker pins its core before JAX comes in
        from merjax import sweeping

        return getattr(sweeping, name)
    raise AttributeError(f"module 'merjax' has no attribute '{name}'")
