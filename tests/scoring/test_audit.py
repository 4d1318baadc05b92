"""What a leak is worth: which rows belong together, and their numbers against plain loops."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score
from support.audited import ALL_SHUFFLED, HALF, POINTS, SKILLS, audited_run

from merjax.report.comparison import compare
from merjax.scoring import resamples, scores
from merjax.scoring.audit import SHUFFLED, TRUE, Audit, audits_of
from merjax.scoring.entry import Entry
from merjax.scoring.parts import Part
from merjax.sweeps.result import open_sweep

FULL, CASME2 = Part("FULL"), Part("casme2")


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> tuple[Entry, ...]:
    return compare([open_sweep(audited_run(tmp_path_factory.mktemp("audit") / "run"))])[0].entries


@pytest.fixture
def few_draws(monkeypatch) -> int:
    monkeypatch.setattr(resamples, "DRAWS", 60)
    return 60


def found(entries) -> list[Audit]:
    return audits_of(entries, (FULL, CASME2))


def rows_of(entry: Entry, part: Part):
    rows = entry.predictions
    return rows if part is FULL else rows[rows["database"] == part.name]


def uf1_by_hand(entry: Entry, part: Part) -> float:
    return float(
        np.mean(
            [
                f1_score(own["label"], own["prediction"], average="macro")
                for _, own in rows_of(entry, part).groupby("seed")
            ]
        )
    )


def draws_by_hand(entry: Entry, part: Part, draws: int) -> np.ndarray:
    """UF1 of resampled subjects, mean over seeds: the clips of a subject are repeated as often as it is drawn."""
    values = []
    for _, own in rows_of(entry, part).groupby("seed"):
        subjects = sorted(set(own["database"] + "/" + own["subject"]))
        times_DxG = np.random.default_rng(0).multinomial(
            len(subjects), np.full(len(subjects), 1 / len(subjects)), draws
        )
        of_N = (own["database"] + "/" + own["subject"]).map(subjects.index).to_numpy()
        drawn = [np.repeat(np.arange(len(own)), times_G[of_N]) for times_G in times_DxG]
        truth_N, answer_N = own["label"].to_numpy(), own["prediction"].to_numpy()
        values.append([f1_score(truth_N[n], answer_N[n], average="macro") for n in drawn])
    return np.mean(values, axis=0)


def test_the_four_rows_are_the_scores_of_their_predictions(entries):
    (audit,) = found(entries)
    own = {
        (TRUE, "fold"): 0,
        (SHUFFLED, "fold"): 1,
        (TRUE, "half of all frames"): 2,
        (SHUFFLED, "half of all frames"): 3,
    }
    for (labels, trained_on), number in own.items():
        for part in (FULL, CASME2):
            row = audit.row(part, labels, trained_on)
            assert row["UF1"] == pytest.approx(uf1_by_hand(entries[number], part)), (labels, trained_on)
    assert [entry.label for entry in audit.entries] == [entries[i].label for i in (0, 2, 1, 3)]
    assert audit.row(FULL, "", "")["entry"] == "chance"


@pytest.mark.parametrize(("labels", "honest", "leaking"), [(TRUE, 0, 2), (SHUFFLED, 1, 3)])
def test_what_the_leak_adds_is_paired_by_subject(entries, few_draws, labels, honest, leaking):
    (audit,) = found(entries)
    for part in (FULL, CASME2):
        difference = audit.difference(part, labels)
        own, base = entries[leaking], entries[honest]
        assert difference["UF1"] == pytest.approx(uf1_by_hand(own, part) - uf1_by_hand(base, part))
        drawn = draws_by_hand(own, part, few_draws) - draws_by_hand(base, part, few_draws)
        assert (difference["UF1_low"], difference["UF1_high"]) == pytest.approx(np.quantile(drawn, [0.025, 0.975]))


def test_true_and_shuffled_labels_are_never_paired(entries):
    assert not scores.are_paired(entries[0], entries[1])
    assert scores.are_paired(entries[1], entries[3])


def changed(entry: Entry, **spatial) -> Entry:
    return replace(entry, config=replace(entry.config, spatial=replace(entry.config.spatial, **spatial)))


def test_only_rows_that_differ_in_nothing_else_make_an_audit(entries):
    fold, fold_shuffled, half, half_shuffled = entries
    assert found([fold, fold_shuffled]) == []
    (one,) = found([half, half_shuffled, fold_shuffled])
    assert [pair.labels for pair in one.pairs] == [SHUFFLED]
    assert one.difference(FULL, TRUE) is None
    assert one.row(FULL, TRUE, "fold") is None
    (two,) = found([fold, half])
    assert [pair.labels for pair in two.pairs] == [TRUE]
    assert found([fold, changed(half, epochs=3.0)]) == []
    every = changed(half, trained_on="all frames")
    assert [audit.trained_on for audit in found([*entries, every])] == ["half of all frames", "all frames"]
    assert found([replace(fold, run="another"), half]) == []


def test_unfinished_rows_have_no_difference(entries):
    fold, _, half, _ = entries
    (audit,) = found([fold, replace(half, folds=half.folds - 1)])
    assert audit.difference(FULL, TRUE) is None
    assert audit.row(FULL, TRUE, "half of all frames") is not None
    (audit,) = found([fold, replace(half, seeds=(0,))])
    assert audit.difference(FULL, TRUE) is None


def test_the_support_of_these_tests_is_a_whole_audit():
    assert POINTS["half, shuffled"] == HALF | ALL_SHUFFLED
    assert set(SKILLS) == set(POINTS)
