"""The demo's final model: what is trained for it. That its interval excludes chance is measured in sweeps/quickstart.yaml."""

from pathlib import Path

from rich.console import Console

from merjax.models.card import FINAL
from merjax.sweeps.running import demo_model
from merjax.sweeps.sweep_file import read_sweep


def test_it_is_the_quickstarts_first_trial_on_the_quickstarts_clips():
    whole, demo = read_sweep(Path("quickstart")), demo_model.demo_sweep()
    assert demo.trials == whole.trials[:1]
    assert (demo.name, demo.seeds, demo.synthesize, demo.store) == (
        whole.name,
        whole.seeds,
        whole.synthesize,
        whole.store,
    )


def test_one_that_is_there_is_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_model, "train_sweep", lambda *_: 1 / 0)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / FINAL).write_text("{}")
    assert demo_model.make_demo_model(tmp_path, Console(quiet=True)) == tmp_path / "model"
