"""Folds: every subject is held out once, none is on both sides, and the order of clips does not change the split."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneGroupOut

from merjax.protocols import Fold, FoldId, assert_disjoint, make_folds, split_hash
from merjax.protocols.folds import leaking_folds
from merjax.protocols.inner_subjects import inner_folds
from merjax.system.errors import MerjaxError

KINDS = ("loso", "loso:samm", "lodo", "cross_database", "group:3")


def clips(counts: dict[tuple[str, str], int]) -> pd.DataFrame:
    """An index with a given number of clips for each (database, subject)."""
    keys = [(database, subject, f"clip {i}") for (database, subject), n in counts.items() for i in range(n)]
    return pd.DataFrame(keys, columns=["database", "subject", "clip"])


# "1" is a subject of each database: groups are (database, subject), not subjects
INDEX = clips(
    {("casme2", "1"): 4, ("casme2", "2"): 1, ("samm", "1"): 3, ("samm", "7"): 5, ("smic", "1"): 2, ("smic", "3"): 6}
)
indices = st.dictionaries(
    st.tuples(st.sampled_from(["casme2", "samm", "smic"]), st.sampled_from("123456")), st.integers(1, 6), min_size=2
).map(clips)


def keys(index: pd.DataFrame) -> list[tuple]:
    return list(index[["database", "subject", "clip"]].itertuples(index=False, name=None))


def sides(index: pd.DataFrame, folds) -> dict[str, tuple[set, set]]:
    key = np.array(["/".join(row) for row in keys(index)], dtype=object)
    return {fold.name: (set(key[fold.train_N]), set(key[fold.test_N])) for fold in folds}


@settings(max_examples=30, deadline=None)
@given(indices)
def test_loso_is_leave_one_group_out_of_scikit_learn(index):
    group_N = (index["database"] + "/" + index["subject"]).to_numpy()
    folds = make_folds(index, "loso")
    expected = [(set(train), set(test)) for train, test in LeaveOneGroupOut().split(index, groups=group_N)]
    got = [(set(np.flatnonzero(fold.train_N)), set(np.flatnonzero(fold.test_N))) for fold in folds]
    assert got == expected
    assert [fold.name for fold in folds] == sorted(set(group_N))


@settings(max_examples=30, deadline=None)
@given(indices)
def test_lodo_holds_each_database_out_once(index):
    database_N = index["database"].to_numpy()
    if len(set(database_N)) < 2:
        with pytest.raises(MerjaxError, match="at least two databases; found"):
            make_folds(index, "lodo")
        return
    folds = make_folds(index, "lodo")
    expected = [(set(train), set(test)) for train, test in LeaveOneGroupOut().split(index, groups=database_N)]
    assert [(set(np.flatnonzero(f.train_N)), set(np.flatnonzero(f.test_N))) for f in folds] == expected
    assert [fold.name for fold in folds] == [f"lodo:{name}" for name in sorted(set(database_N))]


def test_an_owners_split_trains_on_its_training_part_and_tests_each_other_part():
    index = clips({("dfme", str(s)): 2 for s in range(5)} | {("samm", "1"): 2})
    index["part"] = index["subject"].map({"0": "train", "1": "train", "2": "test B", "3": "test A", "4": ""})
    index.loc[index["database"] == "samm", "part"] = None  # a database without parts, in a store of several
    folds = make_folds(index, "parts")
    assert [fold.name for fold in folds] == ["dfme train->dfme test A", "dfme train->dfme test B"]
    for fold, tested in zip(folds, "32", strict=True):
        assert set(index["subject"][fold.train_N]) == {"0", "1"}
        assert (index["database"][fold.train_N | fold.test_N] == "dfme").all()
        assert set(index["subject"][fold.test_N]) == {tested}
    assert folds[0].id == FoldId("dfme train->dfme test A", ("dfme train",), "dfme test A")
    for lacking in (index.drop(columns="part"), index[index["part"] == "train"]):
        with pytest.raises(MerjaxError, match="parts needs a database that its owner splits, as DFME"):
            make_folds(lacking, "parts")


def test_groups_are_alike_in_each_of_several_classes():
    """A class that half of each subject's clips have, beside others, is shared evenly; so is one that two subjects have."""
    index = clips({("samm", str(s)): 4 for s in range(6)})
    subject_N = index["subject"].astype(int).to_numpy()
    member_NxK = np.stack([np.arange(24) % 2 == 0, subject_N < 2, np.zeros(24, bool)], 1)
    for fold in make_folds(index, "group:2", member_NxK):
        assert member_NxK[fold.test_N].sum(0).tolist() == [6, 4, 0]


def test_single_database_loso_touches_no_other_database_and_says_so():
    folds = make_folds(INDEX, "loso:samm")
    assert [fold.name for fold in folds] == ["loso:samm/1", "loso:samm/7"]
    for fold in folds:
        assert set(INDEX["database"][fold.train_N | fold.test_N]) == {"samm"}
        assert (fold.train_N | fold.test_N).sum() == 8


