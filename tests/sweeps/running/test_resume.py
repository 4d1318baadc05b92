"""Kills, stops, full disks and damaged checkpoints: the final result is that of an uninterrupted sweep."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from support.commands import checkout_environment
from support.small_command import small_environment, small_sweep_file, start_sweep

PAPER = "1/1", "fixed", "paper"  # what small_worker takes to train the paper's networks


def run_whole(folder: Path, *arguments: str) -> dict[str, pd.DataFrame]:
    code, _, err = end(start(folder, *arguments))
    assert code == 0, err
    return tables(folder)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> dict[str, pd.DataFrame]:
    return run_whole(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def uninterrupted_paper(tmp_path_factory) -> dict[str, pd.DataFrame]:
    return run_whole(tmp_path_factory.mktemp("paper") / "run", *PAPER)


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    line = [sys.executable, "-m", "support.small_worker", str(folder), *arguments]
    environment = checkout_environment()
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def after_calls(process: subprocess.Popen, calls: int) -> bool:
    """Wait until the process has printed some calls; False if it ended before."""
    return all(process.stdout.readline() for _ in range(calls))


def end(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.name: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def assert_same(folder: Path, whole: dict[str, pd.DataFrame]) -> None:
    found = tables(folder)
    assert found.keys() == whole.keys()
    assert len(found) == 4  # predictions and curves of two chunks
    for name, table in whole.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)
    assert not list(folder.glob(".*"))
    assert not list((folder / "checkpoints").glob("*"))


@pytest.mark.long
def test_a_second_process_compiles_nothing(uninterrupted, tmp_path):
    code, _, err = end(start(tmp_path / "run"))
    assert code == 0, err
    word, asked, found = err.splitlines()[-1].split()
    assert word == "programs"
    assert int(asked) == int(found) > 6  # three programs for each of two stages, and a few small ones around them
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.long
def test_ten_kills_at_random_moments_change_no_bit(uninterrupted, tmp_path):
    assert_kills_change_nothing(uninterrupted, tmp_path, kills=10)


@pytest.mark.long
def test_kills_of_the_papers_networks_change_no_bit(uninterrupted_paper, tmp_path):
    assert_kills_change_nothing(uninterrupted_paper, tmp_path, *PAPER, kills=2)


def assert_kills_change_nothing(uninterrupted, tmp_path, *arguments, kills):
    """Kills that hit a working process; if one comes too late, the others hit the process of the next folder."""
    dice, done, folders = random.Random(0), 0, []
    while done < kills:
        folders.append(tmp_path / f"run{len(folders)}")
        while done < kills:
            process = start(folders[-1], *arguments)
            after_calls(process, dice.randint(0, 3))
            time.sleep(dice.uniform(0, 0.1))
            process.kill()
            process.communicate()
            if process.returncode != -signal.SIGKILL or len(list(folders[-1].glob("predictions-*"))) == 2:
                break
            done += 1
    for folder in folders:
        code, out, err = end(start(folder, *arguments))
        assert code == 0, err
        assert "call 0 spatial 2\n" not in out  # it did not start again
        assert_same(folder, uninterrupted)


@pytest.mark.long
def test_a_killed_command_takes_its_workers_along_and_the_same_line_goes_on(uninterrupted, tmp_path):
    words = small_sweep_file(tmp_path, workers=2), "--out", tmp_path / "run"
    environment = small_environment(tmp_path)
    process = start_sweep(environment, *words)
    workers = []
    while not workers or not list((tmp_path / "run" / "checkpoints").glob("*/*/*")):
        assert process.poll() is None, process.communicate()
        workers = children(process.pid)
        time.sleep(0.01)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "workers outlive their sweep"
        time.sleep(0.05)
    assert not list((tmp_path / "run").glob("scores.csv"))
    code, _, err = end(start_sweep(environment, *words))
    assert code == 0, err
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.long
@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGUSR2, 1)])
def test_a_stopped_command_prints_the_line_that_goes_on(uninterrupted, tmp_path, number, workers):
    words = small_sweep_file(tmp_path, workers=workers), "--out", tmp_path / "run"
    environment = small_environment(tmp_path)
    process = start_sweep(environment, *words)
    while not list((tmp_path / "run" / "checkpoints").glob("*/*/*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    code, out, err = end(process)
    assert code == 128 + number, err
    line = out.splitlines()[-1].split()
    assert line == ["python", "-m", "merjax.sweep", *map(str, words)]
    assert len(list((tmp_path / "run").glob("predictions-*"))) < 2
    code, _, err = end(start_sweep(environment, *line[3:]))
    assert code == 0, err
    assert_same(tmp_path / "run", uninterrupted)


def children(process: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rpartition(")")[2].split()[1]) == process:
                found.append(int(place.name))
        except OSError:
            continue
    return found


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.long
def test_sigterm_saves_and_the_next_start_goes_on_from_there(uninterrupted, tmp_path):
    process = start(tmp_path / "run")
    assert after_calls(process, 3)
    process.send_signal(signal.SIGTERM)
    code, out, _ = end(process)
    assert code == 128 + signal.SIGTERM
    last = 2 * (3 + out.count("call"))
    code, out, err = end(start(tmp_path / "run"))
    assert code == 0, err
    assert out.startswith(f"call 0 spatial {last + 2}\n")
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.long
@pytest.mark.parametrize("damage", ["truncated", pytest.param("removed", marks=pytest.mark.long)])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(uninterrupted, tmp_path, damage):
    process = start(tmp_path / "run")
    assert after_calls(process, 4)
    process.send_signal(signal.SIGTERM)
    end(process)
    steps = sorted((tmp_path / "run" / "checkpoints" / "chunk-0000" / "spatial").iterdir(), key=lambda p: int(p.name))
    assert len(steps) == 2
    for path in [p for p in steps[-1].rglob("*") if p.is_file()]:
        if damage == "truncated":
            os.truncate(path, path.stat().st_size // 2)
        else:
            path.unlink()
    code, out, err = end(start(tmp_path / "run"))
    assert code == 0, err
    assert f"warning the checkpoint {steps[-1]} cannot be read" in out
    assert f"call 0 spatial {int(steps[-2].name) + 2}\n" in out
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.long
def test_where_no_checkpoint_is_sound_the_stage_begins_anew(uninterrupted, tmp_path):
    process = start(tmp_path / "run")
    assert after_calls(process, 4)
    process.send_signal(signal.SIGTERM)
    end(process)
    steps = list((tmp_path / "run" / "checkpoints" / "chunk-0000" / "spatial").iterdir())
    assert len(steps) == 2
    for path in [p for step in steps for p in step.rglob("*") if p.is_file()]:
        os.truncate(path, path.stat().st_size // 2)
    code, out, err = end(start(tmp_path / "run"))
    assert code == 0, err
    assert out.count("cannot be read") == 2
    assert "call 0 spatial 2\n" in out
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.long
def test_what_a_kill_leaves_of_a_finished_chunk_and_of_the_plan_is_cleared(uninterrupted, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".plan.json.elsewhere.17").write_text("{")  # as by a full disk, or a kill, at the very first write
    assert end(start(folder))[0] == 0
    kept = folder / "checkpoints" / "chunk-0001" / "temporal" / "24"
    kept.mkdir(parents=True)
    (folder / "predictions-0000.parquet").unlink()
    (folder / ".predictions-0000.parquet.elsewhere.17").write_text("half")
    code, _, err = end(start(folder))
    assert code == 0, err
    assert_same(folder, uninterrupted)


@pytest.mark.long
def test_a_full_disk_is_a_sentence_and_loses_nothing(uninterrupted, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        code, _, err = end(start(disk / "run"))
        assert code == 2
        # the checkpoint library says much of its own around it when a write fails
        assert f"error: no space left in {disk / 'run'}" in err
        assert "free some and run the same line again" in err
        subprocess.run(["mount", "-o", "remount,size=300m", str(disk)], check=True)
        code, out, err = end(start(disk / "run"))
        assert code == 0, err
        assert "call 0 spatial 2\n" not in out  # the checkpoint that still had room is used
        assert_same(disk / "run", uninterrupted)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.long
def test_two_processes_on_one_new_folder_share_the_work(uninterrupted, tmp_path):
    both = [start(tmp_path / "run") for _ in range(2)]
    ends = [end(process) for process in both]
    assert [code for code, _, _ in ends] == [0, 0], ends
    calls = [line for _, out, _ in ends for line in out.splitlines()]
    assert len(calls) == len(set(calls))  # no call was made twice
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.long
def test_shards_of_one_folder_do_their_own_chunks_and_no_other(uninterrupted, tmp_path):
    code, out, err = end(start(tmp_path / "run", "2/2"))
    assert code == 0, err
    assert {line.split()[1] for line in out.splitlines()} == {"1"}
    assert end(start(tmp_path / "run", "1/2"))[0] == 0
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.long
def test_kills_change_no_bit_of_what_inner_subjects_choose(tmp_path):
    """Folds that have the same training subjects without the inner ones share their spatial stage, so that comes first; then
    the temporal one, without the inner subjects and with them, in one chunk: both are killed."""
    line = ["1/1", "fixed+inner+oracle"]
    code, out, err = end(start(tmp_path / "whole", *line))
    assert code == 0, err
    stages = list(dict.fromkeys(stage_of(call) for call in out.splitlines()))
    assert stages == ["spatial", "inner spatial", "inner temporal", "temporal"]
    for stage in ("inner temporal", "temporal"):
        process = start(tmp_path / "run", *line)
        while stage_of(process.stdout.readline()) != stage:
            pass
        process.kill()
        process.communicate()
    code, out, err = end(start(tmp_path / "run", *line))
    assert code == 0, err
    of_first = {stage_of(call) for call in out.splitlines() if call.startswith("call 0 ")}
    assert of_first == {"temporal"}  # nothing was trained again
    whole, found = tables(tmp_path / "whole"), tables(tmp_path / "run")
    assert found.keys() == whole.keys()
    assert len(whole) == 4  # predictions and curves of two chunks
    for name, table in whole.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)
    assert set(found["predictions-0000.parquet"]["selection"]) == {"fixed", "inner", "oracle"}


def stage_of(call: str) -> str:
    """Of a line such as `call 0 inner spatial 2`."""
    return " ".join(call.split()[2:-1])
