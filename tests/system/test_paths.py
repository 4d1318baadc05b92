"""Paths from outside: the home folder at every door, what lies at a path told truly, and what cannot be listed passed over."""

import argparse
import importlib
import os
from pathlib import Path

import pytest
from support.nobody import as_nobody
from support.report_command import word

import merjax
from merjax.cli.main import WORDS
from merjax.config import make_config
from merjax.faces.landmarks import find_model
from merjax.sweeps.sweep_file import read_sweep
from merjax.system import environment
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import (
    is_foreign,
    lacks_file,
    lacks_folder,
    listed,
    make_folder,
    refuse_unwritable,
    user_path,
)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home folder, and another folder to work in."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_a_leading_tilde_is_the_home_folder_and_any_other_is_a_letter(home):
    assert user_path("~/made") == home / "made"
    assert user_path(Path("~")) == home
    for text in ("a~", "./~", "./~/x", "x/~/y", "~$lock.xlsx"):
        assert user_path(text) == Path(text)


@pytest.mark.parametrize("text", ["", "  ", "a\0b", os.fsdecode(b"\xff")])
def test_what_no_path_can_be_is_refused(text):
    with pytest.raises(MerjaxError):
        user_path(text)


def test_a_tilde_without_a_home_folder_is_refused_and_makes_no_folder_of_that_name(monkeypatch):
    monkeypatch.setattr(environment, "home", lambda: None)  # as where neither HOME nor the user is known
    with pytest.raises(MerjaxError, match="no home folder here"):
        user_path("~/made")


def test_a_tilde_is_the_same_folder_everywhere_also_where_home_is_empty(monkeypatch):
    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("MERJAX_CACHE", "~/made")
    assert user_path("~/made") == environment.home() / "made" == environment.cache_place()[0]
    assert user_path("~/made") != Path("/made")


def test_the_home_of_a_user_who_is_not_here_is_refused_and_of_one_who_is_found(monkeypatch):
    for read in (user_path, lambda text: monkeypatch.setenv("MERJAX_CACHE", text) or environment.cache_place()):
        with pytest.raises(MerjaxError, match=r"^~nosuchuser/x: there is no user nosuchuser here"):
            read("~nosuchuser/x")
    assert user_path("~root") == Path(os.path.expanduser("~root"))


def test_no_word_of_the_command_line_has_a_path_that_is_not_expanded():
    """Every flag that names files has `user_path` as its type: none has `Path`."""
    typed = 0
    for name in WORDS:
        module = importlib.import_module(f"merjax.cli.{name}")
        parser = module._parser("merjax sweep") if name == "sweep" else module._parser()
        for action in parser._actions:
            assert not (isinstance(action.type, type) and issubclass(action.type, Path)), action
            typed += action.type is user_path
            if action.metavar in ("DIR", "FILE", "CSV", "FOLDER", "RUN", "LOG", "STORE", "PATH"):
                assert action.type is user_path or isinstance(action, argparse._StoreTrueAction), action
    assert typed > 15


def test_every_door_for_callers_from_python_takes_a_tilde(home):
    calls = {
        "open_store": lambda: merjax.open_store("~/x"),
        "open_sweep": lambda: merjax.open_sweep("~/x"),
        "load_model": lambda: merjax.load_model("~/x"),
        "rescore": lambda: merjax.rescore("~/x"),
        "make_report": lambda: merjax.make_report("~/x"),
        "read_casme2": lambda: merjax.read_casme2("~/x"),
        "read_samm": lambda: merjax.read_samm("~/x"),
        "read_smic": lambda: merjax.read_smic("~/x"),
        "run_sweep": lambda: merjax.run_sweep("~/x"),
        "load_data": lambda: merjax.load_data("~/x"),
        "landmarks": lambda: find_model("~/x"),
        "portraits": lambda: merjax.synthesize_release("new", portraits="~/x"),
        "prepare_store": lambda: merjax.prepare_store(merjax.Release("casme2", Path(), (), (), "", {}), "~/x"),
    }
    for name, call in calls.items():
        with pytest.raises(MerjaxError) as told:
            call()
        assert str(home / "x") in str(told.value) or name == "prepare_store", name
    assert not os.listdir()
    (home / "made").mkdir()
    with pytest.raises(MerjaxError, match=f"{home / 'made'} exists"):
        merjax.prepare_store(merjax.Release("casme2", Path(), (object(),), (), "", {}), "~/made")


