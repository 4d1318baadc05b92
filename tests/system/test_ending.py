"""How commands end: stopped, or by what nobody foresaw."""

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.commands import checkout_environment

import merjax.cli.check
import merjax.cli.doctor
import merjax.cli.releases
import merjax.cli.slurm
import merjax.cli.sweep
import merjax.datasets
import merjax.faces.pictures
import merjax.protocols.completeness
import merjax.report.files
import merjax.scoring.megc_log
import merjax.stores.from_flow_images
import merjax.sweeps.result
import merjax.sweeps.running.planned
import merjax.sweeps.running.run
import merjax.sweeps.running.take_chunks
import merjax.sweeps.sweep_file
import merjax.synthesis.release
import merjax.system.health
import merjax.system.tables
from merjax.cli.main import WORDS, main
from merjax.stores import preparation
from merjax.sweeps.running.pool import _failure
from merjax.system.at_work import at_work, worked_on
from merjax.system.ending import FaultElsewhere, impersonal
from merjax.system.errors import WORKERS, MerjaxError, command


def ended(capsys, line) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(line)
    return end.value.code, capsys.readouterr().err


def unforeseen(*given, **named):
    return 1 / 0


FIRST = {  # by word: a line, and what it does first of all that takes long
    "sweep": (["sweep", "quickstart"], "merjax.sweeps.sweep_file.read_sweep", "reading the sweep file quickstart"),
    "train": (["train", "quickstart"], "merjax.sweeps.sweep_file.read_sweep", "reading quickstart"),
    "prepare": (["prepare", "--casme2", "here", "--out", "x"], "merjax.datasets.read_casme2", "reading here"),
    "check": (["check", "--samm", "here"], "merjax.datasets.read_samm", "reading here"),
    "report": (["report", "runs/a"], "merjax.sweeps.result.open_sweeps", "reading runs/a"),
    "rescore": (["rescore", "log.txt"], "merjax.scoring.megc_log.rescore", "scoring the log log.txt"),
    "synthesize": (["synthesize", "--out", "x"], "merjax.synthesis.release.read_face", "reading the portrait"),
    "analyse": (["analyse", "talk.mp4"], "merjax.datasets.own_videos.video_at", "reading talk.mp4"),
    "merge": (["merge", "quickstart", "x"], "merjax.sweeps.running.run.merge", "merging into runs"),
    "doctor": (["doctor"], "merjax.system.health.examine_machine", "examining this machine"),
}


def _patched(monkeypatch, word, action):
    monkeypatch.setattr(FIRST[word][1], action)
    monkeypatch.setattr(merjax.sweeps.running.run, "read_plan", lambda folder: _Plan)
    monkeypatch.setattr(merjax.sweeps.running.run, "refuse_other_trials", lambda *given: None)


class _Plan:
    not_run = ()


@pytest.mark.parametrize("word", WORDS)
def test_what_nobody_foresaw_is_one_sentence_with_the_step_and_a_file_of_details(monkeypatch, tmp_path, capsys, word):
    monkeypatch.chdir(tmp_path)
    _patched(monkeypatch, word, unforeseen)
    code, said = ended(capsys, FIRST[word][0])
    assert code == 1
    assert len(said.splitlines()) == 1
    assert f"while it was {FIRST[word][2]}" in said
    assert "fault of merjax" in said
    (details,) = tmp_path.glob("merjax-error-*.txt")
    assert details.name in said
    written = details.read_text()
    assert "ZeroDivisionError: division by zero" in written
    assert re.search(r"^jax: \d", written, re.M)
    assert str(tmp_path) not in written


@pytest.mark.parametrize("word", WORDS)
def test_every_command_stops_with_one_sentence_and_exit_code_130(monkeypatch, tmp_path, capsys, word):
    monkeypatch.chdir(tmp_path)

    def interrupted(*given, **named):
        raise KeyboardInterrupt

    _patched(monkeypatch, word, interrupted)
    code, said = ended(capsys, FIRST[word][0])
    assert code == 130
    assert len(said.splitlines()) == 1
    assert said.startswith("stopped")


INNER = [  # further steps: where, what is thrown there, what is called, what was at work
    (
        preparation,
        "crop_clip",
        lambda: preparation._prepare_job(preparation._Job(0, _Clip, 0, ()), Path(), None, Path()),
        "preparing the clip a/b/c",
    ),
    (
        merjax.synthesis.release,
        "render",
        lambda: merjax.synthesis.release._write_clip(Path("x"), _Layout, None, None, None, False),
        "making the clip sub01/EP01",
    ),
    (
        merjax.sweeps.running.run,
        "make_demo_store",
        lambda: merjax.sweeps.running.run.make_missing_store(_sweep(synthesize={}), None),
        "making the clips in stores/x",
    ),
    (
        merjax.sweeps.running.planned,
        "planned",
        lambda: merjax.cli.sweep._print_plan(_sweep(), Path("runs/x"), None, None, None),
        "planning the sweep in runs/x",
    ),
    (
        merjax.cli.slurm,
        "check",
        lambda: merjax.cli.sweep._submit(_sweep(), "x.yaml", _ASKED, Path("runs/x"), None),
        "submitting the shards of runs/x",
    ),
    (
        merjax.protocols.completeness,
        "check_releases",
        lambda: merjax.cli.check._print_counts([SimpleNamespace(database="smic")], audit=False),
        "counting the clips of smic",
    ),
    (merjax.system.tables, "_content", lambda: merjax.system.tables.read_tables(Path("x.csv")), "reading x.csv"),
    (merjax.faces.pictures, "_content", lambda: merjax.faces.pictures.read_image(Path("x.png")), "reading x.png"),
]


