"""Scores of spotting: the published ones from the published counts, sums over videos, subjects resampled, and STRS."""

import numpy as np
import pandas as pd
import pytest
from support.intervals import spotted, write_table

from merjax.scoring.metrics import times_drawn
from merjax.scoring.resamples import DRAWS
from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.rescored import rescore_intervals
from merjax.scoring.spotting.rules import RULES
from merjax.scoring.spotting.scores import analysis_f1, score_spotted, spotting_scores

MDMD = {  # hits, false positives and misses as published, and the published F1 (MEGC 2020's baseline)
    "CAS(ME)^2 macro": (109, 1414, 191, 0.1196),
    "CAS(ME)^2 micro": (21, 5014, 36, 0.0082),
    "SAMM-LV macro": (22, 334, 321, 0.0629),
    "SAMM-LV micro": (29, 1407, 130, 0.0364),
}
SOFTNET = {  # with the released weights
    "CAS(ME)^2 macro": (91, 348, 209, 0.2463),
    "CAS(ME)^2 micro": (18, 327, 39, 0.0896),
    "SAMM-LV macro": (60, 231, 273, 0.1923),
    "SAMM-LV micro": (41, 323, 118, 0.1568),
}
COLUMNS = "subject,video,onset,offset,emotion"
README_FOUND = [
    *(("1", "EP02_01f", 10, 70, "happiness"), ("1", "EP03_02", 100, 170, "others"), ("1", "EP04_02", 0, 70, "others")),
    *(("2", "EP01_11f", 20, 90, "happiness"), ("2", "EP02_04f", 70, 140, "happiness")),
]
README_TRUE = [
    *(("1", "EP02_01f", 45, 85, "happiness"), ("1", "EP03_02", 130, 160, "others"), ("1", "EP04_02", 20, 75, "others")),
    *(("2", "EP01_11f", 45, 95, "repression"), ("2", "EP02_04f", 30, 140, "repression")),
]


@pytest.mark.parametrize("published", [MDMD, SOFTNET])
def test_published_counts_give_their_published_f1(published):
    for *counts, f1 in published.values():
        assert f"{spotting_scores(counts)['F1']:.4f}" == f"{f1:.4f}"


def test_the_overall_f1_is_that_of_the_summed_counts_and_not_the_mean_of_two():
    for database, overall in (("CAS(ME)^2", 0.0376), ("SAMM-LV", 0.0445)):
        counts = np.sum([MDMD[f"{database} {kind}"][:3] for kind in ("macro", "micro")], axis=0)
        assert f"{spotting_scores(counts)['F1']:.4f}" == f"{overall:.4f}"


def test_scores_without_anything_to_divide_by_are_undefined():
    nothing, missed, false = (spotting_scores(counts) for counts in ((0, 0, 0), (0, 0, 3), (0, 3, 0)))
    assert all(np.isnan(value) for value in nothing.values())
    assert np.isnan(missed["precision"])
    assert (missed["recall"], missed["F1"], false["precision"], false["F1"]) == (0, 0, 0, 0)


def rows_of(tmp_path, found, true, columns, **how):
    paths = [write_table(tmp_path / f"{name}.csv", rows, columns) for name, rows in (("f", found), ("t", true))]
    return rescore_intervals(paths[0], truth=paths[1], **how)


@pytest.mark.parametrize("compat", ["", "strs"])
def test_the_example_of_strs_gives_a_fifth(tmp_path, compat):
    row = rows_of(tmp_path, README_FOUND, README_TRUE, COLUMNS, compat=compat).table.iloc[0]
    assert (row["hits"], row["false"], row["missed"]) == (3, 2, 2)
    assert (row["F1"], row["analysis"], row["STRS"]) == pytest.approx((0.6, 1 / 3, 0.2))


@pytest.mark.parametrize("compat", ["", "strs"])
def test_the_published_example_of_casme2_gives_the_published_scores(shared, compat):
    folder = shared / "annotations/more"
    scores = rescore_intervals(folder / "strs_pred.csv", truth=folder / "strs_gt.csv", compat=compat)
    row = scores.table.iloc[0]
    assert (row["hits"], row["false"], row["missed"], row["subjects"]) == (159, 85, 85, 26)
    assert [f"{row[name]:.5f}" for name in ("F1", "analysis", "STRS")] == ["0.65164", "0.59271", "0.38623"]
    assert row["STRS_low"] < row["STRS"] < row["STRS_high"]


