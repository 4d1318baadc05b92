"""Scores of a sweep's spotters: sums over all videos, means over seeds, paired differences and what an oracle adds."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from merjax.config import make_config
from merjax.protocols import FoldId
from merjax.scoring.entry import Entry, GroupData
from merjax.scoring.metrics import times_drawn
from merjax.scoring.resamples import DRAWS
from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.rules import RULES
from merjax.scoring.spotting.scores import score_spotted
from merjax.scoring.spotting.trials import oracle_gains, score_spotters, spotted_of, spotter_differences

SUBJECTS = 5


def predictions_of(skill: float, seed: int, seeds: int = 1) -> pd.DataFrame:
    """Each subject has a video with a micro- and a macro-expression and an empty one of half a minute."""
    rng, rows = np.random.default_rng(seed), []
    for s in range(SUBJECTS):
        for of_seed in range(seeds):
            common: dict[str, Any] = {"database": "made", "subject": f"s{s}", "fold": f"made/s{s}", "seed": of_seed}
            common |= {"seconds": 30.0, "step": 1, "emotion": "", "apex": -1, "confidence": 0.5}
            for clip in ("full", "empty"):
                own = common | {"clip": clip}
                rows.append(own | {"row": "video", "onset": 0, "offset": 899, "kind": ""})
                for kind, onset, length in (("micro", 100, 12), ("macro", 400, 45)):
                    if clip == "full":
                        rows.append(own | {"row": "true", "onset": onset, "offset": onset + length, "kind": kind})
                    if rng.random() < (skill if clip == "full" else 1 - skill):
                        rows.append(own | {"row": "found", "onset": onset + 2, "offset": onset + length, "kind": kind})
    return pd.DataFrame(rows)


def entry(skill: float, seed: int, selection: str = "fixed", label: str = "", seeds: int = 1) -> Entry:
    folds = tuple(FoldId(f"made/s{s}") for s in range(SUBJECTS))
    data = GroupData("store", "h", "s", "l", "spotting", ("micro", "macro"), folds, 10, 9000, SUBJECTS, spots=True)
    label = label or f"{skill} {selection}"
    predictions = predictions_of(skill, seed, seeds)
    numbers = tuple(range(seeds))
    config = make_config({"method": "peaks"})
    return Entry(label, "trial", config, {}, selection, "", data, numbers, numbers, SUBJECTS, 1, 1, predictions)


def test_counts_and_scores_are_those_of_the_same_intervals_scored_by_themselves():
    own = entry(0.6, 1)
    ours = score_spotters([own])
    spotted = spotted_of(own.predictions)
    theirs = score_spotted(spotted, count(spotted, RULES[""]))
    columns = [
        "kind",
        "videos",
        "empty",
        "subjects",
        "found",
        "true",
        "hits",
        "false",
        "missed",
        "precision",
        "recall",
        "F1",
    ]
    columns += ["F1_low", "F1_high"]
    pd.testing.assert_frame_equal(ours[columns], theirs[columns], check_dtype=False)
    assert (ours["false"].iloc[-1], ours["missed"].iloc[-1]) != (0, 0)


def test_false_intervals_a_minute_are_those_of_videos_without_expressions():
    own = entry(0.6, 2)
    in_empty = own.predictions[(own.predictions["clip"] == "empty") & (own.predictions["row"] == "found")]
    rows = score_spotters([own]).set_index("kind")["false_per_minute"]
    assert rows["overall"] == pytest.approx(len(in_empty) / (SUBJECTS / 2))
    assert rows["micro"] == pytest.approx((in_empty["kind"] == "micro").sum() / (SUBJECTS / 2))


def test_a_score_of_several_seeds_is_the_mean_of_the_seeds_scores():
    several = entry(0.6, 3, seeds=3)
    single = []
    for seed in range(3):
        one = several.predictions[several.predictions["seed"] == seed]
        spotted = spotted_of(one)
        single.append(score_spotted(spotted, count(spotted, RULES[""])).set_index("kind")["F1"]["overall"])
    assert len(set(single)) > 1
    assert score_spotters([several]).set_index("kind")["F1"]["overall"] == pytest.approx(np.mean(single))


def test_a_difference_is_resampled_with_the_same_subjects_for_both():
    better, worse = entry(0.9, 4), entry(0.4, 5)
    row = spotter_differences(worse, [better]).set_index("kind").loc["overall"]
    counts = []
    for one in (better, worse):
        spotted = spotted_of(one.predictions)
        table = count(spotted, RULES[""]).counts
        person_N = spotted.videos["subject"].str[1:].astype(int).to_numpy()[table["video"]]
        counts.append((person_N, *(table[name].to_numpy(int) for name in ("hits", "false", "missed"))))
    by_hand = []
    for times_Q in times_drawn(SUBJECTS, DRAWS, 0):
        f1 = []
        for person_N, *each in counts:
            hits, false, missed = (int(own_N @ times_Q[person_N]) for own_N in each)
            f1.append(2 * hits / (2 * hits + false + missed))
        by_hand.append(f1[0] - f1[1])
    assert row["F1"] > 0
    np.testing.assert_allclose([row["F1_low"], row["F1_high"]], np.quantile(by_hand, [0.025, 0.975]))
    assert not spotter_differences(better, [better])[["F1", "F1_low", "F1_high"]].to_numpy().any()


def test_entries_of_other_videos_are_not_compared():
    one, other = entry(0.5, 6), entry(0.5, 7)
    other.predictions["clip"] = other.predictions["clip"] + "x"
    assert spotter_differences(one, [other]).empty


def test_the_oracle_is_compared_with_each_honest_rule_of_its_trial():
    fixed, inner, oracle = (
        entry(skill, 8, rule, rule) for skill, rule in ((0.5, "fixed"), (0.6, "inner"), (0.9, "oracle"))
    )
    gains = oracle_gains([fixed, inner, oracle])
    assert gains["base"].unique().tolist() == ["fixed", "inner"]
    assert (gains.loc[gains["kind"] == "overall", "F1"] > 0).all()
    assert oracle_gains([fixed, inner]).empty


def test_an_entry_that_finds_nothing_is_scored():
    own = entry(0.5, 9)
    nothing = own.predictions[own.predictions["row"] != "found"].reset_index(drop=True)
    silent = dataclasses.replace(own, predictions=nothing)
    row = score_spotters([silent]).set_index("kind").loc["overall"]
    assert (row["F1"], row["hits"], row["missed"], row["false_per_minute"]) == (0, 0, 2 * SUBJECTS, 0)
    assert np.isnan(row["precision"])
