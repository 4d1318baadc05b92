"""The demo's final model: what is trained for it. That its interval excludes chance is measured in sweeps/demo.yaml."""

from pathlib import Path

from rich.console import Console

from merjax.models.card import FINAL
from merjax.sweeps.running import demo_model
from merjax.sweeps.sweep_file import read_sweep


def test_it_is_trained_on_the_quickstarts_clips():
    quickstart, demo = read_sweep(Path("quickstart")), read_sweep(Path("demo"))
    assert (demo.store, demo.synthesize) == (quickstart.store, quickstart.synthesize)
    assert len(demo.trials) == len(demo.seeds) == 1


def test_one_that_is_there_is_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_model, "train_sweep", lambda *_: 1 / 0)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / FINAL).write_text("{}")
    assert demo_model.make_demo_model(tmp_path, Console(quiet=True)) == tmp_path / "model"
