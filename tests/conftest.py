"""Four CPU devices for the whole session, so that tests can lay runs over one, two or four of them."""

import os
from pathlib import Path

import pytest

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material that is never part of the project; tests that use it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("../shared with real photographs and sheets is not here")
    return SHARED
