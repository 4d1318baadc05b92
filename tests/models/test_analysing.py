"""From a video to a folder of results: every stage is kept, a stopped call goes on, and bad input leaves nothing behind."""

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from support.made_motion import make_motion_store
from support.recordings import BLANK, SKIN, encode, know_faces, turn, write_film

import merjax
from merjax.datasets.own_videos import video_at
from merjax.faces.frame_streams import shown_in_video
from merjax.faces.pictures import read_image
from merjax.models import found_motion, recognising
from merjax.models.analysing import Asked, analyse_all, told_of_rate
from merjax.models.found_motion import analysis_of, motion_from_rest
from merjax.stores import usable_face
from merjax.stores.motion_preparation import prepare_motion_store
from merjax.system.errors import MerjaxError
from merjax.system.videos import frame_path


@pytest.fixture(autouse=True)
def faces(monkeypatch):
    know_faces(monkeypatch)


@pytest.fixture
def film(tmp_path):
    return write_film(tmp_path / "talk.avi", [SKIN] * 4)


@pytest.fixture
def made(monkeypatch):
    """Makes motion in place of measuring it, and remembers of which videos."""
    asked = []

    def prepare(videos, out, *, face, pieces, **_):
        asked.append((videos[0].name, face, pieces))
        return make_motion_store(out, subjects=1, frames=300)

    monkeypatch.setattr(found_motion, "prepare_motion_store", prepare)
    monkeypatch.setattr(found_motion, "frames_of", lambda video: 300)
    return asked


def test_intervals_are_those_of_the_motion_and_everything_is_in_the_folder(made, film, tmp_path):
    analysis = merjax.analyse(film, out=tmp_path / "found", face=2)
    assert made == [("talk", 2, 1)]
    assert sorted(os.listdir(tmp_path / "found")) == ["analysis.json", "intervals.csv", "talk"]
    assert analysis.store.path == tmp_path / "found" / "talk" / "motion"
    truth = analysis.video.truth
    for one, true in zip(analysis.intervals, truth, strict=True):
        assert true.onset - 5 <= one.onset < one.apex < one.offset <= true.offset + 5
    table = pd.read_csv(tmp_path / "found" / "intervals.csv")
    assert table.columns.tolist()[:3] == ["video", "onset_s", "apex_s"]
    assert table["onset"].tolist() == [one.onset + 1 for one in analysis.intervals]
    said = json.loads((tmp_path / "found" / "analysis.json").read_text())
    assert (said["videos"][0]["video"], said["videos"][0]["fps"], said["model"]) == ("talk", 30.0, None)


