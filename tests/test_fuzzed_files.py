"""Made names and made damage by the thousand: the right result, or exit code 2 and one sentence; never a traceback."""

import json
import os
import shutil
import string
import tempfile
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fake_runs import small_clips, write_fake_run
from support.placeholder_releases import Line, casme2_frames, casme2_sheet
from support.places import CHECKOUT
from support.report_command import word
from support.tiny_store import tiny_store

import merjax
from merjax.datasets import read_casme2
from merjax.engine import Variables
from merjax.models.card import write_card
from merjax.models.health import examine_model
from merjax.models.learned import by_name
from merjax.stores.store import open_store
from merjax.sweeps.health import examine_sweep
from merjax.sweeps.provenance import note_files, note_sitting
from merjax.sweeps.result import open_sweep
from merjax.sweeps.saved_models import model_folder
from merjax.system.errors import MerjaxError
from merjax.system.files import safe_name, write_json
from merjax.system.own_files import noted_files, sealed
from merjax.system.paths import listed

pytestmark = pytest.mark.long

_MANY = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}
# what no name of a file can hold is left out; bytes that are no text, controls, markup, signs of shells and long names are not
LETTERS = st.characters(exclude_characters="/\0", exclude_categories=()) | st.sampled_from(
    "[]~%${}'\"*?:;|<>&!#@\\ .-_\n\x1b\udcff"
)
NAMES = st.text(LETTERS, min_size=1, max_size=40).map(lambda text: text if text.strip(".") else text + "x")
CASME2 = small_clips(("casme2",))


def fits(name: str) -> bool:
    try:
        return len(os.fsencode(name)) <= 200
    except UnicodeEncodeError:  # half of a pair of surrogates, which no system gives
        return False


NAMES = NAMES.filter(fits)


@settings(max_examples=1500, **_MANY)
@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_names_of_subjects_make_folders_that_differ_and_that_every_file_system_takes(names):
    folds = [f"own/{name}" for name in names]
    places = [model_folder(Path("r"), "base", 0, fold, folds).name for fold in folds]
    assert len({place.casefold() for place in places}) == len(names)
    assert all(len(place.encode()) < 200 and "/" not in place and place.strip(".") for place in places)
    assert all(safe_name(place) == place for place in places)


@settings(max_examples=700, **_MANY)
@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.sampled_from(["file", "folder", "nowhere", "loop"]))
def test_a_release_among_files_and_folders_of_any_name_is_read_and_what_was_passed_over_is_told(names, kind):
    lines = [Line("01", "EP02_01f")]
    with tempfile.TemporaryDirectory() as top:
        root = Path(top) / "rel"
        casme2_frames(root / "Cropped", lines)
        casme2_sheet(root / "coding.xlsx", lines)
        for name in names:
            for folder in (root, root / "Cropped", root / "Cropped" / "sub01", root / "Cropped" / "sub01" / "EP02_01f"):
                _put(folder / name, kind)
        release, said = outcome(lambda: read_casme2(root))
        if said:  # names may make a second release, or a second picture of a frame
            assert any(reason in said for reason in ("more than once", "both sheets", "no usable clip")), said
            return
        assert [clip.key for clip in release.clips] == ["casme2/sub01/EP02_01f"]
        for discrepancy in release.discrepancies:
            "".join((discrepancy.subject, discrepancy.name, discrepancy.reason)).encode()  # every file can hold it


def _put(path: Path, kind: str) -> None:
    if os.path.lexists(path):
        return
    if kind == "file":
        path.write_bytes(b"\0")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else path.parent / "x" / "y" / "z")


WORDS = (
    ("rescore", "{}"),
    ("report", "{}"),
    ("doctor", "{}"),
    ("check", "--casme2", "{}"),
    ("check", "--samm", "{}"),
    ("prepare", "--casme2", "{}", "--out", "out"),
    ("prepare", "--flow-images", "{}", "--clips", "{}", "--out", "out"),
    ("synthesize", "--portraits", "{}", "--out", "out"),
    ("merge", "{}", "{}"),
)


@settings(max_examples=600, **_MANY)
@given(NAMES, st.sampled_from(WORDS), st.sampled_from(["none", "file", "folder", "nowhere", "loop"]))
def test_a_word_of_the_command_line_with_a_path_of_any_name_ends_with_one_sentence(name, line, kind):
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as top:
        os.chdir(top)
        try:
            if kind != "none":
                _put(Path(name), kind)
            before = sorted(os.listdir())
            # as an argument that begins with a hyphen would be a flag, and one with `=` a setting
            result = word(*(part.format(f"./{name}") if part == "{}" else part for part in line))
            assert sorted(os.listdir()) == before
        finally:
            os.chdir(here)
    assert result.returncode == 2, result
    assert result.stderr.startswith("error: ") or line[0] == "doctor"
    assert "Traceback" not in result.stderr
    assert not set(result.stderr) & set(map(chr, [*range(9), *range(11, 32), 127]))
    result.stderr.encode()


CHANGES = st.tuples(
    st.sampled_from(["cut", "zero", "flip", "flips", "empty", "remove", "tail", "swap"]),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)


