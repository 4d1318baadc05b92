"""Devices that are not here, and what a small program becomes for those whose compiler is installed."""

from unittest import mock

import jax
import numpy as np
import pytest
from support.small_stage import RUNS, samples, small_stage, stacked

from merjax.engine import Engine, StageJob
from merjax.engine.engine import Budget
from merjax.engine.rehearsal import counted, rehearse
from merjax.engine.topology import NoCompilerError, absent_device, allow_absent, target_config
from merjax.system.accelerators import ACCELERATORS
from merjax.system.environment import HERE

# kernels of one step of two runs, with some room: jax 0.10.2 makes 18 for an H100, 56 for a TPU v5e
MOST_KERNELS = {"h100": 24, "v5e": 70}


@pytest.fixture(params=MOST_KERNELS)
def accelerator(request):
    """A device whose compiler is here."""
    found = ACCELERATORS[request.param]
    with mock.patch.dict(HERE):  # other tests have the environment as it was
        allow_absent(found)
        try:
            absent_device(found)
        except NoCompilerError as error:
            pytest.skip(str(error))
        yield found


def test_a_small_step_becomes_few_kernels_and_no_loop_of_unknown_length(accelerator):
    engine, taken = Engine(None, 4, [absent_device(accelerator)]), {}
    assert (engine.platform, engine.mapping) == (accelerator.platform, "vmap")
    job = StageJob(small_stage(), stacked(RUNS[:2]), samples(), Budget(8, 11))
    rehearse(engine, counted, {"small": [2]}, taken)(job)
    program = taken["small"][2].program
    assert 0 < program.launches <= MOST_KERNELS[accelerator.name]
    assert not program.open_turns
    assert program.flops > 0
    assert taken["small"][2].temporaries >= 0


def test_a_device_without_a_compiler_is_told_with_the_extra_that_brings_it(monkeypatch):
    def refuse(**description):
        raise NotImplementedError("topology not implemented for cuda\nand more")

    monkeypatch.setattr("merjax.engine.topology.topologies.get_topology_desc", refuse)
    with pytest.raises(NoCompilerError) as told:
        absent_device(ACCELERATORS["a100"])
    assert str(told.value) == (
        "the compiler for NVIDIA A100 SXM, 80 GB does not load (topology not implemented for cuda); pip install 'merjax[cuda]'"
    )


def test_the_description_of_a_gpu_holds_its_figures():
    h100 = ACCELERATORS["h100"]
    lines = target_config(h100, h100.chip).splitlines()
    assert "  cuda_compute_capability { major: 9 minor: 0 feature_extension: ACCELERATED_FEATURES }" in lines
    assert "  core_count: 132" in lines
    assert f"  device_memory_size: {round(h100.memory)}" in lines
    assert lines.count("gpu_device_info {") == lines.count("}") == 1


def test_an_engine_without_devices_of_its_own_uses_all_that_are_here():
    assert Engine().devices == jax.local_devices()
    assert np.all([device.platform == "cpu" for device in Engine().devices])


@pytest.mark.parametrize(
    ("platform", "compiles_long", "least"), [("tpu", True, True), ("tpu", False, False), ("gpu", True, False)]
)
def test_a_tpus_compiler_makes_least_effort_for_a_stage_that_takes_it_long(platform, compiles_long, least):
    engine, lowered = Engine(None, 4, [mock.Mock(platform=platform)]), mock.Mock()
    engine.compile((small_stage()._replace(compiles_long=compiles_long), "advance", ()), lowered)
    options = lowered.compile.call_args.kwargs["compiler_options"]
    assert options == ({"exec_time_optimization_effort": -1.0} if least else {})
