"""What stages gave, kept in folders: whole or not there, checked when read, shared between sweeps within a size."""

import errno
import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from merjax.cli.doctor import main as doctor
from merjax.config import make_config
from merjax.engine import StageResult, Variables
from merjax.methods.spatial_stage import SPATIAL
from merjax.sweeps import kept_stages, stage_library
from merjax.sweeps.kept_stages import (
    entries_in,
    is_there,
    read_entry,
    remove_entry,
    size_of,
    stages_of,
    write_entry,
)
from merjax.sweeps.stage_library import Library, open_library, trim
from merjax.system.errors import MerjaxError
from merjax.system.values import size_in_bytes

A, B, C = ("a" * 32, "b" * 32, "c" * 32)
RNG = np.random.default_rng(0)
RESULT = StageResult(
    Variables({"fc": {"bias": RNG.normal(size=(2, 3)).astype(np.float32)}}),
    RNG.normal(size=(2, 500, 6, 20)).astype(np.float32),
    {"loss": RNG.normal(size=(2, 7)).astype(np.float32), "accuracy": np.zeros((2, 7), np.float32)},
    None,
)


def put(place: Path, entry: str, p: int = 0, *, variables: bool = False) -> int:
    write_entry(place, entry, SPATIAL, RESULT, p, variables=variables)
    return size_of(place, entry)


class Sentences(list):
    def __call__(self, sentence: str) -> None:
        self.append(sentence)


def library(folder: Path, limit: int = 10**9) -> tuple[Library, Sentences]:
    told = Sentences()
    return Library(folder, limit, told), told


def test_what_was_kept_is_read_back_bit_by_bit_and_mapped(tmp_path):
    put(tmp_path, A, 1, variables=True)
    kept = read_entry(tmp_path, A, SPATIAL, variables=True)
    assert isinstance(kept.output, np.memmap)
    assert (kept.output == RESULT.outputs[1]).all()
    assert list(kept.curves) == ["loss", "accuracy"]
    assert (kept.curves["loss"] == RESULT.curves["loss"][1]).all()
    assert (kept.variables.params["fc"]["bias"] == RESULT.variables.params["fc"]["bias"][1]).all()


def test_half_precision_takes_half_the_disk_and_goes_by_another_name(tmp_path):
    whole, half = put(tmp_path, A), put(tmp_path, f"{A}-float16")
    assert half < 0.55 * whole
    kept = read_entry(tmp_path, f"{A}-float16", SPATIAL, variables=False)
    assert (kept.output == RESULT.outputs[0].astype(np.float16)).all()
    (tmp_path / A).rename(tmp_path / "aside")
    (tmp_path / f"{A}-float16").rename(tmp_path / A)
    with pytest.raises(MerjaxError, match="changed by hand; it is trained again"):
        read_entry(tmp_path, A, SPATIAL, variables=False)


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES = {
    "a changed byte": (lambda place: flip(place / A / "features.npy"), "features.npy is damaged"),
    "a missing file": (lambda place: (place / A / "curves.npz").unlink(), "curves.npz is damaged"),
    "an empty file": (lambda place: (place / A / "entry.json").write_text(""), "entry.json is empty"),
    "another seal": (lambda place: edit(place / A / "entry.json", version="9"), "entry.json was changed by hand"),
    "another format": (lambda place: edit(place / A / "entry.json", format=2), "has format 2 and not 1"),
    "another name": (lambda place: (place / A).rename(place / B), "entry.json was changed by hand"),
}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_refused_in_a_sentence_and_the_doctor_says_the_same(tmp_path, damage, capsys):
    do, sentence = DAMAGES[damage]
    put(tmp_path, A)
    put(tmp_path, C)
    do(tmp_path)
    entry = B if damage == "another name" else A
    with pytest.raises(MerjaxError, match=f"{sentence}.*; it is trained again"):
        read_entry(tmp_path, entry, SPATIAL, variables=False)
    with pytest.raises(SystemExit, match="2"):
        doctor([str(tmp_path)])
    out = capsys.readouterr().out
    assert "2 outputs of stages, 0.5 MB" in out
    assert f"{C}: spatial stage, version 1, float32, 0.2 MB" in out
    assert sentence in out
    assert "sweeps train it again" in out


def test_another_version_of_a_stage_and_models_that_were_not_kept_are_not_taken(tmp_path):
    put(tmp_path, A)
    with pytest.raises(MerjaxError, match="another version of the spatial stage"):
        read_entry(tmp_path, A, SPATIAL._replace(version=2), variables=False)
    with pytest.raises(MerjaxError, match="another version"):
        read_entry(tmp_path, A, SPATIAL._replace(stage="other"), variables=False)
    with pytest.raises(MerjaxError, match="engine.save_models needs"):
        read_entry(tmp_path, A, SPATIAL, variables=True)