def test_only_true_positives_of_a_listed_class_are_analysed(tmp_path):
    def analysis(*classes):
        return rows_of(tmp_path, README_FOUND, README_TRUE, COLUMNS, classes=classes).table.iloc[0]["analysis"]

    # of the three hits, two are true others, both found; one is true repression, found as happiness
    assert analysis("others") == 1
    assert analysis("repression") == 0
    assert analysis("others", "Repression") == pytest.approx(2 * 0.5 * 0.5 / (0.5 + 0.5))


def test_the_f1_of_analysis_is_the_harmonic_mean_of_two_means():
    confusion = np.array([[8, 2, 0], [1, 1, 2]])  # the last answer is no class
    precision, recall = (8 / 9 + 1 / 3) / 2, (0.8 + 0.25) / 2
    assert analysis_f1(confusion) == pytest.approx(2 * precision * recall / (precision + recall))
    assert analysis_f1(np.zeros((3, 4), int)) == 0


def made(seed=0, subjects=6):
    """Random intervals of two databases and kinds; every third video has no true interval."""
    rng, found, true, videos = np.random.default_rng(seed), [], [], []
    for n in range(subjects * 4):
        key = (("samm_long", "cas(me)^2")[n % 2], f"s{n % subjects}", f"v{n}")
        videos.append(key)
        for start in range(0, 400, 40):
            kind = ("micro", "macro")[int(rng.integers(2))]
            if n % 3 and rng.random() < 0.6:
                true.append((*key, start, start + 20, kind))
            if rng.random() < 0.5:
                found.append((*key, start + int(rng.integers(12)), start + 20, kind))
    return found, true, videos


def test_counts_are_summed_over_all_videos_kinds_and_databases():
    columns = ("database", "subject", "video", "onset", "offset", "kind")
    found, true, videos = made()
    intervals = spotted(found, true, columns=columns)
    table = score_spotted(intervals, count(intervals, RULES[""])).set_index(["part", "kind"])
    expected = {}
    for database, _, video in videos:
        for kind in ("micro", "macro"):
            ours, theirs = (
                [(row[3], row[4]) for row in rows if row[2] == video and row[5] == kind] for rows in (found, true)
            )
            hits = sum(any(f[0] - t[0] in range(12) and f[0] - t[0] <= 10 for f in ours) for t in theirs)
            for part in ("together", database):
                for k in (kind, "overall"):
                    old = expected.get((part, k), np.zeros(3, int))
                    expected[part, k] = old + [hits, len(ours) - hits, len(theirs) - hits]
    assert len(expected) == len(table) == 9
    for key, counts in expected.items():
        assert table.loc[key, ["hits", "false", "missed"]].tolist() == counts.tolist()
        assert table.loc[key, "F1"] == pytest.approx(2 * counts[0] / (2 * counts[0] + counts[1] + counts[2]))
    assert table.loc[("together", "overall"), "empty"] == len(videos) / 3


def test_intervals_of_scores_resample_whole_subjects():
    columns = ("database", "subject", "video", "onset", "offset", "kind")
    found, true, _ = made(1)
    intervals = spotted(found, true, columns=columns)
    counted = count(intervals, RULES[""])
    row = score_spotted(intervals, counted).iloc[2]
    owner = (
        intervals.videos.loc[counted.counts["video"], "database"]
        + intervals.videos.loc[counted.counts["video"], "subject"]
    )
    by_person = counted.counts.groupby(owner.to_numpy())[["hits", "false", "missed"]].sum().to_numpy()
    drawn = times_drawn(len(by_person), DRAWS, 0)
    f1 = [2 * h / (2 * h + f + m) for h, f, m in drawn @ by_person]
    assert (row["F1_low"], row["F1_high"]) == pytest.approx(tuple(np.quantile(f1, [0.025, 0.975])))


def test_without_subjects_or_with_one_there_are_no_intervals_of_scores(tmp_path):
    rows = [("a", 1, 9), ("b", 1, 9)]
    scores = rows_of(tmp_path, rows, rows, "video,onset,offset")
    assert np.isnan(scores.table.loc[0, "F1_low"])
    assert scores.table.loc[0, "F1"] == 1
    assert any("the subject of some videos is not known" in note for note in scores.notes)
    one = spotted([("s", "a", 1, 9)], [("s", "a", 1, 9)])
    assert pd.isna(score_spotted(one, count(one, RULES[""])).loc[0, "F1_high"])
