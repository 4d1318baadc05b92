"""A sweep's folder whose files are damaged: such chunks do not count as finished, and everything else names its file."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.fake_runs import small_clips, write_fake_run
from support.nobody import as_nobody
from support.report_command import word

from merjax.sweeps.folder import chunk_files, damaged_files, is_finished, read_predictions
from merjax.sweeps.merging import merge
from merjax.sweeps.provenance import note_files, note_sitting, read_conditions
from merjax.sweeps.result import open_sweep
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.own_files import lacks_table, sealed


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = write_fake_run(tmp_path_factory.mktemp("runs") / "whole", clips=small_clips(("casme2",)), chunk_runs=2)
    result = open_sweep(folder)
    for chunk in result.plan.chunks:
        note_sitting(folder, chunk, 1.0)
        note_files(folder, chunk)
    write_json(folder / "plan.json", sealed(result.plan.to_json()))
    return folder


@pytest.fixture
def run(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def damage(path: Path, how: str) -> None:
    size = path.stat().st_size
    if how == "zeros":
        path.write_bytes(bytes(size))
    elif how == "text":
        path.write_text("PAR1 is how it begins, and PAR1")
    else:
        os.truncate(path, {"empty": 0, "cut": size // 2, "one byte": size - 1}[how])


@pytest.mark.parametrize("how", ["empty", "cut", "one byte", "zeros", "text"])
@pytest.mark.parametrize("kind", ["predictions", "curves"])
def test_a_chunk_with_a_damaged_file_is_not_finished_and_all_tables_are_of_the_others(run, kind, how):
    before = open_sweep(run)
    assert len(before.predictions) < len(before.curves)  # both are read now, and kept
    damage(run / f"{kind}-0002.parquet", how)
    result = open_sweep(run)
    assert [chunk.number for chunk in result.missing_chunks] == [2]
    lost = {(r.trial, r.fold) for r in result.missing}
    keys = before.predictions[["trial", "fold"]].itertuples(index=False, name=None)
    kept = before.predictions[[key not in lost for key in keys]]
    pd.testing.assert_frame_equal(result.predictions, kept.reset_index(drop=True))
    assert f"{kind}-0002.parquet" in result.missing_sentence
    assert len(result.curves) < len(before.curves)
    said = word("doctor", run)
    assert said.returncode == 2
    assert f"{kind}-0002.parquet" in said.stdout


def test_a_whole_folder_and_one_without_curves_or_records_as_earlier_ones_are_finished(run, whole):
    assert word("doctor", run).returncode == 0
    for path in (*run.glob("curves-*"), *run.glob("record-*")):
        path.unlink()
    result = open_sweep(run)
    assert not result.missing
    assert damaged_files(run, result.plan.chunks) == []
    pd.testing.assert_frame_equal(result.predictions, open_sweep(whole).predictions)
    assert result.curves.empty


def test_the_ends_of_a_table_tell_whether_it_is_whole_also_after_it_was_replaced(run):
    path = run / "predictions-0000.parquet"
    content = path.read_bytes()
    assert lacks_table(path) == ""
    for bad in (b"", content[:-1], content[1:], content[:100], b"PAR1" + bytes(4) + b"PAR1", bytes(len(content) + 1)):
        path.write_bytes(bad)
        assert lacks_table(path), bad
    path.write_bytes(content)
    os.utime(path)
    assert lacks_table(path) == ""
    assert lacks_table(run / "none") == "does not exist"


def test_a_chunk_that_another_user_may_not_read_is_not_taken_for_damaged(run):
    chunk = open_sweep(run).plan.chunks[1]
    for path in chunk_files(run, chunk):
        mode = path.stat().st_mode
        path.chmod(0o200)
        with as_nobody(run):
            for look in (is_finished, lambda folder, one: damaged_files(folder, [one])):
                with pytest.raises(MerjaxError, match=rf"^{path} cannot be read \(no permission\); change"):
                    look(run, chunk)
        path.chmod(mode)
    assert is_finished(run, chunk)


def test_a_changed_bit_inside_a_table_is_a_sentence_when_it_is_read(run):
    path = run / "predictions-0001.parquet"
    content = bytearray(path.read_bytes())
    content[content.index(b"casme2/") + 8] ^= 1
    path.write_bytes(content)
    result = open_sweep(run)
    with pytest.raises(MerjaxError, match=r"predictions-0001\.parquet is damaged .*; remove the file and run"):
        read_predictions(run, result.plan.chunks)
    assert "predictions-0001.parquet" in word("doctor", run).stdout


def test_a_table_that_is_another_chunks_is_found_by_the_doctor(run):
    shutil.copy(run / "predictions-0001.parquet", run / "predictions-0002.parquet")
    said = word("doctor", run)
    assert said.returncode == 2
    assert "predictions-0002.parquet not as it was" in said.stdout


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 1, "trials": 7, "name": ""}'])
def test_a_damaged_plan_names_itself(run, content):
    (run / "plan.json").write_text(content)
    with pytest.raises(MerjaxError, match=r"plan\.json .*; copy it again"):
        open_sweep(run)
    assert word("doctor", run).returncode == 2


def test_a_plan_that_was_changed_is_found_by_the_doctor(run):
    plan = json.loads((run / "plan.json").read_text())
    (run / "plan.json").write_text(json.dumps(plan | {"seeds": [1]}))
    said = word("doctor", run)
    assert said.returncode == 2
    assert "plan.json      not as it was" in said.stdout


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"seconds": "x"}', '{"seconds": 1, "with": [7]}', '{"files": [7]}']
)
def test_a_damaged_record_of_a_chunk_stops_nothing_and_is_written_anew(run, content):
    result = open_sweep(run)
    (run / "record-0001.json").write_text(content)
    assert read_conditions(run, result.plan.chunks).seconds == len(result.plan.chunks) - 1
    if content in ("", "{", "[]", '{"files": [7]}'):
        assert "record-0001.json" in word("doctor", run).stdout
    note_sitting(run, result.plan.chunks[1], 5.0)
    assert read_conditions(run, result.plan.chunks).seconds == len(result.plan.chunks) + 4


def test_merging_takes_a_chunk_from_the_folder_in_which_it_is_whole(run, whole, tmp_path):
    damage(run / "predictions-0002.parquet", "cut")
    plan = merge([run, whole], tmp_path / "all")
    assert all(is_finished(tmp_path / "all", chunk) for chunk in plan.chunks)
    pd.testing.assert_frame_equal(open_sweep(tmp_path / "all").predictions, open_sweep(whole).predictions)


def test_a_damaged_table_of_proposals_names_itself(tmp_path):
    folder = write_fake_run(tmp_path / "chosen-of-3", clips=small_clips(("casme2",)))
    (tmp_path / "chosen-of-all").mkdir()
    (tmp_path / "chosen-of-all" / "plan.json").touch()  # no number: somebody's own copy
    (tmp_path / "search").mkdir()
    for content in ("", "trial\n", "\0\0"):
        (tmp_path / "search" / "search.csv").write_text(content)
        with pytest.raises(MerjaxError, match=r"search\.csv"):
            open_sweep(tmp_path)
    assert folder.is_dir()
