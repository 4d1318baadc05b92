"""Saved models: what a run learnt, with all that is needed to use it on other clips and to judge it.

`engine.save_models: true` gives every trial, seed and fold a folder `models/TRIAL/seed0/FOLD` in the results:

- `card.json`: settings, classes, what is done to the pictures and the numbers that were fitted for it, data and split,
  versions, the subjects that the run never saw, and the trial's pooled scores once the sweep is finished;
- `card.md`: the same to read;
- `parameters/`: what the stages learnt, by orbax.

A method does not deal with this: while its stages train, a visit records what each learnt (`remember`), and another visit gives
it back in place of training (`recall`), so the method's own code does the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pandas as pd
from jaxtyping import Float

from merjax.config import Config, make_config
from merjax.engine import Engine, walk
from merjax.methods.registry import as_named_today, method_of
from merjax.methods.runs import RunId
from merjax.models.card import DAMAGED_MODEL, read_card, refuse_other_preparation
from merjax.models.learned import Learned, from_names, recall
from merjax.stores.store import Store, open_store
from merjax.system.errors import MerjaxError
from merjax.system.jax_setup import prepare_backend
from merjax.system.own_files import reading, refuse_other_sizes
from merjax.system.paths import lacks_folder, user_path
from merjax.training.data import TrainingData, every_clip


@dataclass(frozen=True)
class Model:
    """A trained run, ready for use: `model(store)` gives the class probabilities of a store's clips.

    Attributes:
        card: the contents of `card.json`.
        config: the trial's settings.
        learned: what each stage learnt, by stage.
    """

    card: dict[str, Any]
    config: Config
    learned: dict[str, Learned]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.card["classes"])

    def __repr__(self) -> str:
        card = self.card
        held_out = ", ".join(card["held_out_subjects"])
        seen = f"never saw {held_out}" if held_out else "was trained on all subjects"
        return (
            f"Model of {card['sweep']}: {card['trial']}, seed {card['seed']}, fold {card['fold']}; tells "
            f"{', '.join(self.classes)}; {card.get('leaks') or seen}"
        )

    @cached_property
    def _engine(self) -> Engine:
        return Engine(devices=jax.local_devices()[:1])

    def __call__(self, store: Store | str | Path) -> pd.DataFrame:
        """Class probabilities of every clip of a store, with or without a label.

        >>> table = model("stores/mine")
        >>> list(table.columns), len(table)
        (['database', 'subject', 'clip', 'prediction', 'p_negative', 'p_positive', 'p_surprise'], 9)

        Args:
            store: a clip store, or its folder.

        Returns:
            A row per clip, in the store's order: database, subject, clip, prediction (a class's name; where a clip may have
            several, their names joined by "+", or "none"), and p_CLASS.

        Raises:
            MerjaxError: the model does not fit the store.
        """
        data = opened_for(self, store)
        return table_of(data, self.probabilities_of(data, self._engine))

    def probabilities_of(self, data: TrainingData, engine: Engine) -> Float[np.ndarray, "N K"]:
        """Class probabilities of all clips of data that was opened for the model.

        Raises:
            MerjaxError: the clips do not have the model's sizes, or it gives no probabilities for them.
        """
        jobs = method_of(self.config.method).jobs(data, [RunId(self.config, self.card["seed"], 0)])
        (probability_NxK,) = walk(jobs, recall(engine, self.learned)).probability_PxNxK
        if not np.isfinite(probability_NxK).all():
            raise MerjaxError(
                f"the model gives no probabilities for the clips of {data.store.path}: its training diverged, or it was "
                "trained without temporal.mask on longer ones"
            )
        return np.asarray(probability_NxK)


def opened_for(model: Model, store: Store | str | Path) -> TrainingData:
    """All clips of a store, as a model takes them.

    Raises:
        MerjaxError: there is no such store, or its clips were prepared in another way than those that the model learnt from.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    refuse_other_preparation(model.card, model.config, opened)
    return every_clip(opened, model.config.data)


def table_of(data: TrainingData, probability_NxK: Float[np.ndarray, "N K"]) -> pd.DataFrame:
    """Class probabilities as `Model.__call__` gives them."""
    table = data.index[["database", "subject", "clip"]].reset_index(drop=True)
    table["prediction"] = list(map(data.task.named, data.task.answers(probability_NxK).tolist()))
    return table.assign(**{f"p_{name}": probability_NxK[:, k] for k, name in enumerate(data.classes)})


def load_model(path: str | Path) -> Model:
    """Load a model from its folder, `models/TRIAL/seed0/FOLD` in the folder of a sweep with `engine.save_models: true`.

    >>> model = merjax.load_model("runs/mine/models/focal/seed0/casme2-sub01")
    >>> model.classes, model.card["held_out_subjects"]
    (('negative', 'positive', 'surprise'), ['casme2/sub01'])

    Args:
        path: its folder.

    Returns:
        The model: `model(store)` gives class probabilities, and `merjax.insight` shows what it uses.

    Raises:
        MerjaxError: there is no model, or it is of another version.
    """
    prepare_backend()
    folder = user_path(path).absolute()
    card = read_card(folder)
    with reading(folder / "card.json", DAMAGED_MODEL):
        config = make_config(as_named_today(card["config"]), source=str(path))
        numbers = {
            stage: {name: np.array(v) for name, v in own.items()} for stage, own in dict(card["numbers"]).items()
        }
    refuse_other_sizes(folder / "card.json", card.get("files", {}), DAMAGED_MODEL)
    return Model(card, config, _learned(folder / "parameters", numbers))


def _learned(parameters: Path, numbers: Mapping[str, dict[str, np.ndarray]]) -> dict[str, Learned]:
    """What orbax has kept of each stage."""
    if lacking := lacks_folder(parameters):
        raise MerjaxError(f"{parameters} {lacking}; {DAMAGED_MODEL}")
    with reading(parameters, DAMAGED_MODEL), ocp.StandardCheckpointer() as checkpointer:
        variables = checkpointer.restore(parameters)
        return {
            stage: Learned(from_names({name: np.asarray(values) for name, values in variables[stage].items()}), own)
            for stage, own in numbers.items()
        }
