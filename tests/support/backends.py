"""Programs of accelerators, built and run on a CPU."""

import jax
import pytest
from jax.extend.core import jaxprs_in_params


def as_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let merjax trace the programs that it has for a GPU from now on."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


def equations(jaxpr):
    """All operations of a traced program, those of inner programs too."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from equations(inner)
