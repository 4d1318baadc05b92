"""Recordings as long videos: all of them, with expressions at the positions of their frames."""

from dataclasses import replace

import pytest
from support.placeholder_recordings import CASME3, casme3_release, long_release, squared_release
from support.placeholder_releases import write_frames

from merjax.datasets import read_casme3, read_casme_squared, read_samm_long
from merjax.datasets.clip import Release
from merjax.datasets.long_videos import TrueInterval, long_videos, overlapping, pictures_of
from merjax.system.errors import MerjaxError


def by_key(release: Release):
    return {video.key: video for video in long_videos(release)}


def test_recordings_without_expressions_are_videos_too(tmp_path):
    squared_release(tmp_path)
    write_frames(tmp_path / "rawpic" / "s07" / "07_0101calm", range(1, 9), "img{:03d}.jpg")
    videos = by_key(read_casme_squared(tmp_path, kind="all"))
    assert [*videos] == [
        f"casme_squared/{name}" for name in ("s07/07_0101", "s07/07_0508", "s15/15_0401", "s16/16_0101")
    ]
    assert videos["casme_squared/s07/07_0101"].truth == ()
    assert {video.fps for video in videos.values()} == {30.0}
    assert videos["casme_squared/s07/07_0101"].frames.name == "07_0101calm"


def test_positions_count_the_pictures_that_are_there(tmp_path):
    """The recording has pictures 10 to 20 and 30 to 60."""
    video = by_key(read_casme_squared(squared_release(tmp_path), kind="all"))["casme_squared/s15/15_0401"]
    assert video.truth == (TrueInterval(0, 2, 10, "micro", "negative"), TrueInterval(11, 21, 41, "macro", "negative"))
    names = [path.name for path in pictures_of(video.frames).values()]
    assert (names[0], names[11], names[41]) == ("img010.jpg", "img030.jpg", "img060.jpg")


def test_truth_outside_a_video_ends_with_it_and_overlapping_truths_stay_apart(tmp_path):
    release = read_samm_long(long_release(tmp_path), kind="all")
    videos = by_key(release)
    assert videos["samm_long/007/007_3"].truth[0] == TrueInterval(
        0, 39, 43, "macro", ""
    )  # onset 0, and numbers begin at 1
    assert any("onset 0 is before the recording's first picture" in d.reason for d in release.discrepancies)
    both = videos["samm_long/037/037_4"].truth
    assert [(true.onset, true.offset) for true in both] == [(48, 59), (49, 54)]
    assert overlapping(both) == 1
    assert videos["samm_long/006/006_1"].fps == 200.0


def test_a_cameras_counter_that_skips_numbers_and_pictures_that_are_damaged_move_positions(tmp_path):
    casme3_release(tmp_path, CASME3[:2])
    [video] = [v for key, v in by_key(read_casme3(tmp_path, kind="all")).items() if key == "casme3/spNO.1/a"]
    numbers = [*pictures_of(video.frames)]
    assert 7 not in numbers
    for true, row in zip(video.truth, CASME3[:2], strict=True):
        assert [numbers[n] for n in (true.onset, true.apex, true.offset)] == [row.onset, row.apex, row.offset]
    assert [*pictures_of(video.frames, {6, 8})] == [n for n in numbers if n not in (6, 8)]


def test_clips_are_no_long_videos(tmp_path):
    release = replace(read_casme_squared(squared_release(tmp_path)), recordings=())
    with pytest.raises(MerjaxError, match="holds clips and no long recordings"):
        long_videos(release)


def test_intervals_that_share_a_frame_overlap():
    def true(onset, offset):
        return TrueInterval(onset, None, offset, "micro", "")

    assert overlapping([true(1, 5), true(6, 9), true(20, 30)]) == 0
    assert overlapping([true(1, 6), true(6, 9), true(2, 30)]) == 3
