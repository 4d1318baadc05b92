"""A model is used on clips that were prepared like those that it was trained on."""

from pathlib import Path

import pandas as pd
import pytest

from merjax.config import make_config
from merjax.models.card import preparation, refuse_other_preparation
from merjax.stores.store import Store
from merjax.system.errors import MerjaxError


def store_of(**settings) -> Store:
    nothing = pd.DataFrame()
    return Store(Path("here"), nothing, {}, nothing, {"settings": {"colour": "rgb", "align": "first"} | settings})


@pytest.mark.parametrize("seen", ["gray", "flow"])
def test_a_model_of_one_geometry_refuses_crops_of_the_other(seen):
    config = make_config({"data.input": seen})
    ours, authors = store_of(), store_of(geometry="authors")
    for own, other, names in ((ours, authors, "geometry ours,.*geometry authors"), (authors, ours, "authors,.*ours")):
        card = {"preparation": preparation(config, own)}
        refuse_other_preparation(card, config, own)
        with pytest.raises(MerjaxError, match=names):
            refuse_other_preparation(card, config, other)
