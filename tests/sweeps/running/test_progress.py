"""Logs of curves for other tools, memory and time of a plan."""

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from support.small_experiment import small_experiment, small_plan, use_small_experiment

import merjax.sweeps.running.progress
from merjax.engine import Progress, RunArrays
from merjax.engine.engine import _last_loss
from merjax.methods.memory import bytes_per_device, capacity, runs_that_fit
from merjax.sweeps.folder import write_chunk
from merjax.sweeps.plan import splitting_keys
from merjax.sweeps.running.curve_logs import log_chunk, logged
from merjax.sweeps.running.progress import Stopwatch, SweepProgress, seconds_left, work_of
from merjax.system.console import default_console, draws, duration
from merjax.system.errors import MerjaxError

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
    place = tmp_path / "logs" / "focal-gamma=2" / "seed0"
    assert sorted(path.name for path in place.iterdir()) == ["casme2-sub00.jsonl", "casme2-sub01.jsonl"]
    lines = [json.loads(line) for line in (place / "casme2-sub01.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [1.0, None, 0.25] * 2
    assert lines[3] == {"stage": "temporal", "step": 0, "loss": 1.0}


def test_tensorboard_gets_every_scalar(tmp_path):
    pytest.importorskip("tensorboardX")
    plan = small_plan(tmp_path)
    write_chunk(tmp_path, plan.chunks[0], pd.DataFrame({"x": [1]}), curves_of(plan))
    log_chunk(tmp_path, plan.chunks[0], "tensorboard")
    place = tmp_path / "logs" / "focal-gamma=2" / "seed0" / "casme2-sub00"
    stamps = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    log_chunk(tmp_path, plan.chunks[0], "tensorboard")  # a second time writes nothing
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == stamps
    assert scalars(place) == [
        (f"{s}/loss", i, v) for s in ("spatial", "temporal") for i, v in enumerate([1.0, 0.5, 0.25])
    ]


def scalars(place):
    """What TensorBoard's own reader would find in a run's folder, every checksum being right."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    found = []
    for path in sorted(place.iterdir()):
        assert "tfevents" in path.name
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            body = data[12 : 12 + length]
            assert data[8:12] == masked_crc32c(data[:8]).to_bytes(4, "little")
            assert data[12 + length : 16 + length] == masked_crc32c(body).to_bytes(4, "little")
            event = Event.FromString(body)
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            data = data[16 + length :]
    return found


def lines_of(folder):
    (path,) = folder.glob("logs/base/seed0/casme2-sub02.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def call(plan, stage, step, steps=6):
    """A call's message; the history is of as many steps as there were, and a run's loss is its number and the step."""
    runs = len(plan.chunks[0].runs)
    loss = np.arange(runs)[:, None] + np.arange(step) / 8
    return Progress(stage, step, steps, runs, (0.0, 1.0), 1.0, 0, {"loss": loss.astype(np.float32)})


@pytest.mark.parametrize("log", ["jsonl", "tensorboard"])
def test_logs_grow_with_every_call_and_a_kill_neither_doubles_nor_loses_a_step(tmp_path, log):
    if log == "tensorboard":
        pytest.importorskip("tensorboardX")
    plan, heard = small_plan(tmp_path), []
    place = tmp_path / "logs" / "base" / "seed0" / "casme2-sub02"

    def steps():
        if log == "tensorboard":
            found = scalars(place)
            assert all(value == 2 + step / 8 for _, step, value in found)
            return [(tag.split("/")[0], step) for tag, step, _ in found]
        lines = lines_of(tmp_path)
        assert all(line["loss"] == 2 + line["step"] / 8 for line in lines)
        return [(line["stage"].replace(" ", "-"), line["step"]) for line in lines]

    first = logged(tmp_path, plan, plan.chunks[0], log, heard.append)
    for step in (2, 4, 6):
        first(call(plan, "inner spatial", step))
        assert steps() == [("inner-spatial", i) for i in range(step)]
    for step in (2, 4):
        first(call(plan, "spatial", step))
    inner = [("inner-spatial", i) for i in range(6)]
    assert steps() == inner + [("spatial", i) for i in range(4)]
    if log == "jsonl":
        with place.with_name(place.name + ".jsonl").open("a") as file:
            file.write('{"stage": "spa')  # the kill
    again = logged(tmp_path, plan, plan.chunks[0], log, heard.append)  # from a checkpoint after two steps
    for step in (4, 6):
        again(call(plan, "spatial", step))
        assert steps() == inner + [("spatial", i) for i in range(step)]
    assert all(not progress.history for progress in heard)  # what workers send is as short as ever
    assert len(heard) == 7
    curves = pd.concat(
        pd.DataFrame({"trial": "base", "fold": fold, "seed": 0, "stage": "spatial", "step": range(6)}).assign(
            loss=(f + np.arange(6) / 8).astype(np.float32)
        )
        for f, fold in enumerate(fold.name for fold in plan.groups[0].folds)
    )
    write_chunk(tmp_path, plan.chunks[0], pd.DataFrame({"x": [1]}), curves)
    log_chunk(tmp_path, plan.chunks[0], log)
    assert steps() == inner + [("spatial", i) for i in range(6)]


def drawn(plan, waiting, messages, **terminal):
    """What a console shows of a sweep's progress."""
    out = io.StringIO()
    console = Console(file=out, width=160, **terminal)
    with SweepProgress(plan, plan.chunks, waiting, console) as progress:
        for message in messages:
            progress.hear(message)
        progress.bars.refresh()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


def test_progress_tells_rate_losses_what_diverged_and_the_time_left():
    plan = small_plan(seeds=2)
    message = {"worker": 0, "chunk": 1, "stage": "spatial", "step": 6, "steps": 12, "runs": 4, "loss": (0.25, 1.5)}
    said = drawn(plan, plan.chunks, [message | {"seconds": 3.0, "diverged": 1}], force_terminal=True)
    assert "chunk 2/2 spatial: 4 runs x 6/12 steps, 8.0 run-steps/s, loss 0.250-1.500, 1 diverged" in said
    work = plan.groups[0].cost
    share = 0.5 * work["spatial"] / sum(work.values()) / 2
    assert f"{100 * share:.0f}%" in next(line for line in said.splitlines()[::-1] if line.startswith("sweep"))
    assert "left" in said
    half = drawn(plan, plan.chunks[1:], [], force_terminal=True)
    assert "sweep, preparing programs" in half  # nothing was heard yet
    assert "50%" in half  # what was finished before counts


def test_a_workers_next_chunk_has_a_clock_of_its_own():
    plan = small_plan(seeds=2)
    now = [0.0]
    console = Console(file=io.StringIO(), width=160, force_terminal=True)
    message = {"worker": 0, "steps": 12, "runs": 4, "loss": (0.25, 1.5), "seconds": 3.0, "diverged": 0}
    progress = SweepProgress(plan, plan.chunks, plan.chunks, console)
    progress.bars.get_time = lambda: now[0]
    last = [*plan.groups[0].cost][-1]
    for now[0], chunk, stage, step in (
        (0, 0, "spatial", 6),
        (50, 0, last, 12),
        (100, 1, "spatial", 6),
        (103, 1, last, 6),
    ):
        progress.hear(message | {"chunk": chunk, "stage": stage, "step": step})
    _, task = progress.bars.tasks  # the sweep's, the worker's
    assert task.elapsed == 3
    assert 0 < task.time_remaining < 3
    assert not task.finished


def test_a_batch_of_held_out_samples_is_no_divergence():
    weight_PxN = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32)
    runs = RunArrays(np.zeros((3, 2), np.uint32), weight_PxN, {})
    unit_KxB = np.array([[0, 1], [2, 2], [0, -1]])  # run 0 has nothing in the second batch, run 2 in the third
    loss_PxK = np.array([[0.5, np.nan, 0.4], [0.5, np.nan, np.nan], [0.5, 0.3, np.nan]])
    np.testing.assert_equal(_last_loss(np.full(3, -1.0), loss_PxK, runs, unit_KxB), [0.4, np.nan, 0.3])
    np.testing.assert_equal(_last_loss(np.full(3, -1.0), loss_PxK[:, :2], runs, unit_KxB[:2]), [0.5, np.nan, 0.3])


def test_progress_is_silent_where_nobody_watches():
    plan = small_plan()
    message = {"worker": 0, "chunk": 0, "stage": "spatial", "step": 6, "steps": 12, "runs": 4, "loss": (0.25, 1.5)}
    assert drawn(plan, plan.chunks, [message | {"seconds": 3.0, "diverged": 0}]) == ""
    assert drawn(plan, plan.chunks, [{"warning": "a checkpoint cannot be read"}]) == "a checkpoint cannot be read\n"
    assert drawn(plan, [], [], force_terminal=True).strip() == ""


def test_a_caller_from_python_sees_progress_in_a_terminal_or_a_notebook_and_else_nothing(monkeypatch):
    assert default_console().quiet
    monkeypatch.setattr("merjax.sweeps.running.progress.Console", lambda **said: Console(force_terminal=True, **said))
    assert draws(default_console())
    monkeypatch.setattr("merjax.sweeps.running.progress.Console", lambda **said: Console(force_jupyter=True, **said))
    monkeypatch.setattr("merjax.sweeps.running.progress.find_spec", lambda name: name == "ipywidgets")
    assert draws(default_console())
    monkeypatch.setattr("merjax.sweeps.running.progress.find_spec", lambda name: None)
    assert default_console().quiet


def test_a_cache_that_cannot_be_written_fails_no_sweep(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MERJAX_CACHE", str(tmp_path / "file" / "cache"))
    plan = small_plan()
    watch = Stopwatch(plan)
    watch.work, watch.seconds = 100.0, 10.0
    watch.remember()
    assert not seconds_left(plan, plan.chunks, 1)[1]


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
    monkeypatch.setattr(merjax.sweeps.running.progress.time, "monotonic", lambda: next(clock))
    call = {"worker": 0, "chunk": 0, "stage": "spatial", "runs": 4, "steps": 24}
    for step in (2, 4, 6):  # 2 steps in 10 s, 2 in 4 s
        watch.hear(call | {"step": step})
    watch.remember()
    spatial = plan.groups[0].cost["spatial"]
    rate = 4 * spatial * 4 / 24 / 14
    seconds, timed = seconds_left(plan, plan.chunks, 1)
    assert timed
    assert seconds == pytest.approx(work_of(plan, plan.chunks) / rate)
    assert seconds_left(plan, plan.chunks, 2)[0] == pytest.approx(seconds / 2)


def test_durations_are_said_as_people_do():
    assert [duration(s) for s in (40, 720, 12600, 181440)] == ["40 s", "12 min", "3.5 h", "2.1 days"]
