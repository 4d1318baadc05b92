"""Made expressions are found where they are, at any rate, and the rule is that of plain loops."""

import numpy as np
import pytest
from support.intervals import iou
from support.plain_spotters import bump, moved, plain_peaks

from merjax.methods.spotting.peaks import MACRO_PEAKS, MICRO_PEAKS, PeakRule, spot_peaks


@pytest.mark.parametrize("fps", [25, 30, 60, 200])
@pytest.mark.parametrize("rule", [MICRO_PEAKS, MACRO_PEAKS])
def test_each_expression_of_the_rules_length_is_found_around_its_apex(fps, rule):
    length, starts = round(2 * rule.half * fps), [round(s * fps) for s in (3, 9, 14)]
    noise = np.random.default_rng(0).normal(size=20 * fps) * 0.02
    position = sum(bump(20 * fps, start, start + length, 2.0) for start in starts) + noise
    spots = spot_peaks(moved(position, max(1, round(rule.half * fps))), fps, rule)
    assert len(spots) == 3
    for spot, start in zip(spots, starts, strict=True):
        assert iou((spot.onset, spot.offset), (start, start + length)) > 0.75
        assert abs(spot.apex - (start + length / 2)) <= 0.15 * fps
        assert spot.kind == rule.kind


def test_the_rule_is_that_of_plain_loops_on_random_motion():
    for seed in range(20):
        motion_T = np.random.default_rng(seed).random(150)
        half = 3 + seed % 4
        spots = spot_peaks(motion_T, 10, PeakRule("micro", half / 10, 0.3))
        assert [spot.apex for spot in spots] == plain_peaks(motion_T, half, 0.3)
        assert all(0 <= s.onset <= s.apex <= s.offset < 150 for s in spots)


def test_still_and_short_videos_show_nothing():
    assert spot_peaks(np.zeros(300), 30, MICRO_PEAKS) == ()
    assert spot_peaks(np.ones(5), 30, MICRO_PEAKS) == ()
    assert spot_peaks(np.zeros(0), 30, MICRO_PEAKS) == ()
