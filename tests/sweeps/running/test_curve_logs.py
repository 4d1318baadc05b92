"""Logs of curves for other tools: what they hold, that they grow, and what a kill does to them."""

import json
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support.small_experiment import SHARED, small_plan, use_small_experiment

import merjax.sweeps.running.curve_logs
from merjax.engine import Progress
from merjax.sweeps.folder import write_chunk
from merjax.sweeps.running.curve_logs import CurveLogs, log_chunk, refuse_missing
from merjax.system.errors import MerjaxError


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    use_small_experiment(monkeypatch.setattr)


@pytest.fixture
def now(monkeypatch):
    """The seconds that the clock shows, in a list, to be set; event files are named by it."""
    seconds = [0.0]
    monkeypatch.setattr(merjax.sweeps.running.curve_logs.time, "monotonic", lambda: seconds[0])
    if find_spec("tensorboardX"):
        clock = SimpleNamespace(time=lambda: 1_700_000_000 + seconds[0])
        monkeypatch.setattr("tensorboardX.event_file_writer.time", clock)
    return seconds


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
    log_chunk(tmp_path, plan, plan.chunks[0], "jsonl")
    place = tmp_path / "logs" / "focal-gamma=2" / "seed0"
    assert sorted(path.name for path in place.iterdir()) == ["casme2-sub00.jsonl", "casme2-sub01.jsonl"]
    lines = [json.loads(line) for line in (place / "casme2-sub01.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [1.0, None, 0.25] * 2
    assert lines[3] == {"stage": "temporal", "step": 0, "loss": 1.0}


def test_tensorboard_gets_every_scalar_and_none_where_a_run_diverged(tmp_path):
    pytest.importorskip("tensorboardX")
    plan = small_plan(tmp_path)
    write_chunk(tmp_path, plan.chunks[0], pd.DataFrame({"x": [1]}), curves_of(plan))
    log_chunk(tmp_path, plan, plan.chunks[0], "tensorboard")
    place = tmp_path / "logs" / "focal-gamma=2" / "seed0"
    for fold, losses in (("casme2-sub00", {0: 1.0, 1: 0.5, 2: 0.25}), ("casme2-sub01", {0: 1.0, 2: 0.25})):
        assert scalars(place / fold) == [
            (f"{s}/loss", *loss) for s in ("spatial", "temporal") for loss in losses.items()
        ]


@pytest.mark.parametrize("log", ["jsonl", "tensorboard"])
def test_a_log_that_has_all_steps_is_left_alone_and_one_that_lacks_some_is_written_anew(tmp_path, log):
    if log == "tensorboard":
        pytest.importorskip("tensorboardX")
    plan = small_plan(tmp_path)
    write_chunk(tmp_path, plan.chunks[0], pd.DataFrame({"x": [1]}), curves_of(plan))
    log_chunk(tmp_path, plan, plan.chunks[0], log)

    def files():
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "logs").rglob("*") if path.is_file()}

    whole = files()
    log_chunk(tmp_path, plan, plan.chunks[0], log)
    assert files() == whole
    place = tmp_path / "logs" / "focal-gamma=2" / "seed0" / "casme2-sub00"
    if log == "jsonl":
        path = place.with_name(place.name + ".jsonl")
        path.write_bytes(path.read_bytes()[:-3])
    else:
        (place / "temporal" / "steps").unlink()  # as by a kill before all was written
    log_chunk(tmp_path, plan, plan.chunks[0], log)
    assert steps_of(place, log, lambda step: [1.0, 0.5, 0.25][step]) == [
        (stage, step) for stage in ("spatial", "temporal") for step in range(3)
    ]


def steps_of(place, log, loss_at):
    """The steps that a run's log holds, in their order, every loss being what it should be."""
    if log == "tensorboard":
        found = [(tag.split("/")[0], step, loss) for tag, step, loss in scalars(place)]
    else:
        lines = [json.loads(line) for line in place.with_name(place.name + ".jsonl").read_text().splitlines()]
        found = [(line["stage"].replace(" ", "-"), line["step"], line["loss"]) for line in lines]
    assert all(loss == loss_at(step) for _, step, loss in found)
    return [(stage, step) for stage, step, _ in found]


def scalars(place):
    """What TensorBoard shows of a run's folder: it reads a stage's files by their names, and where one says that training
    started again from a step, it drops what it has read from there on. Every checksum is right."""
    from tensorboardX.proto.event_pb2 import SessionLog

    shown = []
    for folder in sorted(place.iterdir()):
        found = []
        for path in sorted(folder.glob("*tfevents*")):
            for event in events(path.read_bytes()):
                if event.session_log.status == SessionLog.START:
                    found = [scalar for scalar in found if scalar[1] < event.step]
                found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        shown += found
    return shown


def events(data):
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    while data:
        length = int.from_bytes(data[:8], "little")
        body = data[12 : 12 + length]
        assert data[8:12] == masked_crc32c(data[:8]).to_bytes(4, "little")
        assert data[12 + length : 16 + length] == masked_crc32c(body).to_bytes(4, "little")
        yield Event.FromString(body)
        data = data[16 + length :]


