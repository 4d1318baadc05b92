"""Precision and recall over confidence: each point is the score of what is kept there, and ties come in together."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from support.intervals import spotted

from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.curve import average_precision, confidence_curve
from merjax.scoring.spotting.rules import RULES
from merjax.system.errors import MerjaxError

COLUMNS = ("subject", "video", "onset", "offset", "confidence")


def made(seed, ties):
    rng, found, true = np.random.default_rng(seed), [], []
    for video in map(str, range(6)):
        for start in range(0, 300, 30):
            if rng.random() < 0.5:
                true.append(("s", video, start, start + 20, 1.0))
            for _ in range(int(rng.integers(3))):
                shift = int(rng.integers(14))
                confidence = round(float(rng.random()), 1 if ties else 6)
                found.append(("s", video, start + shift, start + 20 + shift, confidence))
    return found, true


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("ties", [True, False])
def test_each_point_is_the_score_of_the_intervals_that_are_kept(name, ties):
    found, true = made(2, ties)
    videos = [("s", str(v)) for v in range(6)]
    curve = confidence_curve(spotted(found, true, videos, COLUMNS), RULES[name])
    assert len(curve) == len({row[4] for row in found})
    for _, point in curve.iloc[:: 1 if ties else 7].iterrows():
        kept = [row for row in found if row[4] >= point["confidence"]]
        counts = count(spotted(kept, true, videos, COLUMNS), RULES[name]).counts
        assert tuple(point[["hits", "false", "missed"]]) == tuple(counts[["hits", "false", "missed"]].sum())
        assert point["recall"] == pytest.approx(point["hits"] / (point["hits"] + point["missed"]))


def test_the_mean_precision_is_scikit_learns_where_each_true_interval_is_found_once_at_most():
    rng = np.random.default_rng(3)
    true = [("s", "v", start, start + 20, 1.0) for start in range(0, 3000, 50)]
    shifts = rng.choice([0, 25], len(true))
    found = [("s", "v", t[2] + s, t[3] + s, c) for t, s, c in zip(true, shifts, rng.random(len(true)), strict=True)]
    hit = [shift == 0 for shift in shifts]
    curve = confidence_curve(spotted(found, true, columns=COLUMNS), RULES[""])
    share_found = np.mean(hit)
    expected = average_precision_score(hit, [row[4] for row in found]) * share_found
    assert average_precision(curve) == pytest.approx(expected)


def test_a_curve_needs_the_confidence_of_every_found_interval():
    with pytest.raises(MerjaxError, match="needs a column confidence"):
        confidence_curve(spotted([("s", "v", 1, 2)], [("s", "v", 1, 2)]), RULES[""])
