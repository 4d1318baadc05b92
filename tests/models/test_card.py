"""What the card of a saved model says if its spatial stage leaked."""

from dataclasses import replace

import numpy as np
import pytest
from support.small_experiment import BASE, small_experiment

from merjax.config import make_config
from merjax.models.card import RunFacts, make_card, read_card, write_card
from merjax.models.model import Model
from merjax.scoring.entry import KNOWN
from merjax.sweeps.plan import describe

HALF = {"spatial.trained_on": "half of all frames"}


def card_of(folder, settings) -> tuple[Model, str]:
    data = small_experiment()
    data = replace(data, store=replace(data.store, path=folder))
    config = make_config(BASE, settings)
    facts = RunFacts("mine", "a trial", 0, 1, config, describe(data, config))
    write_card(folder, make_card(facts, data, {"spatial": {"mean_RxC": np.zeros((2, 1))}}))
    return Model(read_card(folder), config, {}), (folder / "card.md").read_text()


@pytest.mark.parametrize("settings", [HALF, {"spatial.trained_on": "all frames"}])
def test_a_model_whose_features_knew_its_held_out_subjects_says_so(tmp_path, settings):
    model, text = card_of(tmp_path, settings)
    assert model.card["leaks"] == KNOWN
    assert f"**{KNOWN}. Such a score does not estimate accuracy on new people.**" in text
    assert "Only its temporal stage never saw the clips of casme2/sub01" in text
    assert "It never saw" not in text
    assert KNOWN in repr(model)
    assert "never saw" not in repr(model)


def test_an_honest_model_says_what_it_never_saw(tmp_path):
    model, text = card_of(tmp_path, {})
    assert "leaks" not in model.card
    assert "leaks" not in text
    assert "It never saw the clips of casme2/sub01" in text
    assert repr(model).endswith("never saw casme2/sub01")
