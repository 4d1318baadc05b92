"""Sweep files by name: which one a name stands for, and which config a copy of one builds on."""

import hashlib
from pathlib import Path

import pytest
from support.places import CHECKOUT

import merjax
from merjax.config import trained_settings
from merjax.sweeps.running import run
from merjax.sweeps.shipped import about, find_config, find_sweep, named_sweeps, shipped_folder
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.errors import MerjaxError
from merjax.system.settings import identity


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_name_is_looked_for_as_a_path_then_here_then_in_the_package(tmp_path):
    assert find_sweep(Path("ststnet")) == CHECKOUT / "sweeps" / "ststnet.yaml"
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "ststnet.yaml").write_text("# Here.\n")
    assert find_sweep(Path("ststnet")) == Path("sweeps/ststnet.yaml")
    (tmp_path / "ststnet").write_text("# A path.\n")
    assert find_sweep(Path("ststnet")) == Path("ststnet")


def test_run_sweep_takes_a_name_too(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "train_sweep", lambda sweep, folder, *rest: (sweep, folder))
    sweep, folder = merjax.run_sweep("quickstart", loss={"gamma": 1.5})
    assert folder == Path("runs/quickstart")
    assert sweep.trials == read_sweep(CHECKOUT / "sweeps" / "quickstart.yaml", ({"loss": {"gamma": 1.5}},)).trials
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "quickstart.yaml").write_text("seeds: [7]\n")
    assert merjax.run_sweep("quickstart")[0].seeds == (7,)


def test_a_folder_of_that_name_is_not_a_sweep_file(tmp_path):
    (tmp_path / "quickstart").mkdir()
    assert find_sweep(Path("quickstart")).name == "quickstart.yaml"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("sweeps/ststnet.yaml", "sweeps/ststnet.yaml does not exist; ststnet alone names"),
        ("other/ststnet", "ststnet alone names"),
        ("nowhere.yaml", "nowhere.yaml does not exist"),
        ("quikstart", "did you mean quickstart"),
    ],
)
def test_what_is_not_found_is_a_sentence(asked, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        find_sweep(Path(asked))


def test_the_config_beside_a_copy_comes_first_then_the_packages_and_no_other_path_is_guessed(tmp_path):
    copy = tmp_path / "mine" / "copy.yaml"
    shipped = shipped_folder("configs") / "paper.yaml"
    assert find_config(copy, "../configs/paper.yaml") == shipped
    for said in ("../config/paper.yaml", "paper.yaml", "../configs/papers.yaml"):
        assert find_config(copy, said) == copy.parent / said
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "paper.yaml").write_text("regions: [eyes]\n")
    (tmp_path / "mine").mkdir()
    assert find_config(copy, "../configs/paper.yaml").samefile(tmp_path / "configs" / "paper.yaml")


@pytest.mark.parametrize("name", sorted(path.stem for path in (CHECKOUT / "sweeps").glob("*.yaml")))
def test_every_shipped_sweep_has_a_name_and_a_first_line_that_is_a_whole_sentence(name):
    assert about(named_sweeps()[name]).endswith((".", "?"))
    assert read_sweep(Path(name)).name == name


# Names of trials, and the settings from which their randomness comes: another digest means other results. Where a sweep file or
# a default was changed on purpose, write the new one here.
DIGESTS = [
    ("action_units", "full", "3597e9b3"),
    ("action_units", "small", "612ba1a6"),
    ("authors_protocol", "small", "7b6bbb68"),
    ("authors_protocol_people", "full", "122a39d8"),
    ("casme3", "full", "155d6060"),
    ("casme3", "small", "8f989a22"),
    ("dfme", "full", "7d2509cb"),
    ("dfme", "small", "ca9ce409"),
    ("dual_inception", "full", "69a49de4"),
    ("four_networks", "full", "2a813e88"),
    ("htnet", "full", "9cf161a6"),
    ("inception_cbam", "full", "dee291cc"),
    ("inputs", "full", "ffd55490"),
    ("leaderboard", "full", "cae5fc92"),
    ("linear_models", "full", "fd7881b1"),
    ("made_people", "full", "f5a1bebf"),
    ("off_apexnet", "full", "e9ae2010"),
    ("quickstart", "full", "ffbad77b"),
    ("rcn_a", "full", "ffce7938"),
    ("rcn_a_merjax", "full", "d852c491"),
    ("rcn_family", "full", "24a0efb5"),
    ("selection", "full", "a8b6062c"),
    ("single_databases", "full", "14724d46"),
    ("single_databases", "small", "1dea4666"),
    ("sssnet", "full", "55f1fba2"),
    ("ststnet", "full", "63b46567"),
    ("table10_megc_loso", "full", "457497f6"),
    ("table10_megc_loso", "small", "55cec0ba"),
    ("table11_au5_loso", "full", "2f7b565b"),
    ("table11_au5_loso", "small", "8de66617"),
    ("table12_megc_cross_database", "full", "fbffdd17"),
    ("table12_megc_cross_database", "small", "a17ed7e3"),
    ("table13_au5_cross_database", "full", "f0072322"),
    ("table13_au5_cross_database", "small", "cc024fd9"),
    ("table5_regions", "full", "749fc4d1"),
    ("table5_regions", "small", "280ca82c"),
    ("table6_cnn", "full", "a5d16fc5"),
    ("table6_cnn", "small", "14cbea51"),
    ("table7_loss", "full", "ce95d924"),
    ("table7_loss", "small", "622e8b3d"),
    ("table8_megc", "full", "ead7ad71"),
    ("table8_megc", "small", "2d179294"),
    ("table9_au5", "full", "9f65935e"),
    ("table9_au5", "small", "939e1dd3"),
]


@pytest.mark.parametrize(("name", "scale", "digest"), DIGESTS)
def test_trials_and_their_randomness_stay_as_they_were(name, scale, digest):
    trials = read_sweep(CHECKOUT / "sweeps" / f"{name}.yaml", scale=scale).trials
    said = "".join(trial.name + repr(identity(trial.config, trained_settings())) for trial in trials)
    assert hashlib.blake2b(said.encode(), digest_size=4).hexdigest() == digest


def test_a_sweep_file_in_another_encoding_does_not_stop_the_list(tmp_path):
    (tmp_path / "sweeps").mkdir()
    path = tmp_path / "sweeps" / "other.yaml"
    path.write_bytes("# Été.\n".encode("cp1252"))
    assert "is not in UTF-8" in about(named_sweeps()["other"])
    path.write_text("# Été.\n", encoding="utf-16")
    assert about(path) == "Été."
