"""Model cards: what a saved model is, what it was trained on, and how well it scores; for programs and for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from merjax.config import Config
from merjax.methods.registry import method_of
from merjax.protocols import FoldId
from merjax.protocols.folds import subjects_of
from merjax.scoring.entry import KNOWN, KNOWN_NOTE, GroupData, features_know
from merjax.scoring.parts import TOGETHER, Part
from merjax.stores.features import DYNAMIC, MOSAIC, side_of
from merjax.stores.store import Store
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.own_files import read_json, sealed
from merjax.system.paths import is_file, lacks_file, lacks_folder
from merjax.system.settings import flatten
from merjax.system.versions import versions
from merjax.training.data import TrainingData

CARD_FORMAT = 1
FINAL = "model.json"  # of a final model, whose members have cards of their own


class RunFacts(NamedTuple):
    """Which run a model comes from.

    Attributes:
        sweep, trial, seed: their names and number.
        fold: the number of its fold.
        config: the trial's settings.
        data: what the trial's group trains on.
    """

    sweep: str
    trial: str
    seed: int
    fold: int
    config: Config
    data: GroupData


def make_card(facts: RunFacts, data: TrainingData, numbers: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """The card of one run's model, without scores.

    Args:
        facts: which run.
        data: the data that it trained on.
        numbers: by stage and name, its hyper-parameters and what was fitted on its training clips.
    """
    config, fold = facts.config, data.folds[facts.fold]
    return {
        "format": CARD_FORMAT,
        "sweep": facts.sweep,
        "trial": facts.trial,
        "seed": facts.seed,
        "fold": fold.name,
        "held_out_subjects": sorted(set(subjects_of(data.index[fold.test_N]))),
        "classes": list(data.classes),
        **({"leaks": KNOWN} if features_know(config) else {}),
        "method": config.method,
        "pictures": pictures_of(config, data),
        "preparation": preparation(config, data.store),
        "data": {
            **{
                key: getattr(facts.data, key)
                for key in ("protocol", "store_hash", "split_hash", "label_hash", "statement")
            },
            "fps": _rates(data.index[fold.train_N]),
        },
        "versions": versions(),
        "scores": None,
        "config": flatten(config),
        "numbers": {s: {name: v.tolist() for name, v in own.items()} for s, own in numbers.items()},
    }


def _rates(clips: pd.DataFrame) -> dict[str, int]:
    """How many clips have each frame rate."""
    counts = clips["fps"].dropna().value_counts().sort_index()
    return {f"{rate:g}": int(number) for rate, number in counts.items()}


def pictures_of(config: Config, data: TrainingData) -> dict[str, Any]:
    """What the method takes from a clip, and the height and width of its pictures in pixels."""
    if method_of(config.method).pictures(config) == "clip flow":
        feature = method_of(config.method).feature(config) or ""
        shown = _ONE_PICTURE.get(feature, "optical flow: u, v, strain")
        side = side_of(feature)
        return {"input": f"one picture of the clip's {shown}", "sizes": {_kind(feature): [side, side]}}
    seen = {
        "gray": "frames as they are",
        "difference": "frames minus the clip's onset frame",
        "flow": "optical flow from the clip's onset to each frame: u, v, strain",
    }[config.data.input]
    sizes = {region.name: [region.height, region.width] for region in data.streams}
    return {"input": f"{seen}, frames {config.data.frames}", "sizes": sizes}


def preparation(config: Config, store: Store) -> dict[str, Any]:
    """How the method's pictures were made, as far as the store tells.

    Motion is computed from gray values, whatever the colour. A clip's single flow picture depends on more settings than the
    motion of each frame.
    """
    settings = store.meta.get("settings", {})
    made = {key: settings[key] for key in ("colour", "align", "geometry") if key in settings}
    pictures = method_of(config.method).pictures(config)
    if pictures == "frames":
        return made
    made.pop("colour", None)
    feature = method_of(config.method).feature(config) or ""
    held = store.features[feature].settings if feature in store.features else {}
    return made | {f"{_kind(feature)} {key}": value for key, value in held.items()}


_ONE_PICTURE = {
    MOSAIC: "optical flow at the eyes and the corners of the mouth: u, v, strain",
    DYNAMIC: "frames, added up",
}


def _kind(feature: str) -> str:
    """What a card calls a feature; earlier cards know only flow."""
    return DYNAMIC if feature == DYNAMIC else "flow"


def refuse_other_preparation(card: dict[str, Any], config: Config, store: Store) -> None:
    """Refuse a store whose pictures were made in another way than those that a model was trained on.

    Raises:
        MerjaxError: they differ; the message names the settings.
    """
    known, here = card.get("preparation"), preparation(config, store)
    if not known or not here:  # an earlier card, or a store made by hand, does not say
        return
    if differing := [key for key in sorted({*known, *here}) if known.get(key) != here.get(key)]:
        raise MerjaxError(
            f"the model was trained on clips prepared with {said_settings(known, differing)}, but those of {store.path} were "
            f"prepared with {said_settings(here, differing)}; prepare them in the same way"
        )


def said_settings(settings: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Settings of a preparation as cards and messages name them."""
    unsaid = {"geometry": "ours"}  # what stores and cards leave out
    return ", ".join(f"{key} {settings.get(key, unsaid.get(key, 'none'))}" for key in keys)


