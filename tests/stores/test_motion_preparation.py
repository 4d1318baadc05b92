"""From long videos to a motion store: gaps are listed, what is finished is kept, and what cannot be used is named."""

import shutil

import cv2
import numpy as np
import pytest
from support.moving_faces import POINTS, SIZE, around_nose, moved_as_whole, moved_in_part, texture

from merjax.datasets.long_videos import LongVideo, TrueInterval
from merjax.stores import motion_preparation
from merjax.stores.motion_preparation import prepare_motion_store
from merjax.stores.motion_writing import video_folder
from merjax.system.errors import MerjaxError

BLANK = np.full(SIZE, 128, np.uint8)
SKIN = texture()


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """Works in this process, with a detector that knows that all pictures but blank ones show the drawn face in its place."""
    monkeypatch.setattr(motion_preparation.worker_processes, "spread", lambda work, jobs, workers: map(work, jobs))
    monkeypatch.setattr(
        motion_preparation,
        "finder",
        lambda model, several: lambda picture, near: None if np.ptp(picture) < 20 else POINTS,
    )


def written(folder, pictures):
    folder.mkdir(parents=True)
    for n, picture in enumerate(pictures, 1):
        cv2.imwrite(str(folder / f"img{n:03d}.png"), picture)
    return folder


def video(folder, fps=30.0, truth=()):
    return LongVideo("own", "anna", folder.name, folder, fps, truth)


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """The brows go up by 3 px around frame 12 of 24, while the head sways."""
    strength_T = 0.5 * (1 - np.cos(np.linspace(0, 2 * np.pi, 24)))
    pictures = [
        moved_as_whole(moved_in_part(SKIN, range(17, 27), 0, -3 * strength), around_nose(0, 1, 0.2 * n, 0))
        for n, strength in enumerate(strength_T)
    ]
    return written(tmp_path_factory.mktemp("videos") / "moving", pictures)


def test_a_video_shorter_than_a_window_is_one_window_and_its_motion_is_measured(moving, tmp_path):
    truth = (TrueInterval(2, 12, 21, "micro", "surprise"), TrueInterval(10, None, 23, "macro", ""))
    store = prepare_motion_store([video(moving, truth=truth)], tmp_path / "store")
    [stored] = store.videos
    assert (stored.key, stored.fps, stored.n_frames, stored.gaps) == ("own/anna/moving", 30.0, 24, ())
    assert stored.truth == store.truth(stored) == truth  # overlapping truths are both there
    [window] = store.windows(stored)
    assert window.first == 0
    unit = np.hypot(*(POINTS[42] - POINTS[39])) / 64
    for signal in window.motion["brow"]:
        assert len(signal) == 24
        assert signal[11:13].mean() == pytest.approx(3 / unit, abs=0.5)
        assert signal[[0, 1, 22, 23]].max() < 0.5
    assert max(signal.max() for part in ("mouth", "nose") for signal in window.motion[part]) < 0.5
    summed_TxRx2 = store.motion(stored, 0.4)
    assert summed_TxRx2[12, :2, 1].max() < -0.5 < summed_TxRx2[12, 5, 1] < 0.3
    np.testing.assert_allclose(summed_TxRx2[12:, 2, 0], 12 * 0.2 / unit, atol=0.2)
    assert store.array(stored, "numbers").tolist() == list(range(24))
    assert store.settings["hertz"] == 30.0
    assert not (store.path / "partial.json").exists()


def test_where_there_is_no_face_for_a_while_a_gap_is_listed_and_no_window_lies_across_it(tmp_path):
    pictures = [SKIN] * 3 + [BLANK] * 3 + [SKIN] * 9
    store = prepare_motion_store([video(written(tmp_path / "leaves", pictures))], tmp_path / "store")
    [stored] = store.videos
    # the frame on which the face is gone tells so, and it is looked for every quarter of a second, 8 frames
    assert stored.gaps == ((3, 11),)
    assert [(w.first, len(w.motion["nose"][0])) for w in store.windows(stored)] == [(0, 3), (12, 3)]
    crops = store.array(stored, "crops")
    assert not crops[3:12].any()
    assert crops[:3].any(axis=(1, 2)).all()
    assert crops[12:].any(axis=(1, 2)).all()