def test_sweeps_fill_a_shared_folder_and_take_from_it(tmp_path):
    put(tmp_path / "one", A)
    shared, told = library(tmp_path / "shared")
    assert not shared.holds(A)
    shared.offer(A, tmp_path / "one")
    assert entries_in(tmp_path / "shared") == [A]
    other, _ = library(tmp_path / "shared")
    assert other.fetch(A, tmp_path / "two", SPATIAL, variables=False)
    assert not other.fetch(B, tmp_path / "two", SPATIAL, variables=False)
    kept = read_entry(tmp_path / "two", A, SPATIAL, variables=False)
    assert (kept.output == RESULT.outputs[0]).all()
    shutil.rmtree(tmp_path / "shared")  # a sweep's own copy does not depend on it
    assert (read_entry(tmp_path / "two", A, SPATIAL, variables=False).output == RESULT.outputs[0]).all()
    assert told == []
    assert not [*tmp_path.rglob(".*.*")]


def test_what_was_used_longest_ago_is_removed_first(tmp_path):
    size = put(tmp_path / "own", A)
    shared, told = library(tmp_path / "shared", limit=2 * size + size // 2)
    for age, entry in ((30, A), (20, B)):
        put(tmp_path / "own", entry)
        shared.offer(entry, tmp_path / "own")
        os.utime(tmp_path / "shared" / entry / "entry.json", (time.time() - age, time.time() - age))
    assert shared.fetch(A, tmp_path / "two", SPATIAL, variables=False)  # the older one was used last
    put(tmp_path / "own", C)
    shared.offer(C, tmp_path / "own")
    assert entries_in(tmp_path / "shared") == [A, C]
    assert told == []
    trim(tmp_path / "shared", 0)
    assert entries_in(tmp_path / "shared") == []


def test_what_cannot_be_removed_stays_and_what_can_goes(tmp_path, monkeypatch):
    """As where another user of the folder has added it."""
    for entry in (A, B):
        size = put(tmp_path, entry)
    os.utime(tmp_path / A / "entry.json", (0, 0))
    monkeypatch.setattr(kept_stages.os, "access", lambda path, mode: path.name != A)
    trim(tmp_path, size)
    assert entries_in(tmp_path) == [A]
    trim(tmp_path, 0)
    assert entries_in(tmp_path) == [A]


def test_a_part_that_a_killed_process_left_is_replaced(tmp_path):
    put(tmp_path / "own", A)
    shared, told = library(tmp_path / "shared")
    for folder in (tmp_path / "shared", tmp_path / "place"):
        (folder / A).mkdir(parents=True)
        (folder / A / "features.npy").write_text("a part")
    (tmp_path / "shared" / "stages.json").write_text('{"format": 1}')
    shared.offer(A, tmp_path / "own")
    shared, told = library(tmp_path / "shared")
    shared.offer(A, tmp_path / "own")
    assert shared.fetch(A, tmp_path / "place", SPATIAL, variables=False)
    assert (read_entry(tmp_path / "place", A, SPATIAL, variables=False).output == RESULT.outputs[0]).all()
    assert told == []


def test_at_no_moment_of_its_removal_is_a_part_of_an_output_under_its_name(tmp_path, monkeypatch):
    put(tmp_path, A)

    def killed(path, **how):
        if path.exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(kept_stages.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_entry(tmp_path, A)
    assert not (tmp_path / A).exists()
    monkeypatch.undo()
    kept_stages.remove_asides(tmp_path, [A])
    assert list(tmp_path.iterdir()) == []


def test_only_the_batches_of_a_search_have_one_place(tmp_path):
    batches = [tmp_path / "run" / "search" / f"trials-000{i}" for i in (0, 4)]
    assert {stages_of(batch) for batch in batches} == {tmp_path / "run" / "search" / "stages"}
    for own in (tmp_path / "search" / "first", tmp_path / "run"):  # whatever the user calls folders
        assert stages_of(own) == own / "stages"


def test_a_limit_that_holds_nothing_is_told_once(tmp_path):
    put(tmp_path / "own", A)
    shared, told = library(tmp_path / "shared", limit=1000)
    for _ in range(2):
        shared.offer(A, tmp_path / "own")
    (sentence,) = told
    assert "engine.stages_limit is below the 0.2 MB" in sentence
    assert sentence.endswith("the sweep goes on without it")


def test_a_full_disk_is_cleaned_up_and_then_done_without(tmp_path, monkeypatch):
    put(tmp_path / "own", A)
    shared, told = library(tmp_path / "shared")
    shared.offer(A, tmp_path / "own")
    copy, room = shutil.copyfile, [False]

    def copyfile(source, target):
        if "shared" in str(target) and (is_there(tmp_path / "shared", A) or not room[0]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return copy(source, target)

    monkeypatch.setattr(stage_library.shutil, "copyfile", copyfile)
    put(tmp_path / "own", B)
    room[0] = True
    shared.offer(B, tmp_path / "own")
    assert entries_in(tmp_path / "shared") == [B]  # there was room once the older one was gone
    assert told == []
    room[0] = False
    put(tmp_path / "own", C)
    shared.offer(C, tmp_path / "own")
    (sentence,) = told
    assert "No space left" in sentence
    assert sentence.endswith("the sweep goes on without it")
    assert not list((tmp_path / "shared").glob(f".{C}*"))


def test_a_folder_that_cannot_be_written_is_still_read(tmp_path, monkeypatch):
    put(tmp_path / "own", A)
    library(tmp_path / "shared")[0].offer(A, tmp_path / "own")
    shared, told = library(tmp_path / "shared")

    def refuse(*args):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(stage_library, "trim", refuse)
    monkeypatch.setattr(stage_library.os, "utime", refuse)
    put(tmp_path / "own", B)
    for _ in range(2):
        shared.offer(B, tmp_path / "own")
    assert [s.partition("shared ")[2] for s in told] == [
        "cannot be written (Read-only file system); the sweep goes on without it"
    ]
    assert shared.fetch(A, tmp_path / "two", SPATIAL, variables=False)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder.write_text(""), "is a file, not a folder"),
        (lambda folder: (folder.mkdir(), (folder / "photo.png").write_text("")), "is not empty and holds no stages"),
        (lambda folder: (folder.mkdir(), (folder / "stages.json").write_text('{"format": 7}')), "it has format 7"),
        (lambda folder: (folder.mkdir(), (folder / "stages.json").write_text("{")), "is damaged"),
    ],
)
def test_a_folder_of_something_else_or_of_another_version_is_a_sentence(tmp_path, make, reason):
    make(tmp_path / "shared")
    shared, (sentence,) = library(tmp_path / "shared")
    assert reason in sentence
    assert sentence.endswith("the sweep goes on without it")
    put(tmp_path / "own", A)
    shared.offer(A, tmp_path / "own")
    assert not shared.fetch(A, tmp_path / "two", SPATIAL, variables=False)
    assert not is_there(tmp_path / "shared", A)


