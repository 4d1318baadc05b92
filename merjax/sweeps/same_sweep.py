"""Whether a sweep's folder holds the same sweep: where it was started, it goes on; another sweep is refused."""

from collections.abc import Sequence
from typing import Any

from merjax.sweeps.plan import Plan
from merjax.sweeps.sweep_file import Trial
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten

_DATA_HASHES = {
    "store_hash": "the clips",
    "feature_hash": "the features",
    "split_hash": "the folds",
    "label_hash": "the labels",
}


def refuse_another(there: Plan, here: Plan, folder: Any) -> None:
    """Refuse to go on in a folder that another sweep wrote.

    Raises:
        MerjaxError: naming what differs.
    """
    if there.version != here.version:
        raise MerjaxError(f"{folder} was started by merjax {there.version}, but this is {here.version}; {_ADVICE}")
    refuse_other_trials(there, here.trials, here.seeds, folder)
    for old, new in zip(there.groups, here.groups, strict=True):
        for key, what in _DATA_HASHES.items():
            if getattr(old, key) != getattr(new, key):
                raise MerjaxError(f"{folder} was trained on other data ({what} differ: {key}); {_ADVICE}")


def refuse_other_trials(there: Plan, trials: Sequence[Trial], seeds: Sequence[int], folder: Any) -> None:
    """Refuse a folder whose trials or seeds are not these.

    Raises:
        MerjaxError: naming what differs.
    """
    if [t.name for t in there.trials] != [t.name for t in trials]:
        raise MerjaxError(
            f"{folder} holds the trials {_names(there.trials)}, but this sweep has {_names(trials)}; {_ADVICE}"
        )
    for old, new in zip(there.trials, trials, strict=True):
        if old.folds != new.folds:
            raise MerjaxError(f'{folder}: trial "{old.name}" had other folds; {_ADVICE}')
        if old.seeds != new.seeds:
            raise MerjaxError(f'{folder}: trial "{old.name}" had other seeds; {_ADVICE}')
        was, now = (
            # a store may be mounted anywhere: the data's hashes show whether it is the same
            {k: v for k, v in flatten(t.config).items() if k == "engine.precision" or not k.startswith(_FREE)}
            for t in (old, new)
        )
        for key, value in was.items():
            if now[key] != value:
                raise MerjaxError(f'{folder}: trial "{old.name}" had {key} {value}, now it has {now[key]}; {_ADVICE}')
    if there.seeds != tuple(seeds):
        raise MerjaxError(f"{folder} holds the seeds {list(there.seeds)}, but this sweep has {list(seeds)}; {_ADVICE}")


_FREE = ("engine.", "data.store")  # what a sweep that goes on may have otherwise, but for the precision
_ADVICE = "choose another --out, or remove the folder"


def _names(trials: Sequence[Trial]) -> str:
    return ", ".join(trial.name for trial in trials)