def read_card(place: Path) -> dict[str, Any]:
    """The card of the model in a folder.

    Raises:
        MerjaxError: it is missing, damaged, or of another format.
    """
    path = place / "card.json"
    if lacking := lacks_folder(place):
        raise MerjaxError(f"{place} {lacking}; name the folder of a model, models/TRIAL/seed0/FOLD in a sweep's folder")
    if is_file(place / FINAL):
        raise MerjaxError(
            f"{place} is a final model; open it with merjax.load_final_model, or one of its members, {place}/seed0"
        )
    if lacks_file(path) == "does not exist":
        raise MerjaxError(
            f"{place} holds no model (no card.json); sweeps with engine.save_models=true save them as "
            "models/TRIAL/seed0/FOLD in their folder"
        )
    return read_whole(path, CARD_FORMAT, _READ)


def read_whole(path: Path, known: int, keys: Sequence[str]) -> dict[str, Any]:
    """A card, of a format that is known, with all the keys that are read.

    Raises:
        MerjaxError: it is damaged, or of another format.
    """
    card = read_json(path, DAMAGED_MODEL)
    if card.get("format") != known:
        raise MerjaxError(
            f"{path}: the model has format {card.get('format')}, but this merjax reads format {known}; train it again, or use "
            "the merjax that saved it"
        )
    if lost := [key for key in keys if key not in card]:
        raise MerjaxError(f"{path} is damaged (it has no {lost[0]}); {DAMAGED_MODEL}")
    return card


DAMAGED_MODEL = "copy the model again from where it was trained, or train it again into another --out"
_READ = (
    *("sweep", "trial", "seed", "fold", "held_out_subjects", "classes", "method", "pictures", "data", "versions"),
    *("scores", "config", "numbers"),
)


def write_card(place: Path, card: dict[str, Any]) -> None:
    """Write a card into its model's folder, for programs and for people."""
    write_json(place / "card.json", sealed(card))
    (place / "card.md").write_text(_markdown(card), encoding="utf-8")


def _markdown(card: dict[str, Any]) -> str:
    pictures, data, part = card["pictures"], card["data"], scored_part(card)
    scores, made = card["scores"] or {}, card.get("preparation", {})
    lines = [
        f"# {card['sweep']}: {card['trial']}, seed {card['seed']}, fold {card['fold']}",
        *([f"**{data['statement']}**"] if data["statement"] else []),
        *([f"**{KNOWN_NOTE}**"] if card.get("leaks") else []),
        f"Recognises {', '.join(card['classes'])} ({data['protocol']}) by the method {card['method']}. {_unseen(card)}",
        "## Scores of the trial" + (f" on {part.title}" if part.fold else ""),
        *(
            f"- {name} {score['mean']:.3f} [{score['interval'][0]:.3f}, {score['interval'][1]:.3f}]"
            for name, score in scores.items()
        ),
        f"{_of_which_clips(part)}; brackets hold 95 % of bootstrap samples of the subjects."
        if scores
        else "Not known yet: they are written when all folds of the sweep are finished.",
        "## What is done to the pictures",
        f"- input: {pictures['input']}",
        *(f"- {name}: {height} x {width} pixels" for name, (height, width) in pictures["sizes"].items()),
        *([f"- prepared with {said_settings(made, list(made))}"] if made else []),
        "- numbers fitted on the fold's training clips, and hyper-parameters, by stage: `numbers` in card.json",
        "## Where it comes from",
        f"- data {data['store_hash']}, split {data['split_hash']}, labels {data['label_hash']}",
        f"- {', '.join(f'{name} {number}' for name, number in card['versions'].items())}",
        "- all settings: `config` in card.json",
        "## How to use it",
        '```python\nimport merjax\n\nmodel = merjax.load_model("this folder")\nmodel("a clip store")\n```',
    ]
    return "\n\n".join(lines) + "\n"


def _unseen(card: dict[str, Any]) -> str:
    held_out = ", ".join(card["held_out_subjects"])
    if not held_out:
        return (
            "It was trained on the clips of all subjects; its scores on any of them are for people that it trained on."
        )
    if card.get("leaks"):
        return (
            f"Only its temporal stage never saw the clips of {held_out}: its scores on all clips of the store are for people "
            "whose frames it trained on."
        )
    return f"It never saw the clips of {held_out}; its scores on all other clips are for people that it trained on."


def _of_which_clips(part: Part) -> str:
    if part.fold:
        return "Of the clips that this fold held out, by its models of all seeds"
    return "Pooled over all folds, each tested on the subjects that it held out, by as many models as there are folds"


def scored_part(card: dict[str, Any]) -> Part:
    """What a card's scores cover: all folds pooled, or, across databases, the fold alone, since its clips recur in others."""
    fold = FoldId.of_name(card["fold"])
    return Part.of_fold(fold) if fold.test_database else TOGETHER
