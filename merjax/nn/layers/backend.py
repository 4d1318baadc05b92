"""What programs are traced for, by which layers choose their form: the devices that are here, or those that someone names."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax

_PLATFORM: ContextVar[str | None] = ContextVar("platform", default=None)


@contextmanager
def traced_for(platform: str) -> Iterator[None]:
    """Layers that are traced inside take the form for this platform ("cpu", "gpu" or "tpu"), also if it is not here."""
    token = _PLATFORM.set(platform)
    try:
        yield
    finally:
        _PLATFORM.reset(token)


def on_cpu() -> bool:
    """Whether layers are traced for a CPU."""
    return (_PLATFORM.get() or jax.default_backend()) == "cpu"
