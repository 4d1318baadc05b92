"""The word train: which results a line means, and what is said where they cannot be used. What it trains is in
tests/sweeps/running/test_train_final.py."""

import os

import pytest
from support.fake_runs import write_fake_run

from merjax.cli.main import main

FILE = "trials:\n  focal: {loss.gamma: 0}\n  cross-entropy: {loss.gamma: 1}\n"


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """What a line of `merjax train` says in a folder with a sweep file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(FILE)

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(["train", *words])
        assert end.value.code == 2
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1
        return err

    return run


def test_a_sweep_that_was_not_trained_is_to_be_trained_first(said):
    assert "runs/mine does not exist" in (err := said("mine.yaml", "loss.alpha=none", "--trial", "focal"))
    assert "run `merjax sweep mine.yaml loss.alpha=none` first" in err


@pytest.mark.parametrize("place", ["mine.yaml", "runs/mine"])
def test_a_file_and_a_folder_mean_the_same_results(said, tmp_path, place):
    write_fake_run(tmp_path / "runs/mine")
    assert "runs/mine has the trials focal, cross-entropy; say which one with --trial" in said(place)


def test_results_of_other_settings_than_the_files_are_not_taken_for_its_own(said, tmp_path):
    write_fake_run(tmp_path / "runs/mine")
    err = said("mine.yaml", "temporal.units=8", "--trial", "focal")
    assert 'trial "focal" had temporal.units 64, now it has 8; run the sweep again, or name the folder' in err


def test_a_folder_of_results_takes_no_settings(said, tmp_path):
    write_fake_run(tmp_path / "runs/mine")
    assert "runs/mine holds results, whose settings are known; leave loss.gamma=1 out" in said(
        "runs/mine", "loss.gamma=1"
    )


def test_a_folder_without_permission_is_refused_before_anything_is_trained(said, tmp_path, monkeypatch):
    write_fake_run(tmp_path / "runs/mine", skills={"focal": 0.7})
    monkeypatch.setattr(os, "access", lambda place, mode: not mode & os.W_OK)  # root may write everywhere
    assert "no permission to write there; choose another output folder" in said("runs/mine", "--out", "models/one")
    assert not (tmp_path / "models").exists()


def test_a_folder_that_is_there_is_refused_before_anything_is_read(said, tmp_path):
    (tmp_path / "models").mkdir()
    assert "models exists; remove it, or choose another --out" in said("nothing.yaml", "--out", "models")
