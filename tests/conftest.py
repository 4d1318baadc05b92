"""Four CPU devices for the whole session, so that tests can lay runs over one, two or four of them; one compilation cache."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.places import SHARED

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

if "PYTEST_XDIST_WORKER" not in os.environ:  # the workers, and whatever tests start, share what one has compiled
    os.environ["MERJAX_CACHE"] = tempfile.mkdtemp(prefix="merjax-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["MERJAX_CACHE"] + "/programs"
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
    atexit.register(shutil.rmtree, os.environ["MERJAX_CACHE"], ignore_errors=True)

# minutes, not seconds: begun first, so that no core waits for them in the end
_LONG = (
    "test_resume.py",
    "test_notebooks.py",
    "test_sweep.py",
    "test_sweeping.py",
    "test_slurm.py",
    "test_shards.py",
    "test_search.py",
    "test_models.py",
    "test_spatial.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(_LONG)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="module", autouse=True)
def forget_programs() -> Iterator[None]:
    """Let go of a file's compiled programs: each holds memory maps, of which a process has 65,530, and then it dies."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material that is never part of the project; tests that use it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("../shared with real photographs and sheets is not here")
    return SHARED


@pytest.fixture(scope="session")
def small_release(tmp_path_factory) -> Path:
    """A synthesised release in CASME II's layout: three invented subjects with three clips each."""
    from merjax.synthesis import synthesize_release

    out = tmp_path_factory.mktemp("synthesis") / "release"
    return synthesize_release(out, invent=3, clips_per_subject=3, seed=1)


@pytest.fixture(scope="session")
def small_store(small_release, tmp_path_factory) -> Path:
    """The clip store of `small_release`."""
    from merjax.datasets import read_casme2
    from merjax.stores.preparation import prepare_store

    return prepare_store([read_casme2(small_release)], tmp_path_factory.mktemp("preparation") / "store").path
