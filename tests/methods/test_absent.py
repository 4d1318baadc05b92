"""A machine that is not here, as the methods' programs see it."""

import jax
import pytest
from jax._src import compilation_cache  # what jax itself asks; it says so nowhere else
from support.no_compiler import without_compilers

from merjax.config import make_config
from merjax.methods.absent import AbsentMachine, Described
from merjax.methods.runs import engine_of
from merjax.nn.layers.backend import on_cpu
from merjax.system.accelerators import ACCELERATORS, read_machine
from merjax.system.jax_setup import programs_not_kept


@pytest.mark.parametrize(("name", "precision"), [("h100", "highest"), ("v5e", "bfloat16")])
def test_programs_are_traced_in_the_form_and_precision_of_the_device(name, precision):
    engine = engine_of(make_config({"engine": {"precision": precision}}), [Described(ACCELERATORS[name])])
    assert engine.platform == ACCELERATORS[name].platform
    assert engine.mapping == "vmap"
    with engine.tracing():
        assert not on_cpu()
        assert jax.config.jax_default_matmul_precision == precision
    assert on_cpu()


def test_a_machine_whose_compiler_is_not_here_says_how_to_get_it(monkeypatch):
    without_compilers(monkeypatch)
    assert "pip install 'merjax[cuda]'" in AbsentMachine(read_machine("h100")).lacking


def test_a_method_that_uses_no_device_has_no_capacity(monkeypatch):
    without_compilers(monkeypatch)
    assert AbsentMachine(read_machine("h100")).capacity(None, make_config({"method": "hoof"})) is None


def test_programs_for_absent_devices_are_not_kept_and_others_are_again():
    kept = compilation_cache.is_cache_used
    here = jax.devices()[0].client
    before = kept(here)
    with programs_not_kept():
        assert not kept(here)
    assert kept(here) == before
