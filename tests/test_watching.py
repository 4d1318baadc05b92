"""Logs of curves for other tools, memory and time of a plan."""

import json

import numpy as np
import pandas as pd
import pytest
from small_experiment import small_experiment, small_plan, use_small_experiment

import merjax.estimate
from merjax.errors import MerjaxError
from merjax.estimate import Stopwatch, duration, seconds_left, work_of
from merjax.logs import log_chunk
from merjax.memory import bytes_per_device, capacity, runs_that_fit
from merjax.plan import splitting_keys
from merjax.results import write_chunk

GiB = 2**30


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    use_small_experiment(monkeypatch.setattr)
    monkeypatch.setenv("MERJAX_CACHE", str(tmp_path / "cache"))


def curves_of(plan):
    pieces = [
        pd.DataFrame(
            {
                "trial": "focal, gamma=2",
                "fold": f"casme2/sub0{fold}",
                "seed": 0,
                "stage": stage,
                "step": range(3),
                "loss": [1.0, np.nan if fold == 1 else 0.5, 0.25],
            }
        )
        for fold in range(2)
        for stage in ("spatial", "temporal")
    ]
    return pd.concat(pieces, ignore_index=True)


def test_jsonl_has_a_line_per_step_and_null_where_a_run_diverged(tmp_path):
    plan = small_plan(tmp_path)
    write_chunk(tmp_path, plan.chunks[0], pd.DataFrame({"x": [1]}), curves_of(plan))
    log_chunk(tmp_path, plan.chunks[0], "jsonl")
    place = tmp_path / "logs" / "focal,_gamma=2" / "seed0"
    assert sorted(path.name for path in place.iterdir()) == ["casme2_sub00.jsonl", "casme2_sub01.jsonl"]
    lines = [json.loads(line) for line in (place / "casme2_sub01.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [1.0, None, 0.25] * 2
    assert lines[3] == {"stage": "temporal", "step": 0, "loss": 1.0}


def test_tensorboard_gets_every_scalar(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    plan = small_plan(tmp_path)
    write_chunk(tmp_path, plan.chunks[0], pd.DataFrame({"x": [1]}), curves_of(plan))
    for _ in range(2):  # a second time writes nothing
        log_chunk(tmp_path, plan.chunks[0], "tensorboard")
    (events,) = (tmp_path / "logs" / "focal,_gamma=2" / "seed0" / "casme2_sub00").iterdir()
    found, data = [], events.read_bytes()
    while data:
        length = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + length])
        found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        data = data[16 + length :]
    assert found == [(f"{s}/loss", i, v) for s in ("spatial", "temporal") for i, v in enumerate([1.0, 0.5, 0.25])]


def test_as_many_runs_fit_as_leave_a_reserve():
    assert runs_that_fit(2 * GiB, 3 * GiB, 20 * GiB) == 16  # 2 + 15 x 1 = 17 of 20 GiB
    assert runs_that_fit(2 * GiB, 3 * GiB, 19 * GiB) == 15
    assert runs_that_fit(17 * GiB, 18 * GiB, 20 * GiB) == 1
    with pytest.raises(MerjaxError, match="one run takes 18.0 GiB, the device has 20.0 GiB"):
        runs_that_fit(18 * GiB, 19 * GiB, 20 * GiB)


def test_programs_of_more_runs_report_more_memory_and_nothing_is_trained():
    config = small_plan().trials[0].config
    one, two = (bytes_per_device(small_experiment(), config, n) for n in (1, 2))
    parameters = 4 * 3 * 250 * 1024  # of the largest layer with Adam's moments: the least that a further run adds
    assert two - one > parameters
    assert capacity(small_experiment(), config) is None  # a CPU's memory is not the limit


def test_the_keys_that_split_groups_are_told():
    plan = small_plan(axes={"temporal.units": [4, 8], "loss.gamma": [0, 1]})
    assert splitting_keys(plan) == ("temporal.units",)
    assert splitting_keys(small_plan(axes={"loss.gamma": [0, 1]})) == ()


def test_time_is_a_rough_guess_until_a_sweep_was_timed(monkeypatch):
    plan = small_plan(seeds=2)
    _, timed = seconds_left(plan, plan.chunks, 1)
    assert not timed
    watch, clock = Stopwatch(plan), iter([0.0, 10.0, 14.0])
    monkeypatch.setattr(merjax.estimate.time, "monotonic", lambda: next(clock))
    call = {"worker": 0, "chunk": 0, "stage": "spatial", "runs": 4, "steps": 24}
    for step in (2, 4, 6):  # 2 steps in 10 s, 2 in 4 s
        watch.hear(call | {"step": step})
    watch.remember()
    spatial = plan.data[0]["work"]["spatial"]
    rate = 4 * spatial * 4 / 24 / 14
    seconds, timed = seconds_left(plan, plan.chunks, 1)
    assert timed
    assert seconds == pytest.approx(work_of(plan, plan.chunks) / rate)
    assert seconds_left(plan, plan.chunks, 2)[0] == pytest.approx(seconds / 2)


def test_durations_are_said_as_people_do():
    assert [duration(s) for s in (40, 720, 12600, 181440)] == ["40 s", "12 min", "3.5 h", "2.1 days"]