_ASKED = SimpleNamespace(slurm=1, slurm_set=[], log=None, words=[], scale="full")


def _sweep(synthesize=None):
    trial = SimpleNamespace(config=SimpleNamespace(method="local_regions", data=None))
    return SimpleNamespace(synthesize=synthesize, store=Path("stores/x"), name="x", trials=(trial,))


class _Clip:
    key = "a/b/c"


class _Layout:
    @staticmethod
    def clip(plan):
        return Path("sub01/EP01")


@pytest.mark.parametrize(
    ("module", "name", "call", "step"), INNER, ids=[f"{row[0].__name__}.{row[1]}" for row in INNER]
)
def test_steps_inside_a_command_name_their_clip_even_through_a_process(monkeypatch, tmp_path, module, name, call, step):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, name, unforeseen)
    with pytest.raises((ZeroDivisionError, AttributeError)) as caught:
        call()
    assert worked_on(pickle.loads(pickle.dumps(caught.value)))[0] == step


def test_a_chunk_is_named_when_its_training_fails(monkeypatch, tmp_path):
    from support.small_experiment import small_plan, use_small_experiment

    use_small_experiment(monkeypatch.setattr)
    small_plan(tmp_path)
    monkeypatch.setattr(merjax.sweeps.running.take_chunks, "_train_and_save", unforeseen)
    with pytest.raises(ZeroDivisionError) as caught:
        merjax.sweeps.running.take_chunks.take_chunks(tmp_path)
    assert worked_on(caught.value) == [f"training chunk 0 of {tmp_path}"]


def test_a_workers_fault_is_passed_on_and_not_reported_twice(tmp_path):
    said = f"noise\n{WORKERS}: this is a fault of merjax\n".encode()
    (tmp_path / "log").write_bytes(b"\xff\n" + said + b"W0000 external/xla: error: a library says this last\n")
    assert isinstance(_failure(1, tmp_path / "log"), FaultElsewhere)
    assert str(_failure(2, tmp_path / "log")) == "this is a fault of merjax"
    assert isinstance(_failure(2, tmp_path / "log"), MerjaxError)
    (tmp_path / "log").write_text("xla error: y\nTraceback\nImportError: x")
    assert "ImportError: x" in str(_failure(1, tmp_path / "log"))
    assert not isinstance(_failure(1, tmp_path / "log"), FaultElsewhere)
    assert not isinstance(_failure(1, tmp_path / "log"), MerjaxError)


def test_details_go_to_the_temporary_folder_where_the_working_folder_cannot_be_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    real = Path.open

    def refuse(self, *given, **named):
        if not self.is_absolute():
            raise PermissionError(13, "no", str(self))
        return real(self, *given, **named)

    monkeypatch.setattr(Path, "open", refuse)
    _patched(monkeypatch, "rescore", unforeseen)
    _, said = ended(capsys, FIRST["rescore"][0])
    assert str(tmp_path) in said
    assert list(tmp_path.glob("merjax-error-*.txt"))


def test_details_hold_no_home_and_no_user(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("LOGNAME", "lovelace")
    text = f"{tmp_path}/x /home/ada/y /home/adam/z /data/lovelace/w /Users/bob/v C:\\Users\\bob\\u lovelaces"
    assert impersonal(text) == "./x ~/y /home/USER/z /data/USER/w /Users/USER/v C:\\Users\\USER\\u lovelaces"


def test_the_innermost_step_is_named():
    with pytest.raises(ValueError, match="x") as caught, at_work("reading", "a"), at_work("reading", "b"):
        raise ValueError("x")
    assert worked_on(caught.value) == ["reading b", "reading a"]


def test_memory_that_runs_out_is_no_fault(capsys):
    @command
    def greedy():
        with at_work("reading", "a"):
            raise MemoryError

    with pytest.raises(SystemExit) as end:
        greedy()
    assert end.value.code == 2
    assert "memory ran out while merjax was reading a" in capsys.readouterr().err


_SLOW = """\
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in its background ignores it
from merjax.system.errors import command
from merjax.system.signals import unheard_by_children
@command
def main():
    with unheard_by_children():
        code = "import time; print('child', flush=True); time.sleep(1); print('whole')"
        child = subprocess.Popen([sys.executable, "-c", code])
    time.sleep(20)
main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_all_processes_is_one_sentence_and_children_hear_no_interrupt(tmp_path, number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW],
        env=checkout_environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "child\n"
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err == "stopped before it was finished; the same line starts again\n"
    assert out == ("whole\n" if number == signal.SIGINT else "")  # SIGTERM ends the child too


@pytest.mark.long
def test_an_interrupted_preparation_goes_on(tmp_path, small_release):
    """Ctrl-C, as a terminal sends it, while clips are prepared; then the same line again."""
    line = [
        sys.executable,
        "-m",
        "merjax",
        "prepare",
        "--casme2",
        str(small_release),
        "--align",
        "frame",
        "--out",
        "store",
    ]

    def start():
        return subprocess.Popen(
            line,
            env=checkout_environment(),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    process, journal = start(), tmp_path / "store.partial" / "journal.jsonl"
    while process.poll() is None and not (journal.is_file() and "\n" in journal.read_text()):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said == "stopped; the clips that were finished are kept, and the same line goes on with the others\n"
    kept = journal.read_text().count("\n")
    assert kept >= 1
    process = start()
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert (tmp_path / "store" / "store.json").is_file()