def test_cross_database_gives_the_nine_pairs_of_table_12():
    folds = {fold.name: fold for fold in make_folds(INDEX, "cross_database")}
    assert list(folds) == [
        "casme2+smic->samm",
        "casme2+samm->smic",
        "smic+samm->casme2",
        "casme2->smic",
        "casme2->samm",
        "smic->casme2",
        "smic->samm",
        "samm->casme2",
        "samm->smic",
    ]
    for name, fold in folds.items():
        train, test = name.split("->")
        assert (fold.train_N == INDEX["database"].isin(train.split("+"))).all()
        assert (fold.test_N == (INDEX["database"] == test)).all()


def test_cross_database_of_casme2_and_samm_gives_the_two_pairs_of_table_13():
    two = INDEX[INDEX["database"] != "smic"]
    assert [fold.name for fold in make_folds(two, "cross_database")] == ["casme2->samm", "samm->casme2"]


def test_one_pair_is_the_fold_of_that_name_however_it_is_ordered():
    folds = {fold.name: fold for fold in make_folds(INDEX, "cross_database")}
    for name, expected in folds.items():
        train, test = name.split("->")
        for order in (train, "+".join(reversed(train.split("+")))):
            (fold,) = make_folds(INDEX, f"cross_database:{order}:{test}")
            assert fold.name == name
            assert (fold.train_N == expected.train_N).all()
            assert (fold.test_N == expected.test_N).all()


@pytest.mark.parametrize("pair", ["casme2+samm:samm", "casme2:fer2013", "casme2+smic+samm:casme2", "casme2:casme2"])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(MerjaxError, match="is not a pair; write it like casme2\\+smic:samm"):
        make_folds(INDEX, f"cross_database:{pair}")


def test_a_pair_without_its_clips_is_refused():
    two = INDEX[INDEX["database"] != "smic"]
    with pytest.raises(MerjaxError, match="no clips for smic->samm; databases with clips: casme2, samm"):
        make_folds(two, "cross_database:smic:samm")


@settings(max_examples=40, deadline=None)
@given(indices, st.integers(2, 4), st.integers(0, 3), st.data())
def test_groups_hold_whole_subjects_and_every_clip_is_tested_once(index, k, seed, data):
    n_subjects = index.groupby(["database", "subject"]).ngroups
    k = min(k, n_subjects)
    targets = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(index), max_size=len(index))))
    folds = make_folds(index, f"group:{k}", targets, seed)
    assert len(folds) == k
    assert (np.sum([fold.test_N for fold in folds], axis=0) == 1).all()
    assert all((fold.train_N == ~fold.test_N).all() for fold in folds)
    for _, of_subject in index.groupby(["database", "subject"]):
        assert sum(fold.test_N[of_subject.index].any() for fold in folds) == 1


def test_groups_are_balanced_in_classes():
    rng = np.random.default_rng(3)
    index = clips({("samm", str(i)): int(n) for i, n in enumerate(rng.integers(1, 9, 40))})
    targets = rng.choice(3, len(index), p=[0.6, 0.25, 0.15])
    counts = np.array([np.bincount(targets[fold.test_N]) for fold in make_folds(index, "group:4", targets)])
    assert (np.ptp(counts, axis=0) <= 3).all(), counts


def test_the_seed_of_groups_changes_them_and_a_seed_repeats_them():
    index = clips({("samm", str(i)): 2 for i in range(9)})
    hashes = [split_hash(index, make_folds(index, "group:3", seed=seed)) for seed in (0, 0, 1, 2)]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_splits_and_their_hash_do_not_depend_on_the_order_of_clips(kind):
    shuffled = INDEX.sample(frac=1, random_state=1)  # keeps the old row labels: they must not matter either
    original, other = make_folds(INDEX, kind), make_folds(shuffled, kind)
    assert sides(INDEX, original) == sides(shuffled, other)
    assert split_hash(INDEX, original) == split_hash(shuffled, other[::-1])


def test_the_hash_tells_splits_apart_and_passes_over_clips_on_no_side():
    folds = make_folds(INDEX, "loso:samm")
    hashes = {split_hash(INDEX, make_folds(INDEX, kind)) for kind in KINDS}
    assert len(hashes) == len(KINDS)
    samm = INDEX[INDEX["database"] == "samm"]
    assert split_hash(INDEX, folds) == split_hash(samm, make_folds(samm, "loso:samm"))
    renamed = INDEX.assign(clip=INDEX["clip"].where(INDEX.index != 5, "another"))
    assert split_hash(renamed, folds) != split_hash(INDEX, folds)
    moved = Fold(folds[0].name, folds[0].train_N & (INDEX.index != 8), folds[0].test_N)
    assert split_hash(INDEX, (moved, *folds[1:])) != split_hash(INDEX, folds)