def test_what_is_damaged_in_it_or_half_written_is_not_taken(tmp_path):
    put(tmp_path / "own", A)
    shared, told = library(tmp_path / "shared")
    shared.offer(A, tmp_path / "own")
    flip(tmp_path / "shared" / A / "features.npy")
    half = tmp_path / "shared" / f".{B}.elsewhere.17"
    half.mkdir()
    (half / "features.npy").write_text("half")
    assert not shared.fetch(A, tmp_path / "two", SPATIAL, variables=False)
    assert not shared.fetch(B, tmp_path / "two", SPATIAL, variables=False)
    (sentence,) = told
    assert sentence.endswith("it is trained again")
    assert entries_in(tmp_path / "shared") == []  # and it does not stay there for the next
    os.utime(half, (0, 0))
    shared.offer(A, tmp_path / "own")
    assert not half.exists()


@pytest.mark.parametrize(("number", "sentences"), [(errno.EACCES, 1), (errno.ENOENT, 0)])
def test_what_cannot_be_copied_stays_for_others(tmp_path, monkeypatch, number, sentences):
    put(tmp_path / "own", A)
    shared, told = library(tmp_path / "shared")
    shared.offer(A, tmp_path / "own")

    def refuse(source, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(stage_library.shutil, "copyfile", refuse)
    assert not shared.fetch(A, tmp_path / "two", SPATIAL, variables=False)
    assert is_there(tmp_path / "shared", A)
    assert len(told) == sentences
    assert all(f"cannot be copied to {tmp_path / 'two'} (" in sentence for sentence in told)


def test_processes_may_add_the_same_and_remove_it_meanwhile(tmp_path):
    size = put(tmp_path / "own", A)
    for entry in (B, C):
        put(tmp_path / "own", entry)
    told = Sentences()

    def use(order) -> None:
        shared = Library(tmp_path / "shared", 2 * size, told)
        for _ in range(8):
            for entry in order:
                shared.offer(entry, tmp_path / "own")
                shared.fetch(entry, tmp_path / f"to{threading.get_ident()}", SPATIAL, variables=False)

    threads = [threading.Thread(target=use, args=(order,)) for order in ((A, B, C), (C, B, A))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for entry in entries_in(tmp_path / "shared"):
        read_entry(tmp_path / "shared", entry, SPATIAL, variables=False)
    assert sum(size_of(tmp_path / "shared", entry) for entry in entries_in(tmp_path / "shared")) <= 2 * size


def test_the_settings_name_the_folder_and_its_limit(tmp_path):
    told = Sentences()
    engine = make_config({"engine": {"stages": str(tmp_path / "s"), "stages_limit": "1.5 GB"}}).engine
    shared = open_library(engine, told)
    assert (shared.folder, shared.limit) == (tmp_path / "s", 1_500_000_000)
    assert open_library(make_config().engine, told).folder is None
    assert open_library(make_config({"engine": {"stages": "s", "share": False}}).engine, told).folder is None
    assert [size_in_bytes(text) for text in ("20GB", "3kB", "7 B", "2TB")] == [20 * 10**9, 3000, 7, 2 * 10**12]
    for text in ("20", "GB", "-3GB", "20 gallons"):
        with pytest.raises(MerjaxError, match="engine.stages_limit is .*; write a size such as 20GB"):
            make_config({"engine.stages_limit": text})
    assert kept_stages.FORMAT == stage_library.FORMAT == 1
