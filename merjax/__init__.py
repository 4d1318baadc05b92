"""merjax: micro-expression recognition from local facial regions, trained as array programs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merjax.models import Model, load_model
    from merjax.sweeping import SweepResult, run_sweep

__version__ = "0.1.0"
__all__ = ["Model", "SweepResult", "__version__", "load_model", "run_sweep"]

_HOMES = {"Model": "models", "load_model": "models", "SweepResult": "sweeping", "run_sweep": "sweeping"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # not before they are asked for: a worker pins its core before JAX comes in
        return getattr(import_module(f"merjax.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'merjax' has no attribute '{name}'")
