"""The card of a final model: what it is, what to expect of it on new people, what it was trained on and what it is for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from merjax.config import Config, trained_settings
from merjax.datasets.clip import database_of
from merjax.datasets.shown import several
from merjax.models.card import FINAL, pictures_of, preparation, read_whole, said_settings
from merjax.models.intended_use import INTENDED_USE
from merjax.system.errors import MerjaxError
from merjax.system.files import write_aside, write_json
from merjax.system.own_files import hash_of, sealed
from merjax.system.paths import is_file, lacks_file, lacks_folder
from merjax.system.settings import flatten, identity
from merjax.system.versions import versions
from merjax.training.data import TrainingData

FINAL_FORMAT = 1
_READ = (
    *("sweep", "trial", "protocol", "method", "classes", "members", "budget", "expected", "training", "data"),
    *("trials", "settings_chosen", "settings_hash", "intended_use", "licences", "versions"),
)


class Budget(NamedTuple):
    """How long a final model trains, as its sweep chose it without its test subjects.

    Attributes:
        rule: of selection, "fixed" or "inner".
        steps: optimiser steps of the last stage.
        whole: those of the sweep's whole budget.
        epochs: the same as `steps`, as the setting of the last stage.
        chosen: by "inner", what each fold and seed of the sweep chose, in steps, in rising order; else empty.
        why: the rule and its reason in a sentence or two.
    """

    rule: str
    steps: int
    whole: int
    epochs: float
    chosen: tuple[int, ...]
    why: str


class Expected(NamedTuple):
    """What the sweep's models scored on the subjects that each of them never saw.

    Attributes:
        of: whose scores they are: one model alone, or the members together.
        folds: the setting `data.folds`.
        models, clips, subjects: how many models were tested, on how many clips of how many subjects in all.
        scores: by name, `mean` and the 95 % `interval` over subjects.
        controls: "chance", "majority" and, where a clip may have several classes, "every class": by name, the scores of answers
            that use no picture; see `merjax.scoring.scores.score_controls`.
    """

    of: str
    folds: str
    models: int
    clips: int
    subjects: int
    scores: dict[str, dict[str, Any]]
    controls: dict[str, dict[str, float]]


class Source(NamedTuple):
    """The sweep and trial that a final model comes from.

    Attributes:
        sweep, trial: their names.
        config: the settings that the final model is trained with.
        settings: a sentence on how they were chosen, where folds of the sweep have settings of their own; else "".
        trials: how many trials the sweep has.
    """

    sweep: str
    trial: str
    config: Config
    settings: str = ""
    trials: int = 1


def make_final_card(
    source: Source,
    budget: Budget,
    expected: Expected,
    data: TrainingData,
    hashes: Mapping[str, str],
    members: Sequence[str],
) -> dict[str, Any]:
    """The card of a final model.

    Args:
        source: the sweep that it comes from.
        budget: how long it trains.
        expected: what its sweep scored.
        data: what it was trained on.
        hashes: of the store, its feature, the split of the sweep and the labels, by the names that plans have for them.
        members: the names of the members' folders.
    """
    settings = identity(source.config, trained_settings())
    return {
        "format": FINAL_FORMAT,
        "sweep": source.sweep,
        "trial": source.trial,
        "protocol": data.scheme.name,
        "method": source.config.method,
        "classes": list(data.classes),
        "members": list(members),
        "budget": budget._asdict(),
        "trials": source.trials,
        "settings_chosen": source.settings,
        "expected": expected._asdict(),
        "training": _training(source.config, data),
        "data": {**hashes, "statement": data.store.statement},
        "settings_hash": hash_of(settings),
        "intended_use": INTENDED_USE,
        "licences": _licences(data),
        "versions": versions(),
        "config": flatten(source.config),
    }


def _training(config: Config, data: TrainingData) -> dict[str, Any]:
    """The people and the conditions that a model was trained on."""
    databases = []
    for name, own in data.index.groupby("database", sort=False):
        rates = sorted({float(rate) for rate in own["fps"].dropna()})
        counts = {"clips": len(own), "subjects": own["subject"].nunique(), "frames_per_second": rates}
        databases.append({"name": str(name), "title": database_of(str(name)).title, **counts})
    member_NxK = data.task.members(data.target_N)
    return {
        "databases": databases,
        "clips_of_class": dict(zip(data.classes, member_NxK.sum(0).tolist(), strict=True)),
        "pictures": pictures_of(config, data),
        "preparation": preparation(config, data.store),
        "geometry": data.store.geometry,
    }


def _licences(data: TrainingData) -> list[str]:
    synthetic = {source["database"] for source in data.store.meta["sources"] if source.get("synthetic")}
    names = dict.fromkeys(data.index["database"])
    real = [database_of(name).title for name in names if name not in synthetic]
    notes = []
    if real:
        notes.append(
            f"Trained on {', '.join(real)}: whoever lent you the recordings bound you to terms, and these hold for what is "
            "made from them, a model too. Read them before you use the model for anything but your own research, or pass it on."
        )
    if len(real) < len(names):
        notes.append(
            "Trained on clips that merjax made from photographs: no database's licence binds the model, but that of the "
            "photographs may."
        )
    notes.append(
        "To find faces in recordings it needs dlib's landmark model, which was trained on the iBUG 300-W photographs, whose "
        "licence excludes commercial use."
    )
    return notes


def holds_chance(card: Mapping[str, Any]) -> bool:
    """Whether the 95 % interval of the sweep's UF1 does not lie above what answers reach that use no picture."""
    return not card["expected"]["scores"]["UF1"]["interval"][0] > _without_pictures(card)[1]


