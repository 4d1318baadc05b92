"""Subjects held out inside training, on which settings are chosen without a look at those that are tested."""

from dataclasses import replace

from merjax.errors import MerjaxError
from merjax.experiment import Experiment
from merjax.protocols import Fold, make_folds
from merjax.protocols.folds import subjects_of

_INSIDE = "inside "


def hold_out_inside(experiment: Experiment, share: float) -> Experiment:
    """The experiment with each fold's test clips set aside and about a share of its training subjects tested instead.

    The training subjects of a fold are sorted into groups alike in classes; one is held out, another one from fold to
    fold, so that pooled over folds every subject has its say. The fold's own test clips are on neither side.

    Raises:
        MerjaxError: a fold that trains on fewer than two subjects.
    """
    return replace(experiment, folds=tuple(_inner(experiment, f, share) for f in range(len(experiment.folds))))


def _inner(experiment: Experiment, number: int, share: float) -> Fold:
    fold = experiment.folds[number]
    own = experiment.index[fold.train_N]
    subjects = len(set(subjects_of(own)))
    if subjects < 2:
        raise MerjaxError(
            f"fold {fold.name} trains on one subject, of which none can be held out inside; choose other data.folds, or do "
            "without a search and without inner in selection.rules"
        )
    groups = min(round(1 / share), subjects)
    inner = make_folds(own, f"group:{groups}", experiment.target_N[fold.train_N])[number % groups]
    train_N, test_N = fold.train_N.copy(), fold.train_N.copy()
    train_N[fold.train_N], test_N[fold.train_N] = inner.train_N, inner.test_N
    return Fold(_INSIDE + fold.name, train_N, test_N)


def outer_name(inside: str) -> str:
    """The name of the fold inside which another one was made by `hold_out_inside`."""
    return inside.removeprefix(_INSIDE)
