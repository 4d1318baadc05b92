"""Own videos come from two tables; what does not fit together is refused with its place."""

import cv2
import numpy as np
import pytest
from support.placeholder_releases import write_frames

from merjax.datasets.long_videos import TrueInterval
from merjax.datasets.own_videos import read_own_videos
from merjax.system.errors import MerjaxError

VIDEOS = "video,path,subject,database,fps"
INTERVALS = "video,onset,apex,offset,kind,class"


@pytest.fixture
def folder(tmp_path):
    write_frames(tmp_path / "calm", range(1, 51), "{:03d}.jpg")
    film = cv2.VideoWriter(str(tmp_path / "talk.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 24))
    for n in range(30):
        film.write(np.full((24, 32, 3), n, np.uint8))
    film.release()
    return tmp_path


def read(folder, videos, intervals=None):
    (folder / "videos.csv").write_text("\n".join(videos) + "\n")
    if intervals is None:
        return read_own_videos(folder / "videos.csv")
    (folder / "intervals.csv").write_text("\n".join(intervals) + "\n")
    return read_own_videos(folder / "videos.csv", folder / "intervals.csv")


def test_films_and_folders_with_their_expressions_whose_frames_count_from_1(folder):
    one, two = read(
        folder,
        [VIDEOS, "calm,calm,anna,own,60", "talk,talk.avi,ben,mylab,"],
        [INTERVALS, "talk,3,,30,Macro,Joy", "calm,11,15,20,micro-expression,fear", "calm,1,2,5,micro,fear"],
    )
    assert (one.key, one.fps, one.frames) == ("own/anna/calm", 60.0, folder / "calm")
    assert (two.key, two.fps, two.frames) == ("mylab/ben/talk", 25.0, folder / "talk.avi")
    assert one.truth == (TrueInterval(0, 1, 4, "micro", "fear"), TrueInterval(10, 14, 19, "micro", "fear"))
    assert two.truth == (TrueInterval(2, None, 29, "macro", "joy"),)


def test_without_subjects_each_video_is_a_person_and_without_intervals_nothing_is_true(folder):
    [video] = read(folder, ["video,path", "talk,talk.avi"])
    assert (video.key, video.truth) == ("own/talk/talk", ())


CALM = [VIDEOS, "calm,calm,anna,own,60"]


@pytest.mark.parametrize(
    ("videos", "intervals", "sentence"),
    [
        (["video,subject", "calm,anna"], None, "has no column path"),
        ([VIDEOS], None, "lists no video"),
        (["video,path", "calm,calm"], None, "say in a column fps how many pictures a second"),
        ([VIDEOS, "calm,calm,anna,own,0"], None, "has 0 frames per second"),
        ([VIDEOS, "calm,calm,anna,own,fast"], None, 'is "fast"; write a number'),
        ([VIDEOS, "calm,away,anna,own,60"], None, "away of the video calm does not exist"),
        ([VIDEOS, "calm,away.mp4,anna,own,60"], None, "away.mp4 of the video calm does not exist"),
        ([*CALM, "calm,calm,anna,own,30"], None, "row 3 says the same as row 2"),
        (CALM, ["video,onset,offset", "calm,1,5"], "has no column kind"),
        (CALM, [INTERVALS, "other,1,2,5,micro,joy"], "the video other of interval 1 is not in"),
        (CALM, [INTERVALS, "calm,40,,51,micro,joy"], "40 to 51 of calm lies outside the video, which has 50 frames"),
        (CALM, [INTERVALS, "calm,0,,5,micro,joy"], "0 to 5 of calm lies outside the video"),
        (CALM, [INTERVALS, "calm,10,30,20,micro,joy"], "has its apex outside, at 30"),
        (
            [*CALM, "calm,calm,ben,own,60"],
            [INTERVALS, "calm,1,2,5,micro,joy"],
            "the video calm of interval 1 stands for several videos of",
        ),
    ],
)
def test_what_does_not_fit_is_refused(folder, videos, intervals, sentence):
    with pytest.raises(MerjaxError) as refused:
        read(folder, videos, intervals)
    assert sentence in str(refused.value)