def _without_pictures(card: Mapping[str, Any]) -> tuple[str, float]:
    """The best UF1 of answers that use no picture, and their name: chance, but for clips that may have several classes."""
    uf1 = {name: scores["UF1"] for name, scores in card["expected"]["controls"].items()}
    best = max(uf1, key=lambda name: uf1[name])
    return best, uf1[best]


def expectation_of(card: Mapping[str, Any]) -> str:
    """A sentence on what to expect of a final model on new people."""
    expected, (control, level) = card["expected"], _without_pictures(card)
    uf1, (low, high) = expected["scores"]["UF1"]["mean"], expected["scores"]["UF1"]["interval"]
    known = "may be no better than chance" if holds_chance(card) else "was better than chance"
    people = "made people" if card["data"]["statement"] else "people"
    return (
        f"On {people} that its sweep's models never saw, recognition {known}: UF1 {uf1:.3f}, 95 % interval {low:.3f} to "
        f"{high:.3f}, where {control} is {level:.3f} ({several(expected['clips'], 'clip')} of "
        f"{several(expected['subjects'], 'subject')}, {expected['folds']})"
    )


def read_final_card(folder: Path) -> dict[str, Any]:
    """The card of the final model in a folder.

    Raises:
        MerjaxError: it is missing, damaged, or of another format.
    """
    path = folder / FINAL
    if lacking := lacks_folder(folder):
        raise MerjaxError(f"{folder} {lacking}; name a folder that `merjax train` wrote")
    if lacks_file(path) == "does not exist":
        other = "the model of one fold, for merjax.load_model, and no" if is_file(folder / "card.json") else "no"
        raise MerjaxError(f"{folder} holds {other} final model (no {FINAL}); `merjax train` makes one")
    return read_whole(path, FINAL_FORMAT, _READ)


def write_final_card(folder: Path, card: dict[str, Any]) -> None:
    """Write a final model's card into its folder, for people and, last of all, for programs."""
    write_aside(folder / "card.md", lambda aside: aside.write_text(_markdown(card), encoding="utf-8"))
    write_json(folder / FINAL, sealed(card))


def _markdown(card: Mapping[str, Any]) -> str:
    data, members = card["data"], card["members"]
    made = "one trained run" if len(members) == 1 else f"the mean of {len(members)} trained runs, {', '.join(members)}"
    lines = [
        f"# {card['sweep']}: {card['trial']}, trained on all subjects",
        *([f"**{data['statement']}**"] if data["statement"] else []),
        f"Recognises {', '.join(card['classes'])} ({card['protocol']}) by the method {card['method']}. It is {made}.",
        "## What it is for",
        card["intended_use"],
        "## What to expect of it",
        *_expected_lines(card),
        "## How long it was trained, and why",
        *([card["settings_chosen"]] if card["settings_chosen"] else []),
        card["budget"]["why"],
        "## Whom it was trained on",
        *_training_lines(card),
        "## Licences",
        *(f"- {note}" for note in card["licences"]),
        "## Where it comes from",
        f"- data {data['store_hash']}, split of the sweep {data['split_hash']}, labels {data['label_hash']}, settings "
        f"{card['settings_hash']}",
        f"- {', '.join(f'{name} {number}' for name, number in card['versions'].items())}",
        "- all settings: `config` in model.json; the numbers fitted on the clips: `numbers` in each member's card.json",
        "## How to use it",
        '```python\nimport merjax\n\nmodel = merjax.load_final_model("this folder")\nmodel("a clip store")\n```',
    ]
    return "\n\n".join(lines) + "\n"


def _expected_lines(card: Mapping[str, Any]) -> list[str]:
    expected = card["expected"]
    told = [
        f"- {name} {score['mean']:.3f} [{score['interval'][0]:.3f}, {score['interval'][1]:.3f}]; "
        + ", ".join(f"{control} {scores[name]:.3f}" for control, scores in expected["controls"].items())
        for name, score in expected["scores"].items()
    ]
    among = (
        f" The sweep has {card['trials']} trials: if this one was taken since it scored best, its score is too high for new "
        "people."
        if card["trials"] > 1
        else ""
    )
    return [
        f"{expectation_of(card)}.",
        *told,
        f"Scores of {expected['of']} in the sweep, pooled over all folds ({expected['folds']}): {expected['models']} models, "
        f"each tested on the subjects that it held out. Brackets hold 95 % of bootstrap samples of the "
        f"{expected['subjects']} subjects. This model saw all of them, so it has no scores of its own, and on recordings made "
        f"in another way (camera, light, frame rate, head motion, other people) it may do worse.{among}",
    ]


def _training_lines(card: Mapping[str, Any]) -> list[str]:
    training = card["training"]
    people = [
        f"- {own['title']}: {several(own['clips'], 'clip')} of {several(own['subjects'], 'subject')}, "
        f"{', '.join(f'{rate:g}' for rate in own['frames_per_second']) or 'an unknown number of'} frames per second"
        for own in training["databases"]
    ]
    classes = ", ".join(f"{number} {name}" for name, number in training["clips_of_class"].items())
    sizes = ", ".join(f"{name} {height} x {width}" for name, (height, width) in training["pictures"]["sizes"].items())
    prepared = said_settings(training["preparation"], list(training["preparation"]))
    return [
        *people,
        f"- clips by class: {classes}",
        f"- what it sees: {training['pictures']['input']}; in pixels {sizes}",
        f"- prepared with geometry {training['geometry']}" + (f", {prepared}" if prepared else ""),
    ]
