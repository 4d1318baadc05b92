"""The keys of a sweep file, and what is said of keys and settings that stand in each other's place."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from merjax.config import Config
from merjax.protocols.folds import held_by_nobody
from merjax.system.errors import MerjaxError, meant
from merjax.system.settings import Layer, split_word
from merjax.system.values import LARGEST, is_nothing, shown, whole

_KEYS = ("base", "trials", "axes", "combine", "seeds", "search", "synthesize", "small", "published", "ensembles")
_MOST_SEEDS = 1000  # a larger number is meant as a seed


class SaidOfTrial(NamedTuple):
    """What a sweep file says of a trial beside its settings; see `merjax.sweeps.sweep_file.Trial`."""

    published: str = ""
    seeds: tuple[int, ...] = ()
    note: str = ""


def take_said(point: dict[str, Any], source: str) -> SaidOfTrial:
    """Take out of a trial's point what is no setting.

    Raises:
        MerjaxError: its seeds are none.
    """
    published, seeds, note = (point.pop(key, None) for key in SaidOfTrial._fields)
    return SaidOfTrial(
        "" if is_nothing(published) else str(published),
        () if is_nothing(seeds) else read_seeds(seeds, source),
        "" if is_nothing(note) else str(note),
    )


def refuse_unknown_keys(content: Mapping[str, Any], source: str) -> None:
    """Refuse keys that a sweep file does not have, and say where settings belong.

    Raises:
        MerjaxError: there is such a key.
    """
    sections = [f.name for f in fields(Config)]
    for key in map(str, content):
        if key.partition(".")[0] in sections:
            raise MerjaxError(
                f"{source}: `{key}` is a setting, not a key of a sweep file; write it below base, trials or axes"
            )
        if key not in _KEYS:
            near = meant(key, _KEYS) or f"; write any of {', '.join(_KEYS)}"
            raise MerjaxError(f"{source}: there is no key `{key}` in a sweep file{near}")


def refuse_misplaced(layer: Layer, source: str) -> None:
    """Refuse keys of a sweep file among settings, and say where they belong.

    Raises:
        MerjaxError: there is such a key.
    """
    if isinstance(layer, str):
        key, value = split_word(layer)
        first, _, rest = key.partition(".")
        if first == "base" and rest:
            raise MerjaxError(
                f"{key} is not a setting: words on the command line change the base, so write {rest}={value}"
            )
        if first in _KEYS:
            raise MerjaxError(f"`{first}` belongs in the sweep file: write `{first}:` in {source}, or in a copy of it")
        if first == "name":
            raise MerjaxError("a sweep is named after its file; --out DIR names the folder of its results")
    elif isinstance(layer, Mapping):
        for key in layer:
            if str(key).partition(".")[0] in _KEYS:
                raise MerjaxError(f"{source}: `{key}` is not a setting; it belongs at the top of the sweep file")


def read_ensembles(content: Mapping[str, Any], trials: Sequence[str], source: str) -> dict[str, tuple[str, ...]]:
    """The ensembles of a sweep file: by name, the trials whose probabilities a report averages.

    Raises:
        MerjaxError: one is not a list of several different trials of the file.
    """
    said = content.get("ensembles", {})
    if not isinstance(said, Mapping):
        raise MerjaxError(f"{source}: ensembles is {shown(said)}; write `name: [trial, trial]` lines")
    for name, own in said.items():
        members = list(map(str, own)) if isinstance(own, Sequence) and not isinstance(own, str) else []
        if len({*members}) < max(len(members), 2):
            raise MerjaxError(
                f"{source}: ensembles: {name} is {shown(own)}; write a list of two or more different trials"
            )
        if unknown := [member for member in members if member not in trials]:
            near = meant(unknown[0], trials) or f"; write any of {', '.join(trials)}"
            raise MerjaxError(f"{source}: ensembles: {name} names the trial `{unknown[0]}`, which there is not{near}")
    return {str(name): tuple(map(str, own)) for name, own in said.items()}


def read_seeds(seeds: Any, source: str) -> tuple[int, ...]:
    """Seeds, of which a sweep file says how many, or lists them.

    Raises:
        MerjaxError: they are neither.
    """
    listed = seeds if isinstance(seeds, list | tuple) else [seeds]
    try:
        numbers = tuple(map(whole, listed))
    except ValueError:
        numbers = ()
    if listed is not seeds and numbers and numbers[0] > _MOST_SEEDS:
        raise MerjaxError(
            f"{source}: seeds is {numbers[0]}, which says how many; for this one seed write [{numbers[0]}]"
        )
    if numbers and min(numbers) >= 0 and len({*numbers}) == len(numbers) and (listed is seeds or numbers[0]):
        return numbers if listed is seeds else tuple(range(numbers[0]))
    raise MerjaxError(
        f"{source}: seeds is {shown(seeds)}; write how many, or a list such as [0, 1, 2], each seed once, of whole "
        f"numbers from 0 to {LARGEST}"
    )


def refuse_seeds_beyond(seeds: Sequence[int], of_trials: Mapping[str, Sequence[int]], source: str) -> None:
    """Refuse a trial's seed that its sweep does not have.

    Raises:
        MerjaxError: there is one.
    """
    for name, own in of_trials.items():
        if beyond := [seed for seed in own if seed not in seeds]:
            raise MerjaxError(
                f"{source}: trial {name} has the seed {beyond[0]}, which the sweep does not have; write all trials' seeds "
                "under `seeds` beside `trials`, and fewer in a trial"
            )


def refuse_untested(folds: str, source: str) -> None:
    """Refuse folds that hold nobody out: a sweep of them has no score.

    Raises:
        MerjaxError: they are of that kind.
    """
    if folds.startswith(held_by_nobody("")):
        raise MerjaxError(
            f"{source}: data.folds: {folds} holds nobody out, so a sweep has nothing to score; write "
            f"{folds.removeprefix(held_by_nobody(''))}, and train a model on all subjects with `merjax train` afterwards"
        )