def test_a_tilde_in_settings_and_in_yaml_files_is_the_home_folder(home):
    assert make_config("data.store=~/s").data.store == str(home / "s")
    assert make_config({"data": {"store": "~/s"}}).data.store == str(home / "s")
    assert make_config({"data": {"store": "a/~b"}}).data.store == "a/~b"
    (home / "base.yaml").write_text("data: {store: ~/s}\n")
    (home / "mine.yaml").write_text("base: ~/base.yaml\n")
    sweep = read_sweep(user_path("~/mine.yaml"))
    assert sweep.store == home / "s"


def test_what_lies_at_a_path_is_told_as_it_is(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert lacks_file(tmp_path / "file") == lacks_folder(tmp_path) == ""
    assert lacks_file(tmp_path) == "is a folder"
    assert lacks_folder(tmp_path / "file") == "is a file, not a folder"
    assert lacks_file(tmp_path / "none") == lacks_folder(tmp_path / "file" / "below") == "does not exist"
    assert lacks_file(tmp_path / "nowhere") == "is a link that leads nowhere"
    assert lacks_folder(tmp_path / "loop") == "is a link that leads back to itself"
    assert lacks_file(Path("/dev/null")) == "is neither a file nor a folder"
    assert "cannot be reached" in lacks_file(tmp_path / ("x" * 300))


def test_permission_that_lacks_is_told_for_reading_and_for_writing(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "secret").touch(mode=0o600)
    with as_nobody(tmp_path):
        if os.geteuid() == tmp_path.stat().st_uid:
            pytest.skip("files of one's own cannot be closed to another user here")
        assert lacks_file(tmp_path / "secret") == "cannot be read (no permission)"
        assert lacks_folder(tmp_path / "closed") == "cannot be read (no permission)"
        assert "cannot be reached" in lacks_file(tmp_path / "closed" / "x")
        with pytest.raises(MerjaxError, match="no permission to write there"):
            refuse_unwritable(tmp_path / "new" / "deep")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda place: (place / "secret").read_bytes(), "secret: no permission to read it"),
        (lambda place: os.listdir(place / "closed"), "closed: no permission to read it"),
        (lambda place: (place / "closed" / "x").read_bytes(), "x: no permission to read it"),
        (lambda place: (place / "new").write_bytes(b""), "new: no permission to write there"),
        (lambda place: (place / "made").mkdir(), "made: no permission to write there"),
    ],
)
def test_an_error_of_the_system_says_read_where_it_was_reading_and_write_where_it_was_writing(
    tmp_path, capsys, act, said
):
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "secret").touch(mode=0o600)
    with as_nobody(tmp_path):
        if os.geteuid() == tmp_path.stat().st_uid:
            pytest.skip("files of one's own cannot be closed to another user here")
        with pytest.raises(SystemExit) as stop:
            command(act)(tmp_path)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_folders_that_cannot_be_made_are_refused_before_anything_is_made(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for place, said in (("file", "is a file"), ("file/a/b", "is a file"), ("nowhere/a", "leads nowhere")):
        with pytest.raises(MerjaxError, match=said):
            make_folder(tmp_path / place)
    refuse_unwritable(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_foreign_files_are_not_listed_and_what_cannot_be_looked_at_is_told(tmp_path):
    names = ("._img1.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir", "~$sheet.xlsx", "lost+found")
    for name in (*names, "b", "a"):
        (tmp_path / name).touch()
        assert is_foreign(name) == (name in names)
    (tmp_path / "c").symlink_to("gone")
    passed_over = []
    assert [path.name for path in listed(tmp_path, passed_over)] == ["a", "b"]
    assert passed_over == [f"{tmp_path / 'c'} is a link that leads nowhere: passed over"]
    assert listed(tmp_path / "none", passed_over) == []
    assert "cannot be listed (No such file or directory)" in passed_over[1]


def test_words_of_the_command_line_name_folders_given_for_files_and_files_for_folders(tmp_path):
    (tmp_path / "file").touch()
    lines = {
        ("rescore", tmp_path): "is a folder",
        ("sweep", tmp_path): "is a folder",
        ("report", tmp_path / "file"): "is a file, not a folder",
        ("doctor", tmp_path / "file"): "is a file, not a folder",
        ("check", "--casme2", tmp_path / "file"): "is a file, not a folder",
        ("synthesize", "--out", tmp_path / "file"): "is a file, not a folder",
        (
            "prepare",
            "--flow-images",
            tmp_path,
            "--clips",
            tmp_path,
            "--out",
            tmp_path / "x",
        ): "is a folder; name the file",
    }
    for line, said in lines.items():
        result = word(*line)
        assert result.returncode == 2, line
        assert said in result.stderr, line