def test_of_a_fast_video_every_nth_frame_is_stored_and_truth_stays_in_its_own(tmp_path):
    folder = written(tmp_path / "fast", [SKIN] * 30)
    truth = (TrueInterval(7, 14, 27, "micro", ""),)
    store = prepare_motion_store([video(folder, fps=200.0, truth=truth)], tmp_path / "store")
    [stored] = store.videos
    assert (stored.fps, stored.n_frames) == (pytest.approx(200 / 7), 5)
    assert store.array(stored, "numbers").tolist() == [0, 7, 14, 21, 28]
    assert stored.truth == truth
    assert store.truth(stored) == (TrueInterval(1, 2, 3, "micro", ""),)
    every = prepare_motion_store([video(folder, fps=200.0)], tmp_path / "every", hertz=100)
    assert (every.videos[0].fps, every.videos[0].n_frames) == (100.0, 15)


def test_a_stopped_preparation_goes_on_with_the_videos_that_are_not_finished(moving, tmp_path, monkeypatch):
    short = written(tmp_path / "short", [SKIN] * 3)
    videos = [video(short), LongVideo("own", "ben", "again", short, 30.0)]

    def stop(done, of):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_motion_store(videos, tmp_path / "store", progress=stop)
    partial = tmp_path / "store.partial"
    assert (partial / video_folder(0) / "video.json").is_file()
    assert not (partial / "motion.json").exists()
    measured = []
    own = motion_preparation.measure_video
    monkeypatch.setattr(
        motion_preparation, "measure_video", lambda v, *rest: (measured.append(v.key), own(v, *rest))[1]
    )
    store = prepare_motion_store(videos, tmp_path / "store")
    assert measured == ["own/ben/again"]
    assert not partial.exists()
    shutil.move(store.path, partial)
    (partial / video_folder(0) / "regions.npy").unlink()  # as after a loss of power
    motion_preparation._open_partial(tmp_path / "none", videos, motion_preparation.MotionSettings())
    shutil.copy(tmp_path / "none" / "partial.json", partial)
    again = prepare_motion_store(videos, tmp_path / "store")
    assert measured == ["own/ben/again", "own/anna/short"]
    assert again.hash == store.hash
    with pytest.raises(MerjaxError, match="exists"):
        prepare_motion_store(videos, tmp_path / "store")


def test_other_videos_begin_anew(tmp_path):
    short = written(tmp_path / "short", [SKIN] * 2)
    for names in (["one"], ["two"]):
        videos = [LongVideo("own", name, name, short, 30.0) for name in names]
        motion_preparation._open_partial(tmp_path / "partial", videos, motion_preparation.MotionSettings())
        assert not (tmp_path / "partial" / "mark").exists()
        (tmp_path / "partial" / "mark").touch()
    motion_preparation._open_partial(tmp_path / "partial", videos, motion_preparation.MotionSettings())
    assert (tmp_path / "partial" / "mark").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(MerjaxError, match="was not made by merjax"):
        motion_preparation._open_partial(tmp_path / "other", videos, motion_preparation.MotionSettings())


def test_a_video_that_cannot_be_used_is_dropped_with_its_reason(tmp_path):
    good, faceless = written(tmp_path / "good", [SKIN] * 2), written(tmp_path / "faceless", [BLANK] * 2)
    damaged = written(tmp_path / "damaged", [SKIN] * 2)
    (damaged / "img002.png").write_bytes(b"no picture")
    store = prepare_motion_store([video(folder) for folder in (good, faceless, damaged)], tmp_path / "store")
    assert [stored.name for stored in store.videos] == ["good"]
    assert "dlib finds no face in" in store.dropped["own/anna/faceless"]
    assert "img002.png cannot be read as an image" in store.dropped["own/anna/damaged"]
    with pytest.raises(
        MerjaxError, match="none of the 1 videos could be prepared .own/anna/faceless: dlib finds no face"
    ):
        prepare_motion_store([video(faceless)], tmp_path / "none")


@pytest.mark.parametrize(
    ("videos", "how", "sentence"),
    [
        (0, {}, "there is no long video to prepare"),
        (2, {}, "two videos are called own/anna/short"),
        (1, {"face": 0}, "count faces from the left, from 1"),
        (1, {"hertz": 0.0}, "write a number of pictures a second above 0"),
    ],
)
def test_what_is_impossible_is_refused(tmp_path, videos, how, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        prepare_motion_store([video(tmp_path / "short")] * videos, tmp_path / "store", **how)


def test_pictures_for_choosing_a_face_are_spread_over_the_video(tmp_path):
    pictures = [np.full((4, 4), n, np.uint8) for n in range(17)]
    some = motion_preparation._some_pictures(video(written(tmp_path / "video", pictures)))
    assert [int(picture[0, 0]) for picture in some] == list(range(0, 17, 2))
