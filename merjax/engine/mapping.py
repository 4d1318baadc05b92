"""How the axis of runs is spread over devices, and how the runs of one device share it."""

from collections.abc import Callable
from typing import Any, Literal

import jax

Mapping = Literal["vmap", "map"]


def default_mapping(backend: str) -> Mapping:
    """Runs side by side where one run's kernels leave a device idle; one after another on a CPU, where they do not."""
    return "map" if backend == "cpu" else "vmap"


def over_runs(f: Callable, mapping: Mapping, per_run: int, runs_per_pass: int = 1) -> Callable:
    """Let `f` of one run take a leading axis of runs in its first `per_run` arguments; the others are shared.

    With "map", runs go one after another, `runs_per_pass` of them at a time.
    """
    if mapping == "vmap":
        return lambda *args: jax.vmap(f, (0,) * per_run + (None,) * (len(args) - per_run))(*args)
    return lambda *args: jax.lax.map(
        lambda own: f(*own, *args[per_run:]), args[:per_run], batch_size=runs_per_pass if runs_per_pass > 1 else None
    )


def split(tree: Any, devices: int) -> Any:
    """Runs `[P, ...]` to `[devices, P / devices, ...]`. P must be a multiple of the device count."""
    return jax.tree.map(lambda x: x.reshape(devices, x.shape[0] // devices, *x.shape[1:]), tree)


def join(tree: Any) -> Any:
    """The inverse of `split`."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)
