"""The public names from Python: every name is there, typed, described, and imported only when it is used."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from support.places import CHECKOUT

import merjax

TYPES = {
    "Analysis",
    "Config",
    "FinalModel",
    "MerjaxError",
    "Model",
    "MotionStore",
    "Release",
    "Store",
    "SweepResult",
    "TrainingData",
}
FUNCTIONS = {
    *("read_casme1", "read_casme2", "read_dfme", "read_mmew", "read_own", "read_samm", "read_smic"),
    "analyse",
    *("prepare_store", "open_store", "load_data", "synthesize_release"),
    *("read_casme3", "read_casme_squared", "read_samm_long"),
    *("long_videos", "read_own_videos", "prepare_motion_store", "open_motion_store"),
    *("run_sweep", "open_sweep", "make_report", "rescore", "rescore_intervals", "load_model", "load_final_model"),
}
BY_PLACE = {
    "analyse": 2,
    "prepare_store": 2,
    "prepare_motion_store": 2,
    "read_own_videos": 2,
    "make_report": 2,
}  # parameters without a keyword, where there is more than one


def test_these_are_the_public_names_and_all_of_them_are_there():
    assert set(dir(merjax)) == set(merjax.__all__) == TYPES | FUNCTIONS | {"insight", "__version__"}
    for name in merjax.__all__:
        assert getattr(merjax, name) is not None
    assert inspect.ismodule(merjax.insight)
    assert all(inspect.isclass(getattr(merjax, name)) for name in TYPES)
    assert all(inspect.isfunction(getattr(merjax, name)) for name in FUNCTIONS)


def test_another_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="module 'merjax' has no attribute 'read_casme4'"):
        _ = merjax.read_casme4


def test_a_type_checker_sees_each_name_at_the_place_where_it_is_found():
    """`TYPE_CHECKING` imports are what an editor reads, the table is what Python reads."""
    tree = ast.parse(Path(merjax.__file__).read_text())
    block, _ = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: f"{node.module}.{alias.name}" if alias.name == "insight" else node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == merjax._PLACES
    for name, place in seen.items():
        thing = getattr(merjax, name)
        assert (thing.__name__ if inspect.ismodule(thing) else thing.__module__) == place


def test_importing_merjax_loads_nothing_but_the_version():
    """A worker pins its core before JAX is imported, and `merjax --version` answers at once."""
    line = (
        "import json, sys; before = {*sys.modules}; import merjax; dir(merjax); merjax.__version__;"
        "print(json.dumps(sorted({*sys.modules} - before)))"
    )
    done = subprocess.run([sys.executable, "-c", line], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert [name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names] == [
        *("merjax", "merjax.system", "merjax.system.versions"),
    ]


@pytest.mark.parametrize("name", ["read_casme2", "MerjaxError", "Config"])
def test_reading_releases_needs_no_jax(name):
    line = f"import sys, merjax; merjax.{name}; assert not {{'jax', 'flax', 'cv2'}} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", line], cwd=CHECKOUT, check=True)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_says_what_it_takes_raises_and_how_it_is_called(name):
    function = getattr(merjax, name)
    text = inspect.getdoc(function) or ""
    for part in (">>> ", f"merjax.{name}(", "Args:", "Returns:", "Raises:", "MerjaxError:"):
        assert part in text, f"{name} says nothing of {part}"
    for parameter in inspect.signature(function).parameters:
        assert parameter in text.split("Args:")[1], f"{name} does not explain {parameter}"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_typed_takes_paths_as_text_and_all_but_the_first_by_keyword(name):
    function = getattr(merjax, name)
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters
    assert hints.keys() == {*parameters, "return"}
    by_place = [p for p in parameters.values() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert len(by_place) == BY_PLACE.get(name, 1)
    for parameter, hint in hints.items():
        if parameter != "return" and "Path" in str(hint):
            assert "str" in str(hint), f"{name}: {parameter} takes a Path and no text"


@pytest.mark.parametrize("name", sorted(TYPES - {"MerjaxError"}))
def test_every_type_describes_its_fields(name):
    text = inspect.getdoc(getattr(merjax, name)) or ""
    assert len(text) > 60
    assert "Attributes:" in text or name == "Config"  # config.py explains each setting beside it


def test_the_package_says_that_it_is_typed():
    assert (CHECKOUT / "merjax" / "py.typed").is_file()
