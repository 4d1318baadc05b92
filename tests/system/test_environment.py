"""The environment: what merjax reads of it, and that nothing in it changes a result."""

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.commands import checkout_environment
from support.places import CHECKOUT

from merjax.sweeps.running.shards import Shard, array_shard, is_connected, waiting_sentence
from merjax.system import environment
from merjax.system.environment import cache_place, put_aside, text, whole, without_host_devices
from merjax.system.errors import MerjaxError

ODD = {  # what other projects leave behind, and what would stop JAX
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_DTYPE_BITS": "64",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_RANDOM_SEED_OFFSET": "7",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_ENABLE_CUSTOM_PRNG": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_DISABLE_JIT": "1",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_TRANSFER_GUARD": "disallow",
    "JAX_CHECK_TRACER_LEAKS": "maybe",
    "JAX_NO_TRACING": "1",
    "JAX_LEGACY_PRNG_KEY": "error",
    "JAX_LOG_COMPILES": "",
    "JAX_TRACEBACK_FILTERING": "sometimes",
    "JAX_OF_A_LATER_VERSION": "1",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true --xla_no_such_flag=1 --xla_force_host_platform_device_count=x",
}
_PROGRAM = """\
import json, sys
import merjax
merjax.run_sweep  # loads JAX
import jax
import jax.numpy as jnp
from merjax.system.jax_setup import prepare_backend
prepare_backend()
key = jax.random.PRNGKey(3)
x = jax.random.normal(key, (7, 5))
def step(w):
    out = jnp.tanh(x @ w) + jnp.arange(3) / (x.sum() * 0 + 3) + jnp.zeros((1, 3))
    return w - 0.1 * jax.grad(lambda w: jnp.log1p(jnp.exp(x @ w)).sum())(w) + out.mean()
w = jax.jit(jax.vmap(step))(jax.random.uniform(key, (2, 5, 3)))
nan = jnp.array(0.0) / 0
print(json.dumps([str(w.dtype), w.tolist(), str(jnp.arange(2).dtype), bool(jnp.isnan(nan))]))
"""
_CONFIG = "print(sorted((name, str(value)) for name, value in jax.config.values.items()))\n"


def _ran(folder: Path, extra: dict[str, str], program: str = _PROGRAM) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in checkout_environment().items() if not k.startswith("JAX_") or k == "JAX_PLATFORMS"}
    line = [sys.executable, "-c", program]
    return subprocess.run(line, cwd=folder, env=clean | extra, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> subprocess.CompletedProcess:
    """Results, and the settings of JAX with which they were computed, a line each, where no variable is set."""
    return _ran(tmp_path_factory.mktemp("plain"), {}, _PROGRAM + _CONFIG)


@pytest.mark.long
def test_results_are_the_same_under_any_environment_and_each_variable_is_named(plain, tmp_path):
    odd = _ran(tmp_path, ODD)
    (results, _) = plain.stdout.splitlines()
    assert odd.stdout.splitlines() == [results]
    assert json.loads(results)[0] == "float32"
    assert plain.stderr == ""
    notes = odd.stderr.splitlines()
    assert all(re.fullmatch(r"note: \S.* is not used: .*", note) for note in notes)
    for name, value in ODD.items():
        for part in value.split():
            assert sum(f"{name}={part}" in note or f"{name}: {part}" in note for note in notes) == 1
    assert len(notes) == sum(len(value.split()) for value in ODD.values())


@pytest.mark.long
def test_variables_that_jax_has_read_before_are_not_said_to_be_unused_and_what_changes_results_is_set_back(
    plain, tmp_path
):
    program = (
        "import jax, merjax; merjax.run_sweep\nfrom merjax.system.jax_setup import prepare_backend; prepare_backend()\n"
    )
    odd = {
        "JAX_ENABLE_X64": "1",
        "JAX_ALLOW_F16_REDUCTIONS": "0",
        "JAX_OPTIMIZATION_LEVEL": "O1",
        "JAX_EXEC_TIME_OPTIMIZATION_EFFORT": "0.5",
    }
    late = _ran(tmp_path, odd, program + _CONFIG)
    assert late.stdout.splitlines() == plain.stdout.splitlines()[1:]
    assert "is not used" not in late.stderr
    for name, value in odd.items():
        assert f"{name}={value} may have had effect before merjax was loaded" in late.stderr


def test_every_numeric_setting_of_the_installed_jax_is_pinned():
    import jax

    from merjax.system.jax_setup import _PINNED

    numeric = {name for name in jax.config.values if re.fullmatch(environment._NUMERIC, name.upper())}
    assert numeric <= _PINNED.keys()
    assert {name: jax.config.values[name] for name in numeric} == {name: _PINNED[name] for name in numeric} | {
        "jax_explicit_x64_dtypes": jax.config.values["jax_explicit_x64_dtypes"],
        "jax_default_matmul_precision": jax.config.values["jax_default_matmul_precision"],
    }


def test_only_names_that_are_said_to_load_jax_do(tmp_path):
    program = (
        "import sys, merjax\nfor name in merjax.__all__:\n  if name not in merjax._WITH_JAX: getattr(merjax, name)\n"
    )
    assert _ran(tmp_path, {}, program + "print('jax' in sys.modules)").stdout == "False\n"


def test_a_variable_that_says_where_programs_are_kept_wins(tmp_path):
    program = "from merjax.system.jax_setup import prepare_backend; prepare_backend(); import jax\n"
    program += "print(jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs)"
    own = {"MERJAX_CACHE": str(tmp_path / "own")}
    assert _ran(tmp_path, own, program).stdout == f"{tmp_path / 'own' / 'programs'} 0.5\n"
    mine = own | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "2"}
    assert _ran(tmp_path, mine, program).stdout == f"{tmp_path} 2.0\n"


