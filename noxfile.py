"""The short tests on the oldest and the newest supported Python, with the newest dependencies that each resolves and with the
lower bounds of pyproject.toml: `nox`, or one of them: `nox -s "lowest-3.11"`. More words go to pytest: `nox -- tests/nn`.

Every session makes an environment of its own below .nox/ and takes some minutes, most of them to install it.
"""

import nox

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True

PYTHONS = ("3.11", "3.13")
FAST = ("-m", "not compiles and not trains and not long")
# tests that a new version of jax, flax, optax, orbax or grain breaks first: compiled layers, and a sweep from plan to scores
TRAINED = (
    "tests/nn/layers",
    "tests/engine",
    "tests/sweeps/running/test_shared_stages.py",
    "tests/training/test_selection.py",
)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """With the newest dependencies."""
    session.install("-e", ".[dev]")
    test(session)


@nox.session(python=PYTHONS)
def lowest(session: nox.Session) -> None:
    """With the lower bounds of pyproject.toml."""
    session.install("--resolution", "lowest-direct", "-e", ".[dev]")
    # indirect dependencies are the newest ones; an old matplotlib uses names of them that have changed
    test(session, "-W", "ignore::DeprecationWarning")


def test(session: nox.Session, *options: str) -> None:
    for chosen in [session.posargs] if session.posargs else [FAST, TRAINED]:
        session.run("pytest", *options, *chosen)