def test_motion_is_measured_from_where_a_region_rests(tmp_path):
    store = make_motion_store(tmp_path / "store", subjects=1, videos=2, frames=300, gaps=((250, 259),))
    motion_FxR = motion_from_rest(store)
    for true in store.videos[0].truth:
        assert motion_FxR[(true.onset + true.offset) // 2, 0] > 2.5
    assert not motion_FxR[250:260].any()
    assert np.median(motion_FxR) < 0.2


def test_a_stopped_call_goes_on_with_the_videos_that_are_not_measured(made, film, tmp_path):
    other = write_film(tmp_path / "other" / "talk.avi", [SKIN] * 4)
    videos = [video_at(film), video_at(other)]

    def stop(analyses, folder):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyse_all(videos, tmp_path / "found", finish=stop)
    assert not (tmp_path / "found").exists()
    assert [name for name, *_ in made] == ["talk", "talk (2)"]
    first, second = analyse_all(videos, tmp_path / "found")
    assert len(made) == 2
    assert [first.name, second.name] == ["talk", "talk (2)"]
    assert pd.read_csv(tmp_path / "found" / "intervals.csv")["video"].unique().tolist() == ["talk", "talk (2)"]
    assert not (tmp_path / "found.partial").exists()


def test_a_call_that_was_stopped_between_two_videos_measures_the_second_alone(made, film, tmp_path, monkeypatch):
    videos = [video_at(film), video_at(write_film(tmp_path / "walk.avi", [SKIN] * 4))]
    prepare = found_motion.prepare_motion_store

    def stop(own, *rest, **how):
        if own[0].name == "walk":
            raise KeyboardInterrupt
        return prepare(own, *rest, **how)

    with monkeypatch.context() as patch:
        patch.setattr(found_motion, "prepare_motion_store", stop)
        with pytest.raises(KeyboardInterrupt):
            analyse_all(videos, tmp_path / "found")
    assert [found.name for found in analyse_all(videos, tmp_path / "found")] == ["talk", "walk"]
    assert [name for name, *_ in made] == ["talk", "walk"]


@pytest.fixture
def models(monkeypatch):
    """Models that are known by a name, and say nothing; remembers which were asked about which folder, and whether
    those that may be no better than chance were taken."""
    asked = []

    def known(model, anyway):
        return SimpleNamespace(model=SimpleNamespace(card={"name": model, "anyway": anyway}), told="what to expect")

    def say(analysis, recogniser, folder, *_):
        asked.append((*recogniser.model.card.values(), folder.name))
        return replace(analysis, classes=("a", "b"), told=("of the model",))

    monkeypatch.setattr(recognising, "recogniser_of", known)
    monkeypatch.setattr(recognising, "recognised", say)
    return asked


def test_a_model_is_asked_about_each_video_and_another_one_begins_anew(made, models, film, tmp_path):
    def stop(analyses, folder):
        raise KeyboardInterrupt

    for model in ("one", "other", "other"):
        with pytest.raises(KeyboardInterrupt):
            analyse_all([video_at(film)], tmp_path / "found", model, finish=stop)
    assert models == [("one", False, "talk"), ("other", False, "talk"), ("other", False, "talk")]
    assert len(made) == 2
    analysis = merjax.analyse(film, "other", out=tmp_path / "found", anyway=True)
    assert (analysis.classes, analysis.told) == (("a", "b"), ("of the model",))
    said = json.loads((tmp_path / "found" / "analysis.json").read_text())["model"]
    assert said == {"told": "what to expect", "card": {"name": "other", "anyway": True}}


def test_a_model_is_refused_before_anything_is_measured(made, film, tmp_path):
    refused("none does not exist; name a folder", film, out=tmp_path / "found", model=tmp_path / "none")
    assert not made


def test_other_settings_or_another_video_of_the_same_name_begin_anew(made, film, tmp_path):
    def stop(analyses, folder):
        raise KeyboardInterrupt

    for face in (None, 2, 2):
        with pytest.raises(KeyboardInterrupt):
            analyse_all([video_at(film)], tmp_path / "found", asked=Asked(face=face), finish=stop)
    assert [face for _, face, _ in made] == [None, 2]
    write_film(film, [SKIN] * 5)
    analyse_all([video_at(film)], tmp_path / "found", asked=Asked(face=2))
    assert len(made) == 3


def test_long_videos_are_measured_in_pieces_whatever_the_machine(made, film, tmp_path, monkeypatch):
    for frames, pieces in ((500, 1), (1800, 2), (18_000, 4)):
        monkeypatch.setattr(found_motion, "frames_of", lambda video, frames=frames: frames)
        analyse_all([video_at(film)], tmp_path / f"found{frames}", asked=Asked(workers=1))
        assert made[-1] == ("talk", None, pieces)


def refused(match, *paths, out, fps=None, model=None):
    with pytest.raises(MerjaxError, match=match):
        analyse_all([video_at(path, fps) for path in paths], out, model)
    assert not out.exists()
    assert not [entry for entry in out.parent.iterdir() if entry.name.startswith((out.name, f".{out.name}"))]


def test_what_is_no_video_is_refused(tmp_path):
    out = tmp_path / "found"
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "notes.txt").touch()
    refused("text.mp4 cannot be read as a video", tmp_path / "text.mp4", out=out)
    refused("empty.mp4 is empty", tmp_path / "empty.mp4", out=out)
    refused("notes.txt is no video by its name", tmp_path / "notes.txt", out=out)
    refused("none.mp4 does not exist", tmp_path / "none.mp4", out=out)
    refused("bare holds no picture with a number in its name", tmp_path / "bare", out=out)
    refused("there is no video to analyse", out=out)


def test_a_folder_needs_a_rate_and_a_video_has_one(film, tmp_path):
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "1.png"), SKIN)
    refused("say with --fps how many a second", tmp_path / "frames", out=tmp_path / "found")
    refused("talk.avi is a video and says its rate itself", film, out=tmp_path / "found", fps=25.0)
    refused("has -1 frames per second", tmp_path / "frames", out=tmp_path / "found", fps=-1.0)


def test_a_video_without_a_face_or_with_a_small_one_is_refused(film, tmp_path, monkeypatch):
    blank = write_film(tmp_path / "blank.avi", [BLANK] * 4)
    refused("no face is found anywhere in .*blank.avi; .* at least 80 pixels", blank, out=tmp_path / "found")
    know_faces(monkeypatch, side=52)
    refused("the face in .*talk.avi is 52 pixels wide and must be at least 80", film, out=tmp_path / "found")


