"""The regional spotter as a method: its targets, and how its scores become intervals."""

import numpy as np
import pytest
from support.made_motion import make_motion_store

from merjax.config import make_config
from merjax.methods.spotting.regional import (
    in_video,
    spans_of,
    spots_of_scores,
    stretches_of,
    targets_of,
    without_overlaps,
)
from merjax.methods.spotting.signals import Spot
from merjax.nn.regional_spotter import CONTEXT, SCORES
from merjax.training.spotting_data import spotting_data_of


@pytest.fixture(scope="module", params=[30.0, 60.0])
def data(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "made"
    store = make_motion_store(path, subjects=3, videos=2, frames=round(10 * request.param), fps=request.param)
    return spotting_data_of(make_config({"data": {"store": str(store.path)}}).data)


def test_perfect_scores_give_the_true_intervals_at_every_frame_rate(data):
    video, spans = data.videos[0], spans_of(data, 1)
    own = stretches_of(data, data.store).target_N[0]
    found = [s for s in in_video(own, video, spans) if s.confidence > 0.5]
    assert [s.kind for s in found] == ["micro", "macro"]
    for spot, true in zip(found, video.truth, strict=True):
        assert abs(spot.onset - true.onset) <= video.fps / 30
        assert abs(spot.offset - true.offset) <= video.fps / 30
        assert abs(spot.apex - true.apex) <= video.fps / 30


def test_a_target_is_one_at_its_point_and_falls_off_within_the_expression(data):
    video = data.videos[0]
    micro = video.truth[0]
    target = targets_of(data, video, np.arange(video.n_frames))
    onset_T = target[:, SCORES.index("onset")]
    assert onset_T[micro.onset] == 1
    assert onset_T[micro.apex] < 0.01
    inside = target[:, SCORES.index("micro")]
    np.testing.assert_array_equal(np.flatnonzero(inside), np.arange(micro.onset, micro.offset + 1))
    assert not targets_of(data, data.videos[1], np.arange(video.n_frames)).any()


def test_stretches_hold_each_frame_once_with_what_lies_around_it(data):
    stretches = stretches_of(data, data.store)
    own = stretches.start_S[stretches.video_S == 0]
    assert own.tolist() == [0, 192]  # 10 seconds are 300 frames
    step = round(data.videos[0].fps / 30)
    motion = data.store.regional_motion(data.videos[0])[::step] / np.repeat([0.5, 2], [7, 6])[:, None]
    np.testing.assert_allclose(stretches.motion_N[0][CONTEXT : CONTEXT + 300], motion, rtol=1e-6)
    assert not stretches.motion_N[0][:CONTEXT].any()
    assert not stretches.motion_N[0][CONTEXT + 300 :].any()


def test_spans_are_those_of_the_training_subjects(data):
    fps = data.videos[0].fps
    length = round(12 * fps / 30) - 1
    assert spans_of(data, 0)["micro"] == pytest.approx((0.5 * length / fps, 1.5 * length / fps))


def test_an_interval_that_is_too_short_or_too_long_is_none():
    score = np.zeros((200, 5))
    score[50:90, SCORES.index("macro")] = 1
    for name, place in (("onset", 50), ("apex", 70), ("offset", 89)):
        score[place, SCORES.index(name)] = 1
    assert [(s.onset, s.apex, s.offset) for s in spots_of_scores(score, "macro", 20, 60)] == [(50, 70, 89)]
    assert spots_of_scores(score, "macro", 45, 60) == []
    assert spots_of_scores(score, "micro", 20, 60) == []


def test_no_interval_reaches_across_a_gap(data):
    video, spans = data.videos[0], spans_of(data, 1)
    own, true = stretches_of(data, data.store).target_N[0], video.truth[1]
    gap = type(video)(**{**vars(video), "gaps": ((true.apex + 2, true.apex + 3),)})
    kinds = [s.kind for s in in_video(own, gap, spans) if s.onset <= true.apex <= s.offset and s.confidence > 0.5]
    assert kinds == []


def test_of_intervals_that_share_most_of_the_shorter_one_the_surest_is_kept():
    spots = [Spot(0, 20, 10, "macro", 0.6), Spot(5, 12, 8, "micro", 0.9), Spot(18, 40, 30, "macro", 0.3)]
    assert without_overlaps(spots) == [spots[1], spots[2]]
