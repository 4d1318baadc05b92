"""What a sweep does when it cannot simply go on: other processes train, memory or disk is full, the chunk size changed."""

import errno
import functools
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from support.recorded import Recorded
from support.small_experiment import BASE, SHARED, small_plan, use_small_experiment

import merjax.engine.checkpoints
import merjax.sweeps.running.take_chunks
from merjax.engine import Engine, Progress, Saved
from merjax.engine.checkpoints import Checkpoints
from merjax.sweeps.folder import claimed, is_finished, open_folder
from merjax.sweeps.running.pool import _Crew, _end_of, carry_out
from merjax.sweeps.running.take_chunks import _claimed_program, take_chunks
from merjax.sweeps.running.train_chunk import open_group
from merjax.system.errors import MerjaxError
from merjax.system.signals import Interrupted


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    use_small_experiment(monkeypatch.setattr)


@pytest.fixture
def untrained(monkeypatch):
    """Each chunk gets a table instead of a training."""
    table = pd.DataFrame({"trial": ["base"], "step": [0]})
    monkeypatch.setattr(merjax.sweeps.running.take_chunks, "train_chunk", lambda *args: (table, table, {}))


def test_who_waits_for_other_processes_says_so_once(tmp_path, monkeypatch, untrained):
    plan, told = small_plan(tmp_path, seeds=2), Recorded()
    pauses = []
    monkeypatch.setattr(merjax.sweeps.running.take_chunks.time, "sleep", pauses.append)
    with claimed(tmp_path, plan.chunks[0]) as mine:
        assert mine
        with pytest.raises(Interrupted):
            carry_out(tmp_path, plan, 1, told, lambda: len(pauses) == 3)
    assert is_finished(tmp_path, plan.chunks[1])
    assert told.told == [("finished", 1), ("waiting", 1)]


def test_a_store_that_was_replaced_while_a_sweep_trains_is_told_of(tmp_path):
    plan = small_plan(tmp_path)
    other = replace(plan.groups[0], store_hash="of another store")
    with pytest.raises(MerjaxError, match="was replaced since this sweep was planned; put the planned store back"):
        open_group(replace(plan, groups=(other,)), 0)


def test_workers_of_one_sweep_wait_for_each_other_in_silence():
    plan, told = small_plan(), Recorded()
    progress = Progress("spatial", 2, 4, 4, (0.5, 1.0), 1.0, 0)
    crew = _Crew(2, told)
    one, other = crew.member(0), crew.member(1)
    one.waiting(1)
    one.waiting(1)
    one.called(plan.chunks[0], progress)
    other.waiting(1)
    assert told.told == [("called", 0, progress)]
    one.waiting(3)
    other.waiting(3)
    assert told.told[1:] == [("waiting", 3)]


def test_another_chunk_size_for_a_folder_that_was_begun_is_told_of(tmp_path, untrained):
    def with_chunk(runs):
        return small_plan(tmp_path, base=BASE | {"engine": BASE["engine"] | {"chunk": runs}}, seeds=2)

    told = Recorded()
    with_chunk(4)
    plan = with_chunk(2)
    assert {chunk.width for chunk in plan.chunks} == {4}
    carry_out(tmp_path, plan, 1, told)
    assert told.told[0] == (
        "warned",
        f"{tmp_path} was started with chunks of 4 runs and keeps them, although engine.chunk is now 2; "
        "choose another --out to cut the sweep again",
    )
    assert told.told[1:] == [("finished", 0), ("finished", 1)]


def test_the_chunk_size_that_a_folder_was_begun_with_is_not_worth_a_word(tmp_path, untrained):
    told = Recorded()
    carry_out(tmp_path, small_plan(tmp_path, seeds=2), 1, told)
    assert told.told == [("finished", 0), ("finished", 1)]


def test_a_lack_of_memory_advises_smaller_chunks_in_another_folder(tmp_path, monkeypatch):
    small_plan(tmp_path)

    def train(*args):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")

    monkeypatch.setattr(merjax.sweeps.running.take_chunks, "train_chunk", train)
    with pytest.raises(MerjaxError, match="device's memory .* smaller engine.chunk, and another --out"):
        take_chunks(tmp_path)
    assert "smaller engine.chunk, and another --out" in _end_of(-9)
    assert _end_of(1) == "a worker ended with exit code 1"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("place", ["write_chunk", "note_sitting"])
def test_a_full_disk_at_any_file_is_a_sentence_and_the_same_call_goes_on(
    tmp_path, monkeypatch, untrained, number, place
):
    plan = small_plan(tmp_path)

    def write(*args):
        raise OSError(number, "whatever")

    with monkeypatch.context() as full:
        full.setattr(merjax.sweeps.running.take_chunks, place, write)
        with pytest.raises(MerjaxError, match=f"no space left in {tmp_path}; free some and run the same line again"):
            take_chunks(tmp_path)
    assert not is_finished(tmp_path, plan.chunks[0])
    take_chunks(tmp_path)
    assert is_finished(tmp_path, plan.chunks[0])


