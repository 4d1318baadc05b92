"""How many runs fit on a device."""

import jax
import pytest
from support.small_experiment import BASE, small_experiment, use_small_experiment

from merjax.config import make_config
from merjax.engine.rehearsal import Taken
from merjax.methods.memory import bytes_per_device, capacity, runs_that_fit
from merjax.nn.region_cnn import init_regions
from merjax.system.errors import MerjaxError

GiB = 2**30


def taken(**of_stages) -> dict[str, dict[int, Taken]]:
    """What one run and two runs take, in GiB, by stage."""
    return {
        stage: {n: Taken(0, 0, int(size * GiB), None, 1.0) for n, size in zip((1, 2), sizes, strict=True)}
        for stage, sizes in of_stages.items()
    }


def test_as_many_runs_fit_as_leave_a_reserve():
    assert runs_that_fit(taken(spatial=(2, 3)), 20 * GiB, "the device") == 16  # 2 + 15 x 1 = 17 of 20 GiB
    assert runs_that_fit(taken(spatial=(2, 3)), 19 * GiB, "the device") == 15
    assert runs_that_fit(taken(spatial=(17, 18)), 20 * GiB, "the device") == 1


def test_the_stage_that_takes_most_decides_also_if_one_run_of_it_takes_less():
    assert (
        runs_that_fit(taken(spatial=(2, 3), temporal=(1, 5)), 20 * GiB, "the device") == 5
    )  # 1 + 4 x 4 = 17 of 20 GiB


def test_a_run_that_does_not_fit_is_refused_with_its_stage_and_what_it_lacks():
    with pytest.raises(MerjaxError) as refused:
        runs_that_fit(taken(spatial=(2, 3), temporal=(18, 19)), 20 * GiB, "one NVIDIA V100")
    assert str(refused.value) == (
        "one run of the temporal stage takes 18.0 GiB, which is 1.0 GiB more than the 17.0 GiB that programs may fill of "
        "one NVIDIA V100; make the batches (spatial.batch, temporal.batch, peer.batch) or engine.steps_per_call smaller"
    )


@pytest.mark.long
def test_programs_of_more_runs_report_more_memory_and_nothing_is_trained(monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    config = make_config(BASE)
    one, two = (bytes_per_device(small_experiment(), config, n) for n in (1, 2))
    shapes = jax.eval_shape(lambda: init_regions(jax.random.key(0), (2, 4)))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    assert two - one > 4 * 3 * parameters  # with Adam's moments, in float32: the least that a further run adds
    assert capacity(small_experiment(), config) is None  # a CPU's memory is not the limit
