"""Final models: trained on all subjects of a sweep that has said what to expect of them; one member, or one for each seed.

`merjax train` writes a folder:

- `model.json`: what the model is, what to expect of it and what it was trained on, see `merjax.models.final_card`;
- `card.md`: the same to read;
- `seed0/` for each member: a saved model as a sweep's runs have it, see `merjax.models.model`.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from merjax.engine import Engine
from merjax.models.card import DAMAGED_MODEL, FINAL
from merjax.models.final_card import expectation_of, holds_chance, read_final_card
from merjax.models.model import Model, load_model, opened_for, table_of
from merjax.stores.store import Store
from merjax.system.own_files import reading
from merjax.system.paths import user_path


@dataclass(frozen=True)
class FinalModel:
    """A model for new recordings: `model(store)` gives the class probabilities of a store's clips, the mean over its members.

    Attributes:
        card: the contents of `model.json`.
        members: the trained runs, in the order of their seeds.
    """

    card: dict[str, Any]
    members: tuple[Model, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.card["classes"])

    @property
    def chance_inside(self) -> bool:
        """Whether the sweep's UF1 on people whom its models never saw may be chance: its 95 % interval is not above it."""
        return holds_chance(self.card)

    @property
    def expectation(self) -> str:
        """A sentence on what to expect of it on new people."""
        return expectation_of(self.card)

    def __repr__(self) -> str:
        seeds = ", ".join(str(member.card["seed"]) for member in self.members)
        return (
            f"FinalModel of {self.card['sweep']}: {self.card['trial']}, seeds {seeds}; tells {', '.join(self.classes)}; "
            f"{self.expectation}"
        )

    @cached_property
    def _engine(self) -> Engine:
        return Engine(devices=jax.local_devices()[:1])  # one for all members, which have the same programs

    def __call__(self, store: Store | str | Path) -> pd.DataFrame:
        """Class probabilities of every clip of a store, with or without a label, as `Model.__call__` gives them.

        >>> table = model("stores/mine")
        >>> len(table), len(model.members)
        (9, 1)

        Args:
            store: a clip store, or its folder.

        Returns:
            A row per clip, in the store's order: database, subject, clip, prediction and p_CLASS, the mean over the members.

        Raises:
            MerjaxError: the model does not fit the store.
        """
        first = self.members[0]
        data = opened_for(first, store)
        probability_MxNxK = np.stack([member.probabilities_of(data, self._engine) for member in self.members])
        return table_of(data, probability_MxNxK.mean(0))


def load_final_model(path: str | Path) -> FinalModel:
    """Load a model from the folder that `merjax train` wrote.

    >>> model = merjax.load_final_model("models/mine")
    >>> model.classes
    ('negative', 'positive', 'surprise')

    Args:
        path: its folder.

    Returns:
        The model: `model(store)` gives class probabilities, and `model.expectation` says what they are worth.

    Raises:
        MerjaxError: there is no such model, or it is damaged or of another version.
    """
    folder = user_path(path).absolute()
    card = read_final_card(folder)
    with reading(folder / FINAL, DAMAGED_MODEL):
        members = tuple(load_model(folder / name) for name in card["members"])
    return FinalModel(card, members)
