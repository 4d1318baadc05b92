"""Shards of a sweep, the clusters that name them, and merging what they wrote."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.commands import checkout_environment
from support.report_command import word
from support.small_command import small_environment, small_sweep_file, start_sweep
from support.small_experiment import small_plan, use_small_experiment

import merjax.sweeps.running.shards
from merjax.sweeps import folder as results
from merjax.sweeps.chunks import chunk_to_json
from merjax.sweeps.folder import (
    _PREDICTED,
    _TESTED,
    is_finished,
    open_folder,
    read_curves,
    read_predictions,
    write_chunk,
)
from merjax.sweeps.merging import merge
from merjax.sweeps.provenance import note_sitting, read_conditions
from merjax.sweeps.running.shards import WHOLE, Shard, array_shard, is_connected, own_shard, parse_shard, refuse_idle
from merjax.sweeps.saved_models import model_folder
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    use_small_experiment(monkeypatch.setattr)


def fill(folder: Path, plan, shard: Shard) -> None:
    for chunk in shard.of(plan):
        predictions = {name: [0] for name in (*_TESTED, *_PREDICTED)} | {"chunk": [chunk.number]}
        curves = {"trial": [""], "stage": [""], "step": [chunk.number]}
        write_chunk(folder, chunk, pd.DataFrame(predictions), pd.DataFrame(curves))


@pytest.mark.parametrize("total", [1, 2, 3, 5])
def test_every_chunk_belongs_to_exactly_one_shard(total):
    plan = small_plan(seeds=3, axes={"loss.gamma": [0, 1]})
    shares = [Shard(i + 1, total).of(plan) for i in range(total)]
    assert sorted(chunk.number for share in shares for chunk in share) == list(range(len(plan.chunks)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert WHOLE.of(plan) == list(plan.chunks)


def test_more_shards_than_chunks_are_refused_by_each_of_them():
    plan = small_plan(seeds=3)
    total = len(plan.chunks)
    refuse_idle(Shard(1, total), plan)
    for number in range(1, total + 2):
        with pytest.raises(
            MerjaxError, match=f"cut into {total} chunks, so that 1 of {total + 1} shards would have nothing"
        ):
            refuse_idle(Shard(number, total + 1), plan)


@pytest.mark.long
@pytest.mark.parametrize("number", ["0", "1"])
def test_a_process_whose_neighbour_never_starts_says_so_within_five_seconds_and_hears_ctrl_c(tmp_path, number):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    cluster = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": number}
    code = (
        "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import merjax.sweeps.running.shards as shards;"
        "print(shards.own_shard(say=lambda said: print(said, time.process_time() < 5, flush=True)))"
    )
    environment = checkout_environment() | cluster
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said = process.stdout.readline().decode()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert f"this is process {int(number) + 1} of 2 on {address}; it waits for the others" in said
    assert said.endswith("True\n")
    assert process.returncode == -signal.SIGINT


def test_shards_are_written_as_one_of_many():
    assert parse_shard("2/5") == Shard(2, 5)
    for text in ("0/5", "6/5", "2", "a/b"):
        with pytest.raises(MerjaxError, match="from 1/5 to 5/5"):
            parse_shard(text)


def test_a_slurm_array_names_shards_wherever_it_begins_and_however_it_steps():
    for first, step in ((0, 1), (1, 1), (10, 5)):
        environments = [
            {
                "SLURM_ARRAY_TASK_ID": str(first + i * step),
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": str(first),
                "SLURM_ARRAY_TASK_STEP": str(step),
            }
            for i in range(4)
        ]
        assert [array_shard(e) for e in environments] == [Shard(i + 1, 4) for i in range(4)]
        assert [own_shard(e) for e in environments] == [Shard(i + 1, 4) for i in range(4)]
    assert own_shard({}) == WHOLE


@pytest.mark.parametrize(
    ("environment", "connected"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"JAX_COORDINATOR_ADDRESS": "localhost:1"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
    ],
)
def test_processes_are_connected_only_where_a_cluster_says_so(environment, connected):
    assert is_connected(environment) == connected


@pytest.mark.long
def test_two_connected_processes_train_their_shares_and_no_more(tmp_path):
    """On loopback, with different numbers of devices, checkpoints after every call, and one much slower than the other."""
    environment = small_environment(tmp_path)
    words = small_sweep_file(tmp_path, workers=1), "--out"
    whole = start_sweep(environment, *words, tmp_path / "whole")
    said = whole.communicate(timeout=300)
    assert whole.returncode == 0, said
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    cluster = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    both = [
        start_sweep(
            environment
            | cluster
            | {"JAX_PROCESS_ID": str(i), "XLA_FLAGS": f"--xla_force_host_platform_device_count={2 - i}"},
            *words,
            tmp_path / "run",
        )
        for i in range(2)
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    names = [f"{table}-{chunk:04d}.parquet" for table in ("curves", "predictions") for chunk in range(2)]
    assert sorted(path.name for path in (tmp_path / "run").glob("*.parquet")) == names
    for name in names:
        one, other = (pd.read_parquet(tmp_path / run / name) for run in ("whole", "run"))
        pd.testing.assert_frame_equal(one, other, atol=1e-5)
    devices = [json.loads((tmp_path / "run" / f"record-{c:04d}.json").read_text())["with"][0]["device"] for c in (0, 1)]
    assert [device.split()[0] for device in devices] == ["2", "1"]  # each trained its own share on its own devices
    scores = [pd.read_csv(tmp_path / run / "scores.csv") for run in ("whole", "run")]
    pd.testing.assert_frame_equal(*scores, atol=1e-4)


def test_only_who_trains_looks_for_other_processes(tmp_path, monkeypatch):
    """A process that connected would wait for the second one in vain."""
    asked = []

    def connect(environment, say):
        asked.append(environment["JAX_PROCESS_ID"])
        raise MerjaxError("nobody is there")

    cluster = {"JAX_COORDINATOR_ADDRESS": "127.0.0.1:1", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(merjax.sweeps.running.shards, "connected_shard", connect)
    file = small_sweep_file(tmp_path)
    for words in (
        ("sweep", file, "--out", tmp_path / "run", "--slurm", "0"),
        ("merge", file, tmp_path / "nothing", "--out", tmp_path / "run"),
    ):
        assert word(*words).returncode == 2
    assert asked == []
    assert "nobody is there" in word("sweep", file, "--out", tmp_path / "run").stderr
    assert asked == ["1"]


def test_merged_folders_hold_what_each_shard_finished(tmp_path):
    for i in (1, 2):
        plan = small_plan(tmp_path / f"part{i}", seeds=3)
        fill(tmp_path / f"part{i}", plan, Shard(i, 2))
        model = model_folder(tmp_path / f"part{i}", "base", 0, f"casme2/sub{i:02d}")
        model.mkdir(parents=True)
        (model / "card.json").write_text(f"{i}")
        note_sitting(tmp_path / f"part{i}", Shard(i, 2).of(plan)[0], 60.0)
    merged = merge([tmp_path / "part1", tmp_path / "part2"], tmp_path / "all")
    assert all(is_finished(tmp_path / "all", chunk) for chunk in plan.chunks)
    assert read_predictions(tmp_path / "all", merged.chunks)["chunk"].tolist() == [0, 1, 2]
    assert read_curves(tmp_path / "all", merged.chunks)["step"].tolist() == [0, 1, 2]
    for i in (1, 2):
        card = model_folder(tmp_path / "all", "base", 0, f"casme2/sub{i:02d}") / "card.json"
        assert card.read_text() == f"{i}"
    assert read_conditions(tmp_path / "all", merged.chunks).seconds == 120
    assert not list((tmp_path / "all").glob(".*"))


def test_a_folder_of_another_sweep_or_of_other_chunks_is_not_merged(tmp_path):
    small_plan(tmp_path / "one")
    small_plan(tmp_path / "other", axes={"loss.gamma": [0, 1]})
    with pytest.raises(MerjaxError, match="holds the trials base, but this sweep has gamma=0, gamma=1"):
        merge([tmp_path / "one", tmp_path / "other"], tmp_path / "all")
    plan = small_plan()
    halves = (
        plan.chunks[0]._replace(runs=plan.chunks[0].runs[:2]),
        plan.chunks[0]._replace(number=1, runs=plan.chunks[0].runs[2:]),
    )
    content = plan.to_json() | {"chunks": [chunk_to_json(chunk) for chunk in halves]}
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "plan.json").write_text(json.dumps(content))
    with pytest.raises(MerjaxError, match="the same number of shards"):
        merge([tmp_path / "one", tmp_path / "cut"], tmp_path / "all2")


def test_the_first_of_two_that_begin_a_folder_decides_its_chunks(tmp_path):
    first = open_folder(tmp_path / "run", small_plan())
    second = open_folder(tmp_path / "run", small_plan(workers=3))
    assert second == first


def test_a_sweep_that_another_process_begins_meanwhile_is_no_foreign_folder(tmp_path, monkeypatch):
    plan, look = small_plan(), results.holds_something
    (tmp_path / "run").mkdir()

    def look_late(folder, own):
        write_json(folder / "plan.json", plan.to_json())
        return look(folder, own)

    monkeypatch.setattr(results, "holds_something", look_late)
    assert open_folder(tmp_path / "run", small_plan()) == plan


def test_a_sweep_begins_in_a_folder_that_holds_only_what_systems_leave(tmp_path):
    for name in (".DS_Store", "Thumbs.db", ".plan.json.x1y2"):  # and what a killed start left
        (tmp_path / name).touch()
    open_folder(tmp_path, small_plan())
    assert (tmp_path / "plan.json").is_file()


def test_hidden_files_of_people_are_something(tmp_path):
    (tmp_path / ".git").mkdir()
    with pytest.raises(MerjaxError, match="is not empty and holds no sweep"):
        open_folder(tmp_path, small_plan())
