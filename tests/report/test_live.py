"""The page on a sweep that is being trained: what it says, when it is written again, and that it ends."""

import shutil

import numpy as np
import pytest
from support.fake_runs import small_clips, write_fake_run
from support.report_command import report, words

from merjax.cli import report as report_word
from merjax.engine import Progress
from merjax.report.live import live_page, look_at, state_of
from merjax.sweeps.provenance import note_sitting
from merjax.sweeps.result import open_sweep
from merjax.sweeps.running.underway_notes import UnderwayNotes
from merjax.sweeps.underway import read_underway, seconds_left_of

CLIPS = small_clips(("casme2",))  # four subjects, so each trial has four runs


@pytest.fixture
def running(tmp_path):
    """A sweep of two trials in four chunks: two are finished, with one run that diverged, and two are not."""
    folder = tmp_path / "runs"
    write_fake_run(folder, clips=CLIPS, chunk_runs=2, unfinished=(2, 3), diverged=[("focal", 1)])
    for chunk in open_sweep(folder).plan.chunks[:2]:
        note_sitting(folder, chunk, 60.0)
    return folder


def note(folder, number=2, step=5):
    """What a process writes when it has trained a chunk for some steps: the second of its two runs diverged at the second."""
    plan = open_sweep(folder).plan
    loss_PxL = np.linspace([2.0, 3.0], [1.0, 1.5], step).T.copy()
    loss_PxL[1, 1:] = np.nan
    progress = Progress("spatial", step, 10, 2, (1.0, 1.0), 3.0, 1, {"loss": loss_PxL})
    UnderwayNotes(folder, plan).called(plan.chunks[number], progress)


def test_the_page_says_what_is_finished_waiting_under_way_and_diverged(running):
    note(running)
    page = live_page(look_at(running))
    text = words(page)
    assert 'http-equiv="refresh"' in page
    assert "4 of 8 training runs" in text
    assert "cannot be compared" in text
    assert "focal 4 of 4 finished" in text
    assert "cross-entropy 0 of 4 waiting" in text
    assert "chunk 3, spatial 2 5 of 10" in text
    assert "focal, seed 0, fold casme2/s01" in text  # diverged, and finished
    assert "cross-entropy, seed 0, fold casme2/s01" in text  # diverged, and under way
    assert text.count("seed 0, fold casme2/s01") == 2
    assert "seed 0, fold casme2/s00" not in text
    assert "Training loss of the spatial stage so far" in text


def test_copies_that_fill_a_chunk_up_are_not_told_of(running):
    """The programs take three runs, and the third is a copy of the first, which diverged."""
    result = open_sweep(running)
    loss_PxL = np.array([[2.0, np.nan], [2.0, 1.5], [2.0, np.nan]])
    progress = Progress("spatial", 2, 10, 3, (1.5, 1.5), 3.0, 2, {"loss": loss_PxL})
    UnderwayNotes(running, result.plan).called(result.plan.chunks[2], progress)
    (own,) = read_underway(result)
    assert own.runs == 2
    assert list(own.diverged) == ["cross-entropy, seed 0, fold casme2/s00"]
    assert own.curves["cross-entropy"] == [[0, 2.0], [1, 1.5]]


def test_the_time_left_follows_from_the_work_that_is_left(running):
    """Both finished chunks took a minute; of four stages that are left, alike in cost, one is half done."""
    assert seconds_left_of(open_sweep(running), []) == pytest.approx(120)
    assert "no process is at work" in words(live_page(look_at(running)))
    note(running)
    result = open_sweep(running)
    assert seconds_left_of(result, read_underway(result)) == pytest.approx(120 - 15)
    for record in running.glob("record-*.json"):
        record.unlink()
    assert seconds_left_of(open_sweep(running), []) is None
    assert "too early to say" in words(live_page(look_at(running)))
    assert "no process is at work" not in words(live_page(look_at(running)))


def test_a_note_is_gone_when_its_chunk_is_finished_and_a_damaged_one_is_no_note(running):
    note(running)
    before = state_of(open_sweep(running))
    note(running, step=7)
    assert state_of(open_sweep(running)) != before
    plan = open_sweep(running).plan
    (running / "underway" / "chunk-0003.json").write_text("{")
    assert [own.chunk for own in read_underway(open_sweep(running))] == [2]
    (running / "underway" / "chunk-0003.json").unlink()
    UnderwayNotes(running, plan).finished(plan.chunks[2])
    assert not (running / "underway").exists()


def test_live_writes_the_page_until_the_sweep_is_finished(running, tmp_path, monkeypatch):
    whole = write_fake_run(tmp_path / "whole", clips=CLIPS, chunk_runs=2)
    seen = []

    def finish_a_chunk(seconds):
        assert seconds >= 5
        seen.append((running / "report" / "live.html").read_text())
        for kind in ("curves", "predictions"):
            shutil.copy(whole / f"{kind}-{len(seen) + 1:04d}.parquet", running)

    monkeypatch.setattr(report_word.time, "sleep", finish_a_chunk)
    result = report(running, "--live")
    assert result.returncode == 0, result.stderr
    assert [words(page).split(" training runs")[0].split()[-3:] for page in seen] == [
        ["4", "of", "8"],
        ["6", "of", "8"],
    ]
    last = (running / "report" / "live.html").read_text()
    assert "8 of 8 training runs" in words(last)
    assert "refresh" not in last
    assert (running / "report" / "report.html").is_file()  # the whole report follows
    assert result.stdout.count("it is written again until") == 1


def test_live_follows_one_folder_that_holds_a_sweep(running, tmp_path):
    assert "--live follows one sweep" in report(running, running / "x", "--live").stderr
    assert "does not exist" in report(tmp_path / "none", "--live").stderr


def test_a_search_that_has_not_chosen_yet_shows_its_newest_proposals(running, tmp_path):
    search = tmp_path / "mine"
    for number in (0, 1):
        shutil.copytree(running, search / "search" / f"trials-000{number}")
    watched = look_at(search)
    assert not watched.is_over
    assert "mine, trials-0001" in words(live_page(watched))