def test_the_hash_is_pinned():
    """It is stored with results: if this fails, results of older versions no longer match their splits."""
    assert split_hash(INDEX, make_folds(INDEX, "loso")) == "a346805510b3ab61"


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_alone_tells_which_fold_it_is(kind):
    """Plans and model cards hold names only; the databases that a name tells are those of the fold's clips."""
    folds = make_folds(INDEX, kind)
    for fold in folds:
        tells = (set(fold.id.train_databases), {fold.id.test_database})
        holds = tuple(set(INDEX["database"][side_N]) for side_N in (fold.train_N, fold.test_N))
        assert tells == (holds if kind == "cross_database" else (set(), {""}))
    outer = make_folds(INDEX, "loso")
    for fold, inner in zip(outer, inner_folds(INDEX, outer, np.ones((len(INDEX), 1), bool), 0.5), strict=True):
        assert inner.id == FoldId(inner.name, inside=fold.name)


def test_a_fold_made_by_hand_has_the_sides_that_its_name_tells():
    fold = Fold(
        "casme2+smic->samm", *(INDEX["database"].isin(side).to_numpy() for side in (["casme2", "smic"], ["samm"]))
    )
    assert fold.id == FoldId.of_name(fold.name) == FoldId(fold.name, ("casme2", "smic"), "samm")


def test_a_subject_on_both_sides_is_an_error():
    shared = Fold("bad", np.arange(len(INDEX)) < 2, np.arange(len(INDEX)) == 3)
    with pytest.raises(AssertionError, match="fold bad trains and tests on casme2/1"):
        assert_disjoint(INDEX, [shared])
    namesakes = Fold("good", (INDEX["database"] == "samm").to_numpy(), (INDEX["database"] == "smic").to_numpy())
    assert_disjoint(INDEX, [namesakes])
    empty = Fold("empty", np.ones(len(INDEX), bool), np.zeros(len(INDEX), bool))
    with pytest.raises(AssertionError, match="fold empty has an empty side"):
        assert_disjoint(INDEX, [empty])


def test_a_fold_may_train_on_what_it_tests_only_if_it_says_so_and_then_it_must():
    folds = make_folds(INDEX, "loso")
    leaking = leaking_folds(INDEX, folds)
    for fold, honest in zip(leaking, folds, strict=True):
        assert fold.train_N.all()
        assert (fold.test_N == honest.test_N).all()
        assert (fold.leaks, honest.leaks, fold.name) == (True, False, honest.name)
    with pytest.raises(AssertionError, match="trains and tests on"):
        assert_disjoint(INDEX, [replace(leaking[0], leaks=False)])
    with pytest.raises(AssertionError, match="leaks, but does not train on"):
        assert_disjoint(INDEX, [replace(folds[0], leaks=True)])


def test_folds_that_leak_never_leave_make_folds(monkeypatch):
    leaking = Fold("leaking", np.ones(len(INDEX), bool), np.ones(len(INDEX), bool))
    monkeypatch.setattr("merjax.protocols.folds._cross_database", lambda index: (leaking,))
    with pytest.raises(AssertionError, match="fold leaking trains and tests on"):
        make_folds(INDEX, "cross_database")


@pytest.mark.parametrize(
    ("index", "kind", "sentence"),
    [
        (INDEX, "leave one out", '\'leave one out\' is not one of "loso", "loso:DATABASE"'),
        (INDEX, "group:k", "'group:k' is not one of"),
        (INDEX, "group:1", "group:1 needs K from 2 to the number of subjects, 6"),
        (INDEX, "group:7", "group:7 needs K from 2 to the number of subjects, 6"),
        (INDEX, "loso:casme", "no clips of 'casme' (databases with clips: casme2, samm, smic)"),
        (INDEX[INDEX["database"] == "smic"], "cross_database", "needs two of smic, casme2, samm; found smic"),
        (INDEX[:4], "loso", "needs at least two subjects, found 1"),
        (INDEX[:0], "loso", "needs at least two subjects, found 0"),
        (INDEX[:0], "cross_database", "found none"),
        (INDEX[:0], "group:2", "group:2 needs K from 2 to the number of subjects, 0"),
    ],
)
def test_folds_that_clips_do_not_allow_are_refused(index, kind, sentence):
    with pytest.raises(MerjaxError) as refusal:
        make_folds(index, kind)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fold_that_holds_nobody_out_trains_on_every_clip_of_the_others(kind):
    (fold,) = make_folds(INDEX, f"nobody:{kind}")
    used_N = np.any([other.train_N | other.test_N for other in make_folds(INDEX, kind)], axis=0)
    assert fold.train_N.tolist() == used_N.tolist()
    assert not fold.test_N.any()
    assert fold.id == FoldId("nobody")


def test_folds_that_cannot_be_are_refused_without_held_out_subjects_too():
    with pytest.raises(MerjaxError, match="no clips of 'casme3'"):
        make_folds(INDEX, "nobody:loso:casme3")
