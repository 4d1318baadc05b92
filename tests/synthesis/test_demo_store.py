"""The store of a sweep that makes its own clips has the crops that its trials ask for."""

import pytest
from rich.console import Console

from merjax import datasets, synthesis
from merjax.config import DataConfig
from merjax.stores import preparation
from merjax.synthesis.demo_store import make_demo_store


@pytest.mark.parametrize(
    ("settings", "made"),
    [
        ({}, {"geometry": "ours", "colour": None}),
        ({"geometry": "authors"}, {"geometry": "authors", "colour": None}),
        ({"colour": "rgb"}, {"geometry": "ours", "colour": "rgb"}),
    ],
)
def test_the_clips_are_prepared_with_the_geometry_and_the_colour_of_the_trials(tmp_path, monkeypatch, settings, made):
    asked = {}
    monkeypatch.setattr(synthesis, "synthesize_release", lambda *what, **how: None)
    monkeypatch.setattr(datasets, "read_casme2", lambda root: root)
    monkeypatch.setattr(preparation, "prepare_store", lambda releases, out, **how: asked.update(how, out=out))
    make_demo_store(DataConfig(store=str(tmp_path / "store"), **settings), {"invent": 1}, "mine", Console(quiet=True))
    assert asked["out"] == tmp_path / "store"
    assert {key: asked[key] for key in made} == made