def test_a_disk_that_is_full_from_the_first_is_no_folder_of_something_else(tmp_path, monkeypatch):
    def replace_(self, target):
        raise OSError(errno.ENOSPC, "whatever")

    with monkeypatch.context() as full:
        full.setattr("pathlib.Path.replace", replace_)
        with pytest.raises(MerjaxError, match="no space left"):
            small_plan(tmp_path / "run")
    assert not list((tmp_path / "run").glob(".*"))
    (tmp_path / "run" / ".plan.json.elsewhere.17").write_text("{")
    small_plan(tmp_path / "run")
    assert not list((tmp_path / "run").glob(".*"))


def test_the_groups_of_a_search_train_and_test_on_inner_subjects():
    plan = replace(small_plan(), inner=0.5)
    experiment = open_group(plan, 0).data
    outer = open_group(replace(plan, inner=0.0), 0).data
    for inside, fold in zip(experiment.folds, outer.folds, strict=True):
        assert inside.name == f"inside {fold.name}"
        assert inside.test_N.any()
        assert not (inside.test_N & fold.test_N).any()
        assert not ((inside.test_N | inside.train_N) & fold.test_N).any()


def test_a_store_that_is_mounted_elsewhere_is_the_same_store(tmp_path):
    small_plan(tmp_path, base=BASE | {"data": {"store": "/here"}})
    moved = small_plan(base=BASE | {"data": {"store": "/there"}})
    assert open_folder(tmp_path, moved).trials[0].config.data.store == "/there"
    other = replace(moved, groups=tuple(replace(group, store_hash="another") for group in moved.groups))
    with pytest.raises(MerjaxError, match="the clips differ"):
        open_folder(tmp_path, other)


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


def test_checkpoints_are_saved_no_oftener_than_asked_but_at_the_end_of_a_stage(tmp_path, monkeypatch):
    clock, saves = Clock(), []
    monkeypatch.setattr(merjax.engine.checkpoints, "time", clock)
    kept = Checkpoints(tmp_path, "signature", seconds=60)
    monkeypatch.setattr(kept, "_save", lambda stage, now: saves.append(now.done))
    for step in range(1, 11):
        clock.now += 25
        kept.after_call("spatial", lambda step=step: Saved({}, {}, step, {}), step == 10)
    assert saves == [3, 6, 9, 10]


def test_a_failing_disk_says_what_was_being_written(tmp_path, monkeypatch):
    kept = Checkpoints(tmp_path, "signature", seconds=0)

    def save(stage, now):
        raise ValueError("UNKNOWN: write failed") from OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(kept, "_save", save)
    with pytest.raises(MerjaxError, match="cannot save a checkpoint in .*spatial: UNKNOWN: write failed"):
        kept.after_call("spatial", lambda: Saved({}, {"loss": np.zeros(1)}, 1, {}), False)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["predictions", "curves"])
def test_a_damaged_chunk_is_told_of_and_trained_again_to_the_same_values(tmp_path, kind):
    plan, told = small_plan(tmp_path, seeds=2), Recorded()
    carry_out(tmp_path, plan, 1, told)
    path = tmp_path / f"{kind}-0001.parquet"
    before, other = pd.read_parquet(path), (tmp_path / f"{kind}-0000.parquet").stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-20])
    told.told.clear()
    carry_out(tmp_path, plan, 1, told)
    assert told.told[0] == (
        "warned",
        f"{path} is cut off or damaged: chunk 1 does not count as finished and is trained again",
    )
    assert ("finished", 1) in told.told
    pd.testing.assert_frame_equal(pd.read_parquet(path), before, check_exact=True)
    assert (tmp_path / f"{kind}-0000.parquet").stat().st_mtime_ns == other


def test_a_program_is_one_process_s_until_it_is_compiled(tmp_path):
    claim = functools.partial(_claimed_program, tmp_path, 0)
    with claim("spatial-advance-1", False) as mine:
        assert mine
        with claim("spatial-advance-1", False) as again, claim("spatial-apply-1", False) as other:
            assert not again
            assert other
    with claim("spatial-advance-1", True) as mine:
        assert mine


@pytest.mark.long
def test_chunks_of_every_kind_train_with_programs_that_were_compiled_ahead(tmp_path, monkeypatch):
    """Shared stages of both sides, and runs that take what these gave."""
    plan = small_plan(tmp_path, trials=SHARED, base=BASE | {"selection": {"rules": ["fixed", "inner"]}})
    assert {chunk.shared.inner for chunk in plan.stages} == {False, True}
    program, compiled = Engine.program, Engine.compile
    seen = []

    def there(engine, stage, name, f, per_run, *args):
        assert engine.key(stage, name, args) in engine.programs
        return program(engine, stage, name, f, per_run, *args)

    monkeypatch.setattr(Engine, "program", there)
    monkeypatch.setattr(Engine, "compile", lambda engine, key, *rest: (seen.append(key), compiled(engine, key, *rest)))
    monkeypatch.setattr(merjax.sweeps.running.take_chunks, "programs_are_kept", lambda: True)
    take_chunks(tmp_path, beside=True)
    assert all(is_finished(tmp_path, chunk) for chunk in plan.chunks)
    assert (
        len(seen) == len(set(seen)) == 6
    )  # three of two stages; those without the inner subjects have the same shapes
