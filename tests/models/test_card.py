"""What the card of a saved model says if its spatial stage leaked, and of a network's one picture per clip."""

from dataclasses import replace

import numpy as np
import pytest
from support.flow_experiment import experiment_of, flow_images
from support.small_experiment import BASE, small_experiment

from merjax.config import make_config
from merjax.models.card import RunFacts, make_card, preparation, read_card, refuse_other_preparation, write_card
from merjax.models.model import Model
from merjax.scoring.entry import KNOWN
from merjax.stores.held_features import HeldFeature
from merjax.sweeps.described import describe
from merjax.system.errors import MerjaxError

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


@pytest.mark.parametrize(
    ("method", "feature", "made", "other", "said", "shown"),
    [
        (
            "ststnet",
            "flow28",
            {"to": "apex", "algorithm": "dis", "side": 28},
            {"to": "mid"},
            "flow to apex",
            "optical flow",
        ),
        (
            "learnet",
            "dynamic",
            {"weights": "bilen", "side": 112},
            {"weights": "learnet"},
            "dynamic weights bilen",
            "added up",
        ),
    ],
)
def test_a_networks_card_says_which_picture_it_reads_and_how_it_was_made(method, feature, made, other, said, shown):
    data, config = experiment_of(flow_images(), feature), make_config({"method": method})

    def store(settings):
        held = HeldFeature(data.store.features[feature].arrays, settings)
        return replace(data.store, features={feature: held, "motion": HeldFeature({}, {"algorithm": "tvl1"})})

    data = replace(data, store=store(made))
    card = make_card(RunFacts("mine", "a trial", 0, 1, config, describe(data, config)), data, {})
    side = made["side"]
    assert card["pictures"]["sizes"] == {said.split()[0]: [side, side]}
    assert shown in card["pictures"]["input"]
    assert card["preparation"] == preparation(config, data.store)
    refuse_other_preparation(card, config, store(dict(made)))
    with pytest.raises(MerjaxError, match=f"{said}, but"):
        refuse_other_preparation(card, config, store(made | other))