def test_every_setting_of_the_installed_jax_is_put_aside_or_one_that_cannot_change_results():
    import jax

    harmless = re.compile(
        r"JAX_(PLATFORMS|PLATFORM_NAME|\w+_VISIBLE_DEVICES|NUM_CPU_DEVICES|\w*COMPILATION_CACHE\w*|PERSISTENT_CACHE\w+"
        r"|LOGGING_LEVEL|LOG_COMPILES|DEBUG_LOG_MODULES|EXPLAIN_CACHE_MISSES|DISTRIBUTED_DEBUG|TRACEBACK_FILTERING)"
    )
    names = [name.upper() for name in jax.config.values if name.startswith("jax")]
    assert len(names) > 50
    for name in names:
        there = {name: "1"}
        put_aside(there)
        assert not there or harmless.fullmatch(name), name


def test_settings_that_the_callers_process_has_changed_are_pinned_and_named():
    code = (
        "import jax; jax.config.update('jax_enable_x64', True); jax.config.update('jax_debug_nans', True);"
        "mode = type(jax.config.values['jax_explicit_x64_dtypes']);"
        "jax.config.update('jax_explicit_x64_dtypes', next(m for m in mode if m.value != 1));"
        "from merjax.system.jax_setup import prepare_backend; prepare_backend();"
        "print(jax.config.jax_enable_x64, jax.config.jax_debug_nans, jax.config.values['jax_explicit_x64_dtypes'].value)"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, env=checkout_environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "False False 1\n"
    assert "jax_enable_x64 was True and is False from now on" in done.stderr


def test_a_platform_that_is_not_here_is_named_in_one_sentence(monkeypatch):
    import jax

    from merjax.system.jax_setup import prepare_backend

    monkeypatch.setattr(jax, "local_devices", lambda: (_ for _ in ()).throw(RuntimeError("no such\nbackend")))
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(
        MerjaxError, match=r"^JAX finds no device to train on with JAX_PLATFORMS=cuda \(no such\); unset"
    ):
        prepare_backend()


def test_no_other_module_reads_the_environment():
    for path in (CHECKOUT / "merjax").rglob("*.py"):
        if path.name != "environment.py":
            for node in ast.walk(ast.parse(path.read_text())):
                assert not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")), path


def test_harmless_variables_stay_and_empty_ones_count_as_unset():
    kept = {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "2",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_dump_to=/tmp/x",
        "CUDA_VISIBLE_DEVICES": "",
        "PATH": "/bin",
    }
    there = kept | {"SLURM_STEP_NUM_TASKS": " ", "OMPI_COMM_WORLD_SIZE": "", "JAX_PROCESS_ID": "", "HOME": ""}
    assert put_aside(there) == []
    assert there == kept
    assert not is_connected({"SLURM_STEP_NUM_TASKS": "", "OMPI_COMM_WORLD_SIZE": " ", "TPU_WORKER_HOSTNAMES": ""})
    assert array_shard({"SLURM_ARRAY_TASK_ID": "", "SLURM_ARRAY_TASK_COUNT": ""}) == Shard(1, 1)


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "٣", "1_0", "99999999999", "0"])
def test_what_is_no_number_in_range_is_refused_by_name(value):
    with pytest.raises(MerjaxError, match=r"SLURM_STEP_NUM_TASKS=.* is not a whole number of at least 1"):
        whole("SLURM_STEP_NUM_TASKS", 1, least=1, environment={"SLURM_STEP_NUM_TASKS": value})


def test_workers_with_a_core_each_get_one_device_each():
    several = {
        "XLA_FLAGS": "--xla_dump_to=d --xla_force_host_platform_device_count=4",
        "JAX_NUM_CPU_DEVICES": "2",
        "A": "b",
    }
    kept, sentence = without_host_devices(several)
    assert kept == {"XLA_FLAGS": "--xla_dump_to=d", "A": "b"}
    assert "device_count=4 and JAX_NUM_CPU_DEVICES=2 is not used by the worker processes" in sentence
    assert without_host_devices({"A": "b"}) == ({"A": "b"}, "")


