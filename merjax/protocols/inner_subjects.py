"""Subjects held out inside training: settings are chosen on them, without using the subjects that are tested."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool

from merjax.protocols.folds import Fold, inside_name, make_folds, subjects_of
from merjax.system.errors import MerjaxError


def inner_folds(
    index: pd.DataFrame, folds: Sequence[Fold], member_NxK: Bool[np.ndarray, "clips classes"], share: float
) -> tuple[Fold, ...]:
    """The folds, each with its test clips set aside and about a share of its training subjects tested instead.

    The training subjects of a fold are sorted into groups alike in classes. One group is held out, a different one from fold
    to fold, so that every subject is tested in some fold. The fold's own test clips are on neither side.

    Args:
        index: the clips: database, subject, clip.
        folds: the folds to divide again.
        member_NxK: whether a clip has each class.
        share: about what share of a fold's training subjects is held out, between 0 and 1.

    Raises:
        MerjaxError: a fold trains on fewer than two subjects.
    """
    return tuple(_inner_fold(index, fold, number, member_NxK, share) for number, fold in enumerate(folds))


def _inner_fold(index: pd.DataFrame, fold: Fold, number: int, member_NxK: np.ndarray, share: float) -> Fold:
    own = index[fold.train_N]
    subjects = len(set(subjects_of(own)))
    if subjects < 2:
        raise MerjaxError(
            f"fold {fold.name} trains on one subject only, so none can be held out inside; choose other data.folds, or do "
            "without a search and without inner in selection.rules"
        )
    groups = min(round(1 / share), subjects)
    inner = make_folds(own, f"group:{groups}", member_NxK[fold.train_N])[number % groups]
    train_N, test_N = fold.train_N.copy(), fold.train_N.copy()
    train_N[fold.train_N], test_N[fold.train_N] = inner.train_N, inner.test_N
    return Fold(inside_name(fold.name), train_N, test_N)