def test_a_face_that_is_found_in_enlarged_pictures_alone_is_too_small(tmp_path, monkeypatch):
    know_faces(monkeypatch, side=150)
    own = usable_face.find_face
    monkeypatch.setattr(usable_face, "find_face", lambda image, *rest: own(image, *rest) if len(image) > 480 else None)
    film = write_film(tmp_path / "far.avi", [SKIN] * 4)
    refused("the face in .*far.avi is 50 pixels wide", film, out=tmp_path / "found")


def test_slow_videos_are_told_of_and_very_slow_ones_refused(made, tmp_path):
    films = {fps: write_film(tmp_path / f"film{fps}.avi", [SKIN] * 4, fps) for fps in (24, 14)}
    analysis = merjax.analyse(films[24], out=tmp_path / "slow")
    assert "24 frames per second: a micro-expression of half a second has 12 of them" in analysis.told[0]
    refused("14 frames per second.*too few to find it.*--anyway", films[14], out=tmp_path / "found")
    assert merjax.analyse(films[14], out=tmp_path / "anyway", anyway=True).told


def test_25_frames_a_second_are_enough_and_15_are_taken(film):
    said = [told_of_rate(replace(video_at(film), fps=fps), anyway=False) for fps in (25.0, 15.0)]
    assert [len(told) for told in said] == [0, 1]


def test_an_output_that_exists_or_cannot_be_written_is_refused(film, tmp_path):
    (tmp_path / "found").mkdir()
    with pytest.raises(MerjaxError, match="found exists; remove it, or choose another --out"):
        merjax.analyse(film, out=tmp_path / "found")
    (tmp_path / "file").touch()
    with pytest.raises(MerjaxError, match="file is a file, not a folder"):
        merjax.analyse(film, out=tmp_path / "file" / "found")
    (tmp_path / "mine.partial").mkdir()
    (tmp_path / "mine.partial" / "notes.txt").touch()
    with pytest.raises(MerjaxError, match="is in the way and was not made by merjax"):
        merjax.analyse(film, out=tmp_path / "mine")
    assert (tmp_path / "mine.partial" / "notes.txt").exists()


def test_a_folder_without_permission_is_refused(film, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: not mode & os.W_OK)  # root may write everywhere
    refused("no permission to write there; choose another output folder", film, out=tmp_path / "found")


def measured(path, tmp_path, fps=None):
    video = video_at(path, fps)
    return analysis_of(video, prepare_motion_store([video], tmp_path / "store"))


def test_a_video_that_is_damaged_is_analysed_up_to_there(tmp_path):
    film = write_film(tmp_path / "whole.avi", [SKIN] * 8)
    content = film.read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    analysis = measured(tmp_path / "cut.avi", tmp_path)
    assert 2 <= analysis.n_frames < 8
    assert f"says that it has 8 frames, and can be read up to frame {analysis.n_frames}" in analysis.told[0]
    assert measured(film, tmp_path / "again").told == ()


def test_gray_pictures_and_gray_videos_are_taken(tmp_path):
    (tmp_path / "frames").mkdir()
    for n in range(3):
        cv2.imwrite(str(tmp_path / "frames" / f"{n}.png"), SKIN)
    analysis = measured(tmp_path / "frames", tmp_path, fps=25.0)
    assert (analysis.n_frames, analysis.fps, analysis.gaps) == (3, 25.0, ())
    av = pytest.importorskip("av")
    analysis = measured(encode(av, tmp_path / "gray.mp4", [SKIN] * 3, pixels="gray"), tmp_path / "gray")
    assert (analysis.n_frames, analysis.fps, analysis.gaps) == (3, 30.0, ())


def test_containers_codecs_rotation_and_changing_rates_are_read(tmp_path):
    av = pytest.importorskip("av")
    for name in ("film.mp4", "film.mkv", "film.mov"):
        analysis = measured(encode(av, tmp_path / name, [SKIN] * 3), tmp_path / name.replace(".", "_"))
        assert (analysis.n_frames, analysis.fps, analysis.told) == (3, 30.0, ())
    uneven = measured(encode(av, tmp_path / "uneven.mp4", [SKIN] * 6, times=[0, 1, 2, 6, 7, 8]), tmp_path / "uneven")
    assert uneven.n_frames == 6
    assert uneven.told[0].startswith("its rate changes")
    turned = turn(tmp_path / "film.mp4", tmp_path / "turned.mp4")
    assert read_image(frame_path(turned, 0)).shape[:2] == (640, 480)
    assert next(shown_in_video(turned, 30.0, 1)).image.shape == (640, 480)
