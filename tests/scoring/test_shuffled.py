"""Trials on shuffled labels: what is evidence of a leak, what may be chance, and how wide chance is."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from support.fake_runs import megc_clips, write_fake_run

from merjax.report.comparison import compare
from merjax.scoring.parts import Part
from merjax.scoring.scores import score_controls, score_entries
from merjax.scoring.shuffled import over_permutations, shuffled_notes
from merjax.sweeps.result import open_sweep


def entries_of(folder, **asked):
    """The entries of a sweep with shuffled labels, without training; see `write_fake_run`."""
    asked = {"settings": {"control": "shuffle"}, "chunk_runs": 80} | asked
    return compare([open_sweep(write_fake_run(folder / "run", **asked))])[0].entries


def in_folds(clips, n):
    """The held-out clips of n folds of whole subjects."""
    fold_N = np.unique((clips["database"] + clips["subject"]).to_numpy(), return_inverse=True)[1] % n
    return {f"group {g:02d}": fold_N == g for g in range(n)}


def test_shuffled_labels_above_chance_are_evidence_unless_an_oracle_chose(tmp_path):
    fixed, oracle = entries_of(tmp_path / "oracle", skills={"a": 0.0}, selections={"fixed": 0.0, "oracle": 1.0})
    (note,) = shuffled_notes([fixed, oracle], Part("FULL"))
    assert "EVIDENCE OF A LEAK" not in note
    assert "nothing can be learnt: a, oracle (leaks), shuffled labels: UF1" in note
    (leak,) = entries_of(tmp_path / "leak", skills={"a": 1.0})
    (note,) = shuffled_notes([leak], Part("FULL"))
    assert note.startswith("EVIDENCE OF A LEAK: above chance")
    assert "a, shuffled labels: UF1" in note
    assert "95 % over 12 permutations" in note


def test_few_permutations_are_no_evidence(tmp_path):
    """Three folds: clips of a fold that look alike get one answer, which is right for a third of them by chance."""
    clips = megc_clips()
    (note,) = shuffled_notes(
        entries_of(tmp_path, clips=clips, folds=in_folds(clips, 3), skills={"a": 0.5}), Part("FULL")
    )
    assert "EVIDENCE OF A LEAK" not in note
    assert "It may be chance, since permutations are few (one per fold and seed, 3 in all)" in note


def test_the_interval_over_permutations_is_as_wide_as_their_luck(tmp_path, monkeypatch):
    """Twelve folds, each of which gives every class an answer drawn at random: the deviation over 60 such experiments,
    and what the intervals hold it to be. That over subjects, of whom six share a fold's luck, is far too narrow."""
    monkeypatch.setattr("merjax.scoring.scores.DRAWS", 300)
    clips = megc_clips()
    (entry,) = entries_of(tmp_path, clips=clips, folds=in_folds(clips, 12), skills={"a": 0.0})
    fold_N = entry.predictions["fold"].str[-2:].astype(int).to_numpy()
    label_N = entry.predictions["label"].to_numpy()
    scores, over_folds, over_subjects = [], [], []
    for draw in range(60):
        answer_FxK = np.random.default_rng(draw).integers(0, 3, (12, 3))
        lucky = replace(entry, predictions=entry.predictions.assign(prediction=answer_FxK[fold_N, label_N]))
        scores.append(balanced_accuracy_score(label_N, lucky.predictions["prediction"]))
        over_folds.append(np.ptp(over_permutations(lucky, Part("FULL"))["UAR"]) / 3.92)
        over_subjects.append(np.ptp(score_entries([lucky], [Part("FULL")])[["UAR_low", "UAR_high"]].to_numpy()) / 3.92)
    assert np.mean(over_folds) == pytest.approx(np.std(scores), rel=0.25)
    assert np.mean(over_subjects) < 0.7 * np.std(scores)


def test_what_chance_does_now_and_then_is_no_evidence_yet(tmp_path, monkeypatch):
    """Twelve folds as different as real ones, with rising scores: first no sentence, then a doubt, then evidence."""
    monkeypatch.setattr("merjax.scoring.scores.DRAWS", 500)
    clips = megc_clips()
    (entry,) = entries_of(tmp_path, clips=clips, folds=in_folds(clips, 12), skills={"a": 0.0})
    right_F = np.array([3, 2, 5, 4, 3, 2, 2, 2, 1, 2, 2, 5]) / 6 - 0.3
    fold_N = entry.predictions["fold"].str[-2:].astype(int).to_numpy()
    label_N = entry.predictions["label"].to_numpy()
    place_N = np.random.default_rng(0).random(len(label_N))
    said = []
    for lift in np.arange(0, 0.6, 0.03):
        answer_N = np.where(place_N < right_F[fold_N] + lift, label_N, (label_N + 1) % 3)
        notes = shuffled_notes(
            [replace(entry, predictions=entry.predictions.assign(prediction=answer_N))], Part("FULL")
        )
        said.append("one such trial in forty" in notes[0] if notes else None)
    assert list(dict.fromkeys(said)) == [None, True, False]
    assert "EVIDENCE OF A LEAK" in notes[0]


def test_of_a_single_fold_the_subjects_are_drawn(tmp_path):
    """This is the case across databases, where a part is a fold: with one seed, its interval is that of any score."""
    clips = megc_clips()
    folds = {"all": np.ones(len(clips), bool)}
    (entry,) = entries_of(tmp_path, clips=clips, folds=folds, skills={"a": 0.5})
    (row,) = score_entries([entry], [Part("FULL")]).to_dict("records")
    for name, (low, high) in over_permutations(entry, Part("FULL")).items():
        assert (low, high) == pytest.approx((row[f"{name}_low"], row[f"{name}_high"]))
        assert high - low > 0.05
    (note,) = shuffled_notes([entry], Part("FULL"))
    assert "1 in all" in note


def test_what_permutations_differ_in_is_part_of_the_evidence(tmp_path, monkeypatch):
    """One of three permutations scores high by chance: over subjects alone this would be above chance, but not over seeds."""
    monkeypatch.setattr("merjax.scoring.scores.DRAWS", 500)
    clips = megc_clips()
    (entry,) = entries_of(tmp_path, clips=clips, folds=in_folds(clips, 12), seeds=(0, 1, 2), skills={"a": 0.0})
    lucky = entry.predictions["seed"].eq(0) & (entry.predictions.index % 2 == 0)
    told = entry.predictions["prediction"].where(~lucky, entry.predictions["label"])
    entry = replace(entry, predictions=entry.predictions.assign(prediction=told))
    chance = score_controls(entry, [Part("FULL")]).set_index("entry").loc["chance"]
    assert score_entries([entry], [Part("FULL")])["UAR_low"].iloc[0] > chance["UAR"]
    assert over_permutations(entry, Part("FULL"))["UAR"][0] < chance["UAR"]
    assert shuffled_notes([entry], Part("FULL")) == []
