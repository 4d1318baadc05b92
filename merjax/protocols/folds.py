"""Training and test clips: leave-one-subject-out, leave-one-database-out, cross-database, groups of subjects, parts.

A group is a (database, subject); no group is ever on both sides of a fold.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from merjax.system.errors import MerjaxError

KINDS = '"loso", "loso:DATABASE", "lodo", "cross_database", "cross_database:TRAIN+TRAIN:TEST", "group:K", "parts"'

# in names, which enter the hash of a split and the randomness of a run: they stay as they are
_ARROW, _INSIDE = "->", "inside "
_TRAINED = "train"  # the part of a release that its owner's split trains on
NOBODY = "nobody"  # the fold that holds nobody out
# Table 12, in its order; with CASME II and SAMM alone, what remains is Table 13.
_CROSS_DATABASE = (
    (("casme2", "smic"), "samm"),
    (("casme2", "samm"), "smic"),
    (("smic", "samm"), "casme2"),
    (("casme2",), "smic"),
    (("casme2",), "samm"),
    (("smic",), "casme2"),
    (("smic",), "samm"),
    (("samm",), "casme2"),
    (("samm",), "smic"),
)
_OF_TABLE_12 = ("smic", "casme2", "samm")


class FoldId(NamedTuple):
    """Which fold it is, without its clips: the part of a `Fold` that plans and model cards keep.

    Attributes:
        name: what is held out ("casme2/sub01", "casme2+smic->samm", "group 1 of 5").
        train_databases, test_database: the databases on either side of a fold across databases; else empty. Where a database's
            owner splits it into parts, these are the parts, each as "dfme train" (see `pair_name`).
        inside: for a fold that was made among the training subjects of another fold (see `inner_subjects`), the name of that
            other fold; else empty.
    """

    name: str
    train_databases: tuple[str, ...] = ()
    test_database: str = ""
    inside: str = ""

    @classmethod
    def of_name(cls, name: str) -> "FoldId":
        """The fold that has a name, by which results folders keep it; no other function takes a name apart.

        >>> FoldId.of_name("casme2+smic->samm").train_databases
        ('casme2', 'smic')
        """
        if name.startswith(_INSIDE):
            return cls(name, inside=name.removeprefix(_INSIDE))
        train, arrow, test = name.partition(_ARROW)
        return cls(name, tuple(train.split("+")), test) if arrow else cls(name)


@dataclass(frozen=True)
class Fold:
    """One split of N clips.

    Attributes:
        name: what is held out; see `FoldId` for what a name tells.
        train_N, test_N: whether the clip is trained on, tested on; a clip may be neither.
        leaks: whether it trains on the subjects that it tests on, on purpose; see `leaking_folds`.
    """

    name: str
    train_N: Bool[np.ndarray, "clips"]
    test_N: Bool[np.ndarray, "clips"]
    leaks: bool = False

    @property
    def id(self) -> FoldId:
        """The fold without its clips."""
        return FoldId.of_name(self.name)


def make_folds(
    index: pd.DataFrame,
    kind: str,
    targets: Int[np.ndarray, "clips"] | Bool[np.ndarray, "clips classes"] | None = None,
    seed: int = 0,
) -> tuple[Fold, ...]:
    """The folds of an evaluation protocol.

    - "loso": one fold per (database, subject) over all clips.
    - "loso:casme2": leave-one-subject-out within one database; the other databases are on neither side.
    - "lodo": leave-one-database-out, one fold per database; every clip is tested once.
    - "cross_database": the pairs of Table 12 for which clips are there (nine with three databases; with CASME II and
      SAMM the two of Table 13).
    - "cross_database:casme2+smic:samm": one of these pairs, here training on CASME II and SMIC, testing on SAMM. (The
      fold is then named as in the tables, "casme2+smic->samm"; an arrow in the setting would redirect a shell's output.)
    - "group:5": five groups of whole subjects, alike in classes, each held out once.
    - "parts": the split of a release's owner, training on the part "train" and testing each other part. Clips of no part are
      on neither side.
    - "nobody:loso", and so with each of the others: one fold that trains on every clip of those folds and tests none, for a
      final model (`merjax train`).

    Args:
        index: the protocol's clips, columns database, subject, clip, and for parts, part. Clips that are not in the protocol
            do not belong here.
        kind: one of the above.
        targets: for groups, the class of each clip, or whether it has each class (clips x classes), to balance over them; None
            balances the number of clips.
        seed: for groups, breaks ties between subjects.

    Raises:
        MerjaxError: the kind is unknown, or these clips allow no such folds.
    """
    index = index.reset_index(drop=True)
    if kind.startswith(held_by_nobody("")):
        others = make_folds(index, kind.removeprefix(held_by_nobody("")), targets, seed)
        used_N = np.any([fold.train_N | fold.test_N for fold in others], axis=0)
        return (Fold(NOBODY, used_N, np.zeros(len(index), bool)),)
    if kind == "loso":
        folds = _leave_one_subject_out(index, np.ones(len(index), bool), "")
    elif match := re.fullmatch(r"loso:(\w+)", kind):
        folds = _single_database(index, match[1])
    elif kind == "lodo":
        folds = _leave_one_database_out(index)
    elif kind == "parts":
        folds = _parts(index)
    elif kind == "cross_database":
        folds = _cross_database(index)
    elif match := re.fullmatch(r"cross_database:([\w+]+):(\w+)", kind):
        folds = (_pair(index, match[1].split("+"), match[2]),)
    elif match := re.fullmatch(r"group: ?(\d+)", kind):
        folds = _groups(index, int(match[1]), targets, seed)
    else:
        raise MerjaxError(f"folds: '{kind}' is not one of {KINDS}")
    assert_disjoint(index, folds)
    return folds


def pair_name(train: Sequence[str], test: str) -> str:
    """The name of the fold that trains on some databases and tests on another: "casme2+smic->samm"."""
    return "+".join(train) + _ARROW + test


def held_by_nobody(kind: str) -> str:
    """The kind of the one fold that trains on all clips of the folds of another kind."""
    return f"{NOBODY}:{kind}"


def inside_name(fold: str) -> str:
    """The name of a fold that is made inside another one's training subjects; see `merjax.protocols.inner_subjects`."""
    return _INSIDE + fold


def subjects_of(index: pd.DataFrame) -> np.ndarray:
    """The group of each clip, "database/subject" (N text)."""
    return (index["database"].astype(str) + "/" + index["subject"].astype(str)).to_numpy(dtype=object)


def leaking_folds(index: pd.DataFrame, folds: Sequence[Fold]) -> tuple[Fold, ...]:
    """The same folds, each training on every clip, those that it tests included: what the audit of a leak compares with."""
    every_N = np.ones(len(index), bool)
    leaking = tuple(replace(fold, train_N=every_N, leaks=True) for fold in folds)
    assert_disjoint(index, leaking)
    return leaking


def assert_disjoint(index: pd.DataFrame, folds: Sequence[Fold]) -> None:
    """Raise AssertionError if a fold trains on a subject that it tests on without saying that it leaks, if it says so and does
    not train on all of them, or if it has an empty side."""
    subject_N = subjects_of(index)
    for fold in folds:
        tested = set(subject_N[fold.test_N])
        shared = set(subject_N[fold.train_N]) & tested
        if shared and not fold.leaks:
            raise AssertionError(f"fold {fold.name} trains and tests on {', '.join(sorted(shared))}")
        if fold.leaks and shared != tested:
            raise AssertionError(f"fold {fold.name} leaks, but does not train on {', '.join(sorted(tested - shared))}")
        if not fold.train_N.any() or not fold.test_N.any():
            raise AssertionError(f"fold {fold.name} has an empty side")


def split_hash(index: pd.DataFrame, folds: Sequence[Fold]) -> str:
    """A hash of which clips are on which side of which fold, 16 hexadecimal digits.

    It depends neither on the order of clips nor on that of folds, nor on clips that are on no side.
    """
    key_N = subjects_of(index) + "/" + index["clip"].astype(str).to_numpy(dtype=object)
    sides = sorted([fold.name, sorted(key_N[fold.train_N]), sorted(key_N[fold.test_N])] for fold in folds)
    return hashlib.sha256(repr(sides).encode()).hexdigest()[:16]


def _leave_one_subject_out(index: pd.DataFrame, among_N: np.ndarray, prefix: str) -> tuple[Fold, ...]:
    subject_N = subjects_of(index)
    subjects = sorted(set(subject_N[among_N]))
    if len(subjects) < 2:
        raise MerjaxError(f"folds: leave-one-subject-out needs at least two subjects, found {len(subjects)}")
    return tuple(
        Fold(prefix + subject, among_N & (subject_N != subject), among_N & (subject_N == subject))
        for subject in subjects
    )


def _single_database(index: pd.DataFrame, database: str) -> tuple[Fold, ...]:
    present = sorted(set(index["database"]))
    if database not in present:
        raise MerjaxError(f"folds: no clips of '{database}' (databases with clips: {', '.join(present) or 'none'})")
    among_N = (index["database"] == database).to_numpy(dtype=bool)
    return _leave_one_subject_out(index, among_N, "loso:")


def _leave_one_database_out(index: pd.DataFrame) -> tuple[Fold, ...]:
    database_N = index["database"].to_numpy(dtype=object)
    present = sorted(set(database_N))
    if len(present) < 2:
        raise MerjaxError(f"folds: lodo needs clips of at least two databases; found {', '.join(present) or 'none'}")
    return tuple(Fold(f"lodo:{name}", database_N != name, database_N == name) for name in present)


def _parts(index: pd.DataFrame) -> tuple[Fold, ...]:
    part_N = index["part"].fillna("").to_numpy(dtype=object) if "part" in index else np.full(len(index), "", object)
    name_N = index["database"].to_numpy(dtype=object) + " " + part_N
    folds = tuple(
        Fold(pair_name([f"{database} {_TRAINED}"], test), name_N == f"{database} {_TRAINED}", name_N == test)
        for database in sorted(set(index["database"][part_N == _TRAINED]))
        for test in sorted(set(name_N[(index["database"] == database) & ~np.isin(part_N, ["", _TRAINED])]))
    )
    if not folds:
        found = ", ".join(sorted(set(name_N[part_N != ""]))) or "none"
        raise MerjaxError(
            "folds: parts needs a database that its owner splits, as DFME, with its training part and another one; "
            f"found {found}"
        )
    return folds


def _cross_database(index: pd.DataFrame) -> tuple[Fold, ...]:
    present = set(index["database"])
    database_N = index["database"].to_numpy(dtype=object)
    folds = tuple(
        Fold(pair_name(train, test), np.isin(database_N, train), database_N == test)
        for train, test in _CROSS_DATABASE
        if present >= {*train, test}
    )
    if not folds:
        names = ", ".join(_OF_TABLE_12)
        raise MerjaxError(f"folds: cross_database needs two of {names}; found {', '.join(sorted(present)) or 'none'}")
    return folds


def _pair(index: pd.DataFrame, train: Sequence[str], test: str) -> Fold:
    """The fold of one pair, however its training databases are ordered."""
    names = {(frozenset(pair), held_out): pair_name(pair, held_out) for pair, held_out in _CROSS_DATABASE}
    name = names.get((frozenset(train), test))
    if name is None:
        raise MerjaxError(
            f"folds: '{'+'.join(train)}:{test}' is not a pair; write it like casme2+smic:samm, one or two of "
            f"{', '.join(_OF_TABLE_12)} to train on, a colon, and another one to test on"
        )
    folds = {fold.name: fold for fold in _cross_database(index)}
    if name not in folds:
        raise MerjaxError(
            f"folds: no clips for {name}; databases with clips: {', '.join(sorted(set(index['database'])))}"
        )
    return folds[name]


def _groups(index: pd.DataFrame, k: int, targets: np.ndarray | None, seed: int) -> tuple[Fold, ...]:
    """Put each subject, those with most weight first, into the group in which it leaves the classes most even.

    Subjects are ordered by name before the seed breaks ties, so that the order of clips has no influence.
    """
    subjects, subject_N = np.unique(subjects_of(index), return_inverse=True)
    if not 2 <= k <= len(subjects):
        raise MerjaxError(f"folds: group:{k} needs K from 2 to the number of subjects, {len(subjects)}")
    member_NxK = np.ones((len(index), 1)) if targets is None else targets
    if member_NxK.ndim == 1:
        member_NxK = member_NxK[:, None] == np.unique(member_NxK)
    member_NxK = member_NxK[:, member_NxK.any(0)]
    count_GxK = np.zeros((len(subjects), member_NxK.shape[1]))
    np.add.at(count_GxK, subject_N, member_NxK)
    # Shares of each class, so that a rare one weighs as much as a frequent one, and of all clips, so that groups become
    # alike in size too and none stays empty.
    share_GxK = np.column_stack([count_GxK / count_GxK.sum(0), count_GxK.sum(1) / len(index)])
    order_G = np.lexsort((np.random.default_rng(seed).permutation(len(subjects)), -share_GxK.max(1)))
    total_FxK = np.zeros((k, share_GxK.shape[1]))
    fold_G = np.zeros(len(subjects), int)
    for g in order_G:
        # Adding to fold f raises the sum of squares by 2 total . share + a constant: take the fold where this is least.
        fold_G[g] = np.argmin(total_FxK @ share_GxK[g])
        total_FxK[fold_G[g]] += share_GxK[g]
    fold_N = fold_G[subject_N]
    return tuple(Fold(f"group {f + 1} of {k}", fold_N != f, fold_N == f) for f in range(k))