def call(plan, stage, step, steps=6, inner=False):
    """The progress of a call: its history has as many steps as there were; a run's loss is its number plus the step."""
    runs = len(plan.chunks[0].runs)
    loss = np.arange(runs)[:, None] + np.arange(step) / 8
    return Progress(stage, step, steps, runs, (0.0, 1.0), 1.0, 0, {"loss": loss.astype(np.float32)}, inner)


@pytest.mark.parametrize("log", ["jsonl", "tensorboard"])
def test_logs_grow_while_runs_train_and_a_kill_neither_doubles_nor_loses_a_step(tmp_path, log, now):
    if log == "tensorboard":
        pytest.importorskip("tensorboardX")
    plan = small_plan(tmp_path)
    chunk, place = plan.chunks[0], tmp_path / "logs" / "base" / "seed0" / "casme2-sub02"

    def steps():
        return steps_of(place, log, lambda step: 2 + step / 8)

    first = CurveLogs(tmp_path, plan, log)
    for step in (2, 4, 6):
        now[0] += 60
        first.called(chunk, call(plan, "spatial", step, inner=True))
        assert steps() == [("inner-spatial", i) for i in range(step)]
    inner = steps()
    for step in (2, 4):
        now[0] += 60
        first.called(chunk, call(plan, "spatial", step))
    assert sorted(steps()) == inner + [("spatial", i) for i in range(4)]
    if log == "jsonl":
        with place.with_name(place.name + ".jsonl").open("a") as file:
            file.write('{"stage": "spa')  # the kill
    again = CurveLogs(tmp_path, plan, log)  # from a checkpoint after two steps
    for step in (4, 6):
        now[0] += 60
        again.called(chunk, call(plan, "spatial", step))
        assert steps() == inner + [("spatial", i) for i in range(step)]
    curves = pd.concat(
        pd.DataFrame({"trial": "base", "fold": fold, "seed": 0, "stage": "spatial", "step": range(6)}).assign(
            loss=(f + np.arange(6) / 8).astype(np.float32)
        )
        for f, fold in enumerate(fold.name for fold in plan.groups[0].folds)
    )
    write_chunk(tmp_path, chunk, pd.DataFrame({"x": [1]}), curves)
    again.finished(chunk)
    assert steps() == inner + [("spatial", i) for i in range(6)]


def test_tensorboards_files_are_few_and_the_end_of_a_stage_is_never_missing(tmp_path, now):
    """A file every half minute at first, later less often: 10,000 calls of half a second give some dozens of files."""
    pytest.importorskip("tensorboardX")
    plan = small_plan(tmp_path)
    logs, place = CurveLogs(tmp_path, plan, "tensorboard"), tmp_path / "logs" / "base" / "seed0" / "casme2-sub02"
    written = []
    form = merjax.sweeps.running.curve_logs._FORMATS["tensorboard"]
    with pytest.MonkeyPatch.context() as patch:
        count = form._replace(write=lambda place, stage, first, metrics: written.append(now[0]))
        patch.setitem(merjax.sweeps.running.curve_logs._FORMATS, "tensorboard", count)
        for step in range(1, 10_001):
            now[0] += 0.5
            told = Progress(
                "spatial", step, 10_000, 4, (0.0, 1.0), now[0], 0, {"loss": np.zeros((4, step), np.float32)}
            )
            logs.called(plan.chunks[0], told)
    times = sorted(set(written))
    assert times[:3] == [0.5, 30.5, 60.5]
    assert 20 < len(times) < 60
    assert times[-1] == 5000
    for step in (2, 4, 6):
        now[0] += 0.5
        logs.called(plan.chunks[0], call(plan, "temporal", step))
    assert steps_of(place, "tensorboard", lambda step: 2 + step / 8) == [("temporal", i) for i in range(6)]


def test_the_log_of_a_part_of_a_shared_chunk_that_is_trained_later_is_whole(tmp_path, now):
    """What one run took turned out to be damaged after the rest was trained, by the same process."""
    pytest.importorskip("tensorboardX")
    plan = small_plan(tmp_path, trials=SHARED)
    (shared,) = plan.stages
    logs = CurveLogs(tmp_path, plan, "tensorboard")
    for runs in (shared.runs[:2], shared.runs[2:3]):
        told = call(plan, "spatial", 6)
        history = {name: values[: len(runs)] for name, values in told.history.items()}
        logs.called(shared._replace(runs=runs), told._replace(runs=len(runs), history=history))
    place = tmp_path / "logs" / "all" / "seed0" / "casme2-sub02"
    assert steps_of(place, "tensorboard", lambda step: step / 8) == [("spatial", i) for i in range(6)]


def test_a_run_that_an_older_merjax_logged_is_not_shown_twice(tmp_path, now):
    pytest.importorskip("tensorboardX")
    plan = small_plan(tmp_path)
    place = tmp_path / "logs" / "base" / "seed0" / "casme2-sub02"
    place.mkdir(parents=True)
    (place / "events.out.tfevents.0000000000.merjax.spatial").write_bytes(b"")
    CurveLogs(tmp_path, plan, "tensorboard").called(plan.chunks[0], call(plan, "spatial", 6))
    assert [path.name for path in place.iterdir()] == ["spatial"]


def test_a_log_without_its_library_is_refused_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    refuse_missing(None)
    refuse_missing("jsonl")
    with pytest.raises(MerjaxError, match=r"pip install 'merjax\[tensorboard\]'"):
        refuse_missing("tensorboard")
