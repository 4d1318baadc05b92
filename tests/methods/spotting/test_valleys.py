"""Made expressions are found at any rate, noise and slow drifts are not, and the rule is that of plain loops."""

from dataclasses import replace

import numpy as np
import pytest
from support.intervals import iou
from support.plain_spotters import bump, plain_rises

from merjax.faces.region_motion import Window
from merjax.methods.spotting.signals import Spot, low_pass, without_trend
from merjax.methods.spotting.valleys import ValleyRule, merged, spot_rises, spot_valleys, without_trains

RULE = ValleyRule()


@pytest.mark.parametrize("fps", [30, 60, 200])
def test_expressions_are_found_where_they_are_and_called_by_their_length(fps):
    true = ((2.0, 2.5), (4.5, 6.5))
    noise = np.random.default_rng(0).normal(size=9 * fps) * 0.1
    brow = sum(bump(9 * fps, a * fps, b * fps, 4.0) for a, b in true) + noise
    spots = spot_valleys([Window(100, {"brow": [brow, brow * 0.9], "mouth": [np.abs(noise)]})], fps)
    for spot, (onset, offset) in zip(spots, true, strict=True):
        assert iou((spot.onset - 100, spot.offset - 100), (round(onset * fps), round(offset * fps))) > 0.55
        assert abs(spot.apex - 100 - (onset + offset) / 2 * fps) <= 0.1 * fps
        assert spot.confidence == pytest.approx(4.0, abs=0.5)
        assert spot.kind == ("micro" if spot.offset - spot.onset <= fps / 2 else "macro")
    assert spots[1].kind == "macro"


def test_half_a_second_is_the_longest_micro_expression():
    (spot,) = spot_valleys([Window(0, {"brow": [bump(300, 60, 75, 4.0)]})], 30)
    assert (spot.kind, spot.offset - spot.onset <= 15) == ("micro", True)
    (spot,) = spot_valleys([Window(0, {"brow": [bump(300, 60, 90, 4.0)]})], 30)
    assert (spot.kind, spot.offset - spot.onset > 15) == ("macro", True)


def test_weak_motion_fast_noise_and_slow_drifts_are_no_expressions():
    fps, t = 30, np.arange(300) / 30
    weak = bump(300, 100, 140, 1.2)
    fast = 3 + 2 * np.sin(2 * np.pi * 11 * t)
    drift = 2.2 * t  # more than the least rise in a second
    for motion_T in (weak, fast, drift, np.zeros(300)):
        assert spot_valleys([Window(0, {"brow": [motion_T]})], fps) == ()


def test_parts_of_the_face_have_thresholds_of_their_own():
    motion_T = bump(300, 100, 130, 2.05)
    found = {part: bool(spot_valleys([Window(0, {part: [motion_T]})], 30)) for part in RULE.rise}
    assert found == {"brow": True, "mouth": True, "nose": False}
    assert spot_valleys([Window(0, {"lid": [4 * motion_T]})], 30) == ()  # a blink


def test_two_movements_with_a_valley_between_them_are_two_intervals():
    two = bump(300, 100, 130, 4.0) + bump(300, 126, 156, 4.0)
    first, second = spot_rises(two, 30, 1.8, RULE)
    assert iou((first.onset, first.offset), (100, 130)) > 0.5
    assert iou((second.onset, second.offset), (126, 156)) > 0.5


def test_regions_and_windows_that_see_one_movement_give_one_interval():
    one = bump(200, 110, 140, 4.0)
    windows = [Window(0, {"brow": [one], "mouth": [one]}), Window(100, {"brow": [one[100:]]})]
    (spot,) = spot_valleys(windows, 30)
    assert iou((spot.onset, spot.offset), (110, 140)) > 0.5


@pytest.mark.parametrize("fps", [30, 50])
def test_the_rule_is_that_of_plain_loops_on_random_motion(fps):
    found = 0
    for seed in range(25):
        motion_T = np.abs(np.cumsum(np.random.default_rng(seed).normal(size=10 * fps)) * 0.5)
        signal_T = low_pass(motion_T, fps, RULE.hertz)
        signal_T = signal_T - signal_T.min()
        trendless_T = without_trend(signal_T)
        expected = plain_rises(signal_T, trendless_T, fps, 1.8, RULE)
        spots = spot_rises(motion_T, fps, 1.8, RULE)
        assert [(spot.onset, spot.offset) for spot in spots] == expected
        found += len(spots)
    assert found > 40


def test_intervals_are_put_together_only_where_they_share_enough_of_the_shorter_one():
    def of(*intervals):
        return [Spot(onset, offset, onset, "", offset) for onset, offset in intervals]

    def ends(spots):
        return [(spot.onset, spot.offset) for spot in spots]

    assert ends(merged(of((0, 10), (7, 17)), 0.34)) == [(0, 10), (7, 17)]  # 3 of 10
    assert ends(merged(of((0, 10), (6, 16)), 0.34)) == [(0, 16)]
    assert ends(merged(of((0, 100), (98, 101)), 0.34)) == [(0, 101)]  # 2 of 3
    assert ends(merged(of((0, 10), (6, 16), (12, 22)), 0.34)) == [(0, 22)]
    assert merged(of((0, 10), (6, 16)), 0.34)[0].apex == 6  # of the more confident one
    assert merged([], 0.34) == []


def test_too_short_and_too_long_intervals_are_dropped():
    short, long = bump(600, 100, 112, 4.0), bump(600, 100, 170, 4.0)
    assert spot_rises(short, 30, 1.8, RULE)
    assert spot_valleys([Window(0, {"brow": [short]})], 30) == ()
    assert spot_valleys([Window(0, {"brow": [long]})], 30)
    assert spot_valleys([Window(0, {"brow": [long]})], 30, ValleyRule(longest=1.0)) == ()


def test_trains_of_peaks_as_in_speech_are_no_expressions():
    speech = sum(bump(300, 100 + 10 * n, 110 + 10 * n, 4.0) for n in range(5))  # three a second
    alone, twice = bump(300, 100, 110, 4.0), bump(300, 100, 110, 4.0) + bump(300, 115, 125, 4.0)
    published = ValleyRule(shortest=0.1)
    rule = replace(published, train=3)
    for motion_T, left in ((speech, False), (alone, True), (twice, True)):
        window = [Window(0, {"mouth": [motion_T]})]
        assert spot_valleys(window, 30, published)
        assert bool(spot_valleys(window, 30, rule)) == left
    (spot,) = spot_valleys([Window(0, {"mouth": [speech + bump(300, 200, 215, 4.0)]})], 30, rule)
    assert iou((spot.onset, spot.offset), (200, 215)) > 0.5


@pytest.mark.parametrize("fps", [30, 200])
def test_a_straight_line_takes_the_place_of_a_train_and_nothing_else_changes(fps):
    frames, period = 10 * fps, 0.3 * fps
    speech = sum(bump(frames, 3 * fps + n * period, 3 * fps + (n + 1) * period, 3.0) for n in range(4))
    rest = bump(frames, 6 * fps, 8 * fps, 5.0) + 0.4
    straight = without_trains(speech + rest, fps, ValleyRule(train=3))
    np.testing.assert_allclose(straight, rest, atol=0.02)
    np.testing.assert_array_equal(without_trains(speech + rest, fps, ValleyRule(train=5)), speech + rest)