def changed(path: Path, how: str, first: int, second: int) -> None:
    """Damage a file; the numbers say where."""
    content = bytearray(path.read_bytes())
    size = len(content)
    at, other = sorted((first % max(size, 1), second % max(size, 1)))
    if how == "remove":
        path.unlink()
        return
    if how == "cut":
        del content[at:]
    elif how == "zero":
        content[at : other + 1] = bytes(len(content[at : other + 1]))
    elif how == "empty":
        content.clear()
    elif how == "tail":
        content += bytes(1 + first % 64)
    elif how == "swap" and size:
        content[at], content[other] = content[other], content[at]
    elif size:
        for place in [at] if how == "flip" else [at, other, size // 2]:
            content[place] ^= 1 << second % 8
    path.write_bytes(content)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tiny_store(tmp_path_factory.mktemp("store") / "store", motion=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = write_fake_run(tmp_path_factory.mktemp("run") / "run", clips=CASME2, chunk_runs=4)
    plan = open_sweep(folder).plan
    for chunk in plan.chunks:
        note_sitting(folder, chunk, 1.0)
        note_files(folder, chunk)
    write_json(folder / "plan.json", sealed(plan.to_json()))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("model") / "model"
    place.mkdir()
    card = json.loads((CHECKOUT / "tests/data/quickstart_of_0.1.0/card.json").read_text())
    learnt = {stage: by_name(Variables({"fc": {"bias": np.arange(300.0)}})) for stage in card["numbers"]}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(place / "parameters", learnt)
    names = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
    write_card(place, card | {"files": noted_files(place, names)})
    return place


def damaged(folder: Path, number: int, change: tuple[str, int, int], top: str) -> tuple[Path, Path] | None:
    """A copy of a folder with one file changed, and that file; None if the change left it as it was."""
    names = sorted(
        path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and "locks" not in path.parts
    )
    names = [name for name in names if name.suffix != ".md"]
    copy = Path(shutil.copytree(folder, Path(top) / folder.name))
    name = names[number % len(names)]
    changed(copy / name, *change)
    same = (copy / name).is_file() and (copy / name).read_bytes() == (folder / name).read_bytes()
    return None if same else (copy, copy / name)


def outcome(act):
    """What an act gives, and the sentence that it ends with instead; any other error fails the test."""
    try:
        return act(), ""
    except MerjaxError as told:
        return None, str(told)


def _all_read(folder: Path):
    """A sweep's folder with every table of it read."""
    result = open_sweep(folder)
    assert result.predictions is not result.curves
    assert result.conditions is None or result.conditions.seconds >= 0
    return result


def told_by(findings) -> str:
    return " ".join(f"{finding.what} {finding.found}" for finding in findings if finding.fails)


@settings(max_examples=250, **_MANY)
@given(number=st.integers(0, 99), change=CHANGES)
def test_a_damaged_store_is_named_at_opening_or_by_the_doctor(store, number, change):
    whole = open_store(store)
    with tempfile.TemporaryDirectory() as top:
        there = damaged(store, number, change, top)
        if not there:
            return
        copy, path = there
        opened, said = outcome(lambda: open_store(copy))
        if said:
            assert path.name in said or "store.json" in said, said
        else:
            # sizes and headers are right: the same shapes, and the doctor finds what changed
            assert {name: a.shape for name, a in opened.crops.items()} == {n: a.shape for n, a in whole.crops.items()}
            pd.testing.assert_frame_equal(opened.index, whole.index)
            repr(opened)
        assert word("doctor", copy).returncode == 2, (path.name, change)


@settings(max_examples=150, **_MANY)
@given(number=st.integers(0, 99), change=CHANGES)
def test_a_damaged_run_gives_the_right_tables_of_what_is_whole_or_names_the_file(run, number, change):
    whole = open_sweep(run)
    with tempfile.TemporaryDirectory() as top:
        there = damaged(run, number, change, top)
        if not there:
            return
        copy, path = there
        result, said = outcome(lambda: _all_read(copy))
        assert path.name in said or not said, said
        if not said and path.name != "plan.json":
            lost = {(missing.trial, missing.fold) for missing in result.missing}
            rows = [key not in lost for key in zip(whole.predictions["trial"], whole.predictions["fold"], strict=True)]
            pd.testing.assert_frame_equal(result.predictions, whole.predictions[rows].reset_index(drop=True))
        if path.name.startswith("curves") and change[0] == "remove":
            return  # folders of earlier versions may have none
        if path.name.startswith("record"):
            return  # what it noted can be lost without any loss of results
        assert told_by(examine_sweep(copy)), (path.name, change)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # orbax leaves its loop behind an error
@settings(max_examples=100, **_MANY)
@given(number=st.integers(0, 99), change=CHANGES)
def test_a_damaged_model_is_named_at_loading_or_by_the_doctor(model, number, change):
    with tempfile.TemporaryDirectory() as top:
        there = damaged(model, number, change, top)
        if not there:
            return
        copy, path = there
        _, said = outcome(lambda: merjax.load_model(copy))
        assert not said or path.name in said or f"{copy}/parameters" in said or "no model" in said, said
        with redirect_stderr(StringIO()):
            assert told_by(examine_model(copy)), (path.name, change)


@settings(max_examples=150, **_MANY)
@given(st.lists(NAMES, max_size=6, unique=True), st.sampled_from(["file", "folder", "nowhere"]))
def test_a_listing_holds_each_visible_name_or_a_sentence_about_it(names, kind):
    with tempfile.TemporaryDirectory() as top:
        for name in names:
            _put(Path(top) / name, kind)
        passed_over: list[str] = []
        found = listed(Path(top), passed_over)
        assert len(found) + len(passed_over) <= len(names)
        assert len(found) + len(passed_over) >= sum(name[0] in string.ascii_letters[:8] for name in names)
        "".join(passed_over).encode()
