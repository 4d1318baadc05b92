"""merjax: micro-expression recognition from local facial regions, trained as array programs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from merjax.system.versions import __version__

if TYPE_CHECKING:
    from merjax.models.model import Model, load_model
    from merjax.sweeps.result import SweepResult
    from merjax.sweeps.running.run import run_sweep

__all__ = ["Model", "SweepResult", "__version__", "load_model", "run_sweep"]

_HOMES = {
    "Model": "models.model",
    "load_model": "models.model",
    "SweepResult": "sweeps.result",
    "run_sweep": "sweeps.running.run",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # not before they are asked for: a worker pins its core before JAX comes in
        return getattr(import_module(f"merjax.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'merjax' has no attribute '{name}'")
