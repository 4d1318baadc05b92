"""Four CPU devices for the whole session, so that tests can lay runs over one, two or four of them; one compilation cache;
and the markers by which tests are chosen, given by directory and fixture so that no test file repeats them."""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.once import made_once
from support.places import SHARED
from support.quickly import compile_quickly
from support.undrawn import draw_nothing
from xdist import is_xdist_controller

TESTS = Path(__file__).resolve().parent
MANY_MAPS = 30_000

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

if "PYTEST_XDIST_WORKER" not in os.environ:  # the workers, and all processes of tests, share what one has compiled
    os.environ["MERJAX_CACHE"] = tempfile.mkdtemp(prefix="merjax-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["MERJAX_CACHE"] + "/programs"
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
    atexit.register(shutil.rmtree, os.environ["MERJAX_CACHE"], ignore_errors=True)

# Where tests belong that train networks, or compile them; all others are fast. A longer path wins over a shorter one.
_MARKERS = {
    "cli": "trains",
    "cli/test_scores.py": "",
    "engine": "compiles",
    "methods": "compiles",
    "methods/spotting": "",
    "models": "trains",
    "nn": "compiles",
    "nn/layers/test_losses.py": "",
    "stores": "",
    "sweeps/running": "trains",
    "synthesis": "",
    "test_docs.py": "trains",
    "test_examples.py": "trains",
    "test_notebooks.py": "trains",
    "test_wheel.py": "trains",
    "training/test_selection.py": "trains",
}
_FIXTURES = dict.fromkeys(
    ("small_release", "small_others", "small_store", "shared"), "compiles"
)  # clips are made, or stores

# files that take longest, longest first: they start first, so that no core waits for them in the end
_LONGEST_FIRST = (
    "test_acceptance_sweep.py",
    "test_resume.py",
    "test_notebooks.py",
    "test_shared_stages.py",
    "test_small_sweep.py",
    "test_model.py",
    "test_selection.py",
    "test_examples.py",
    "test_engine.py",
    "test_search.py",
    "test_run.py",
    "test_slurm.py",
    "test_shards.py",
    "test_recurrent.py",
)


@pytest.hookimpl(tryfirst=True)  # before files of tests are imported
def pytest_collection(session: pytest.Session) -> None:
    """Compile quickly what runs for moments; the long tests compile as users do."""
    if not is_xdist_controller(session) and "not long" in session.config.option.markexpr:
        compile_quickly()


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in {marker_of(item.path), *(_FIXTURES.get(name, "") for name in item.fixturenames)} - {""}:
            item.add_marker(name)
    rank = {name: number for number, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def marker_of(path: Path) -> str:
    own = path.relative_to(TESTS)
    return next((_MARKERS[p.as_posix()] for p in (own, *own.parents) if p.as_posix() in _MARKERS), "")


def pytest_collection_finish() -> None:
    """What stays to the end, of three thousand tests and all imported modules, is not looked through for garbage each time,
    and the rest more rarely: tracing makes many objects, most of which are free at once."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def memory_maps() -> int:
    """The number of this process's memory maps; where the system does not say, more than enough to free them."""
    maps = Path("/proc/self/maps")
    return maps.read_bytes().count(b"\n") if maps.is_file() else MANY_MAPS + 1


@pytest.fixture(scope="module", autouse=True)
def forget_programs() -> Iterator[None]:
    """Free compiled programs when there are many: each holds memory maps, and a process dies when it has more than 65,530 of
    them. Before that, files share what they have in common, such as single operations of JAX."""
    yield
    if "jax" in sys.modules and memory_maps() > MANY_MAPS:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material that is never part of the project; tests that use it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("../shared with real photographs and sheets is not here")
    return SHARED


@pytest.fixture(scope="session")
def small_release(tmp_path_factory, worker_id) -> Path:
    """A synthesised release in CASME II's layout: three invented subjects with three clips each."""
    from merjax.synthesis import synthesize_release

    def make(folder: Path) -> None:
        synthesize_release(folder, invent=3, clips_per_subject=3, seed=1)

    return made_once(tmp_path_factory, worker_id, "small_release", make)


@pytest.fixture(scope="session")
def small_others(tmp_path_factory, worker_id) -> Path:
    """Synthesised releases in the layouts of SAMM and SMIC, in `samm` and `smic`: two invented subjects with a clip each."""
    from merjax.synthesis import synthesize_release

    def make(folder: Path) -> None:
        for layout in ("samm", "smic"):
            synthesize_release(folder / layout, layout=layout, invent=2, clips_per_subject=1)

    return made_once(tmp_path_factory, worker_id, "small_others", make)


@pytest.fixture(scope="session")
def small_store(small_release, tmp_path_factory, worker_id) -> Path:
    """The clip store of `small_release`."""
    from merjax.datasets import read_casme2
    from merjax.stores.preparation import prepare_store

    def make(folder: Path) -> None:
        prepare_store([read_casme2(small_release)], folder)

    return made_once(tmp_path_factory, worker_id, "small_store", make)


@pytest.fixture
def prepared_here(monkeypatch) -> None:
    """Stores are prepared in this process: a worker process needs seconds to start, more than a few short clips take."""
    from merjax.stores import workers

    monkeypatch.setattr(workers, "spread", lambda work, tasks, processes: map(work, tasks))


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Reports whose figures are composed as ever but drawn as empty pictures, for tests of words and tables."""
    draw_nothing(monkeypatch)