def test_the_cache_is_where_it_is_named_even_without_a_home_and_else_among_temporary_files(monkeypatch, tmp_path):
    for name in ("HOME", "XDG_CACHE_HOME", "MERJAX_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "home", lambda: None)
    place, sentence = cache_place()
    assert place.name.startswith("merjax-")
    assert "there is no home folder, so compiled programs are kept in" in sentence
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_place() == (tmp_path / "merjax", "")
    monkeypatch.setenv("MERJAX_CACHE", str(tmp_path / "own"))
    assert cache_place() == (tmp_path / "own", "")


def test_a_cache_folder_that_cannot_be_written_in_a_home_that_can_is_not_taken(monkeypatch, tmp_path):
    for name in ("XDG_CACHE_HOME", "MERJAX_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_place() == (tmp_path / ".cache" / "merjax", "")
    (tmp_path / ".cache").touch()
    place, sentence = cache_place()
    assert place.name.startswith("merjax-")
    assert f"nothing can be written to {tmp_path / '.cache' / 'merjax'}" in sentence


@pytest.mark.parametrize("user", [{}, {"HOME": "/nonexistent/x"}])
def test_a_user_without_an_entry_has_no_home(monkeypatch, user):
    import pwd

    def unknown(number):
        raise KeyError(number)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert environment.home() is None


def test_arrays_that_leave_numbers_out_are_refused_and_others_are_shards():
    failed = {"SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "12"}
    for task in ("3", "7", "12"):
        with pytest.raises(MerjaxError, match="leaves numbers out"):
            array_shard(failed | {"SLURM_ARRAY_TASK_ID": task})
    again = {"SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "5"}
    assert [array_shard(again | {"SLURM_ARRAY_TASK_ID": str(task)}) for task in (3, 4, 5)] == [
        Shard(n, 3) for n in (1, 2, 3)
    ]


def test_a_waiting_process_says_for_whom_and_how_long():
    slurm = {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "node[1-4]"}
    sentence = waiting_sentence(slurm)
    assert sentence.startswith(
        "this is process 2 of 4 on node[1-4]; it waits for the others (1, 3, 4), at most 5 minutes"
    )
    assert "(a,b), at most 5 minutes" in waiting_sentence({"TPU_WORKER_HOSTNAMES": "a,b"})


_NAMES = st.sampled_from(
    [*ODD, *environment._KEPT, "HOME", "MERJAX_CACHE", "PATH", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE", "CHECK_VMA"]
    + [f"SLURM_ARRAY_TASK_{name}" for name in ("ID", "COUNT", "MIN", "MAX", "STEP")]
    + ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"]
    + ["TPU_WORKER_HOSTNAMES"]
) | st.from_regex(r"JAX_[A-Z0-9_]{1,12}", fullmatch=True)
_FLAGS = st.lists(
    st.sampled_from(["--xla_force_host_platform_device_count=", "--xla_dump_to=", "--xla_x", "xla", "--", "a=b", "=1"])
    | st.from_regex(r"--xla_force_host_platform_device_count=\S{0,3}", fullmatch=True)
).map(" ".join)
_VALUES = (
    st.integers(-2, 40).map(str)
    | st.sampled_from(["", " ", "true", "maybe", "cpu", "cuda,cpu", "0,1", "all", "1e3", "~/x", "~"])
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)
    | _FLAGS
)


@pytest.mark.long
@settings(max_examples=2500, deadline=None)
@given(st.dictionaries(_NAMES, _VALUES, max_size=12))
def test_any_environment_is_read_or_refused_in_one_sentence(there):
    before = dict(there)
    sentences = put_aside(there)
    assert there.items() <= before.items() | {("XLA_FLAGS", there.get("XLA_FLAGS"))}
    assert put_aside(dict(there)) == []  # nothing is left to put aside
    for name, value in there.items():
        if name.startswith("JAX_"):
            assert name in environment._KEPT
            assert value.strip()
    if "XLA_FLAGS" in there:
        assert set(there["XLA_FLAGS"].split()) <= set(before["XLA_FLAGS"].split())
    for name in before.keys() - there.keys():
        assert not before[name].strip() or any(name in sentence for sentence in sentences)
    kept, _ = without_host_devices(there)
    assert "device_count" not in kept.get("XLA_FLAGS", "").replace("--xla_dump_to=", "")
    for read in (array_shard, is_connected, waiting_sentence):
        for seen in (before, there):
            with contextlib.suppress(MerjaxError):
                result = read(seen)
                assert not isinstance(result, Shard) or 1 <= result.number <= result.total
    assert text("SLURM_PROCID", before) != ""


def test_the_environment_of_this_test_is_not_changed():
    assert put_aside(dict(os.environ)) == []
