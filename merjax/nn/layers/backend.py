"""The kind of device that a program is traced for, by which layers choose their form: that of this machine, or a named one."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax

_PLATFORM: ContextVar[str | None] = ContextVar("platform", default=None)


@contextmanager
def traced_for(platform: str) -> Iterator[None]:
    """Layers that are traced inside take the form for this platform ("cpu", "gpu" or "tpu"), whatever devices are here."""
    token = _PLATFORM.set(platform)
    try:
        yield
    finally:
        _PLATFORM.reset(token)


def on_cpu() -> bool:
    """Whether layers are traced for a CPU."""
    return _platform() == "cpu"


def on_gpu() -> bool:
    """Whether layers are traced for a GPU."""
    return _platform() == "gpu"


def _platform() -> str:
    return _PLATFORM.get() or jax.default_backend()
