"""Rates that sweeps measured, and the times that are expected from them."""

import json
import math

import jax
import pytest
from support.small_experiment import small_plan, use_small_experiment

import merjax.sweeps.running.rates
from merjax.engine import Progress
from merjax.sweeps.costs import costs_of, total_cost
from merjax.sweeps.running.rates import Measured, Stopwatch, expected_here, measured, seconds_left

CALL = Progress("spatial", 6, 12, 4, (0.25, 1.5), 3.0, 1)


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    use_small_experiment(monkeypatch.setattr)
    monkeypatch.setenv("MERJAX_CACHE", str(tmp_path / "cache"))


def test_a_cache_that_cannot_be_written_fails_no_sweep(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MERJAX_CACHE", str(tmp_path / "file" / "cache"))
    plan = small_plan()
    watch = Stopwatch(plan)
    watch.cost, watch.seconds = 100.0, 10.0
    watch.remember()
    assert not seconds_left(plan, plan.chunks, 1)[1]


def test_time_is_a_rough_guess_until_a_sweep_was_timed(monkeypatch):
    plan = small_plan(seeds=2)
    _, timed = seconds_left(plan, plan.chunks, 1)
    assert not timed
    watch, clock = Stopwatch(plan), iter([0.0, 10.0, 14.0])
    monkeypatch.setattr(merjax.sweeps.running.rates.time, "monotonic", lambda: next(clock))
    for step in (2, 4, 6):  # 2 steps in 10 s, 2 in 4 s
        watch.called(plan.chunks[0], CALL._replace(step=step, steps=24))
    watch.remember()
    rate = 4 * costs_of(plan, plan.chunks[0])["spatial"] * 4 / 24 / 14
    seconds, timed = seconds_left(plan, plan.chunks, 1)
    assert timed
    assert seconds == pytest.approx(total_cost(plan, plan.chunks) / rate)
    assert seconds_left(plan, plan.chunks, 2)[0] == pytest.approx(seconds / 2)
    here = expected_here(plan, plan.chunks, 1)
    assert here.least < here.likely == seconds < here.most


def timed_on(monkeypatch, kind: str, devices: int) -> None:
    """A sweep trains 12 steps of its first chunk's spatial stage in 6 s on devices of this kind, after a first call."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "local_device_count", lambda: devices)
    monkeypatch.setattr(merjax.sweeps.running.rates, "_machine", lambda: kind)
    plan = small_plan()
    watch, clock = Stopwatch(plan), iter([0.0, 6.0])
    monkeypatch.setattr(merjax.sweeps.running.rates.time, "monotonic", lambda: next(clock))
    for step in (0, 12):
        watch.called(plan.chunks[0], CALL._replace(step=step))
    watch.remember()


@pytest.mark.parametrize("devices", [1, 2])
def test_an_accelerator_is_remembered_by_stage_and_runs_of_each_device(monkeypatch, devices):
    timed_on(monkeypatch, "NVIDIA H200", devices)
    cost = 4 * costs_of(small_plan(), small_plan().chunks[0])["spatial"]  # of four runs
    found = measured("NVIDIA H200", "spatial", 100)
    assert found == Measured("NVIDIA H200", 4 // devices, pytest.approx(cost / devices / 6))
    assert found.seconds(cost / devices, 4 // devices).likely == pytest.approx(6)
    for kind, stage in (("NVIDIA H100", "spatial"), ("NVIDIA H200", "temporal")):
        assert measured(kind, stage, 4) is None


def test_a_stage_of_too_little_time_leaves_no_rate(monkeypatch):
    """It would be mostly chance, also where the whole sweep took long enough."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(merjax.sweeps.running.rates, "_machine", lambda: "NVIDIA H200")
    watch = Stopwatch(small_plan())
    watch.cost, watch.seconds = 100.0, 10.0
    watch.of_stage |= {("spatial", 4): [90.0, 9.0], ("temporal", 4): [10.0, 1.0]}
    watch.remember()
    assert measured("NVIDIA H200", "spatial", 4) == Measured("NVIDIA H200", 4, 10.0)
    assert measured("NVIDIA H200", "temporal", 4) is None


def test_the_nearest_number_of_runs_is_used_and_the_range_grows_with_the_distance(tmp_path):
    place = tmp_path / "cache" / "rates.json"
    place.parent.mkdir()
    rates = {"TPU v4, spatial, 8 runs": 100.0, "TPU v4, spatial, 64 runs": 400.0, "cpu": 15.0, "TPU v4": 300.0}
    place.write_text(json.dumps(rates))
    near = measured("TPU v4", "spatial", 16)
    assert near.runs == 8
    seconds = near.seconds(
        1600.0, 16
    )  # 16 s if a step takes twice as long for twice the runs, 8 s if it takes no longer
    assert seconds.likely == pytest.approx(math.sqrt(16 * 8))
    assert seconds.least < 8 < 16 < seconds.most
    same = near.seconds(800.0, 8)
    assert same.most / same.least < seconds.most / seconds.least
    assert measured("TPU v4", "spatial", 40).runs == 64
