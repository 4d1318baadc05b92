"""`merjax analyse`: what it prints, what it hands on, and one sentence for each wrong line."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from support.commands import run
from support.made_motion import make_motion_store
from support.recordings import SKIN, know_faces, write_film
from support.report_command import word

from merjax.cli import analyse, demo_video
from merjax.datasets import read_casme_squared
from merjax.datasets.long_videos import long_videos, pictures_of
from merjax.models import analysing, found_motion
from merjax.models.analysing import Asked
from merjax.report import annotated_video, film
from merjax.scoring.spotting.matching import matched
from merjax.stores.motion_store import open_motion_store
from merjax.synthesis import LongPlan, synthesize_long_videos
from merjax.system import recording
from merjax.system.errors import MerjaxError


@pytest.fixture
def pages(monkeypatch, tmp_path):
    """Motion is made in place of being measured, and pages and videos are only noted."""
    know_faces(monkeypatch)
    monkeypatch.chdir(tmp_path)  # where the report of an error is written
    written = []

    def prepare(videos, out, **_):
        return make_motion_store(out, subjects=1, frames=300)

    def page(analyses, path, *, faces=True):
        written.append((path.name, [analysis.name for analysis in analyses], faces))
        path.write_text("page")

    monkeypatch.setattr(found_motion, "prepare_motion_store", prepare)
    monkeypatch.setattr(film, "write_own_video_page", page)
    monkeypatch.setattr(
        annotated_video, "write_annotated_video", lambda analysis, path, *, faces: page([analysis], path, faces=faces)
    )
    return written


@pytest.fixture
def asked(monkeypatch):
    """What is asked of `analyse_all`, which ends there."""
    calls = []

    def end(videos, out, model, how, *, finish):
        calls.append(([(video.frames.name, video.fps) for video in videos], out, model, how))
        raise MerjaxError("as far as here")

    monkeypatch.setattr(analysing, "analyse_all", end)
    return calls


@pytest.fixture
def talk(tmp_path):
    return write_film(tmp_path / "talk.avi", [SKIN] * 4)


def said(result, code=0):
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return " ".join((result.stdout + result.stderr).split())


def test_it_says_how_long_it_takes_what_was_found_and_where_the_page_is(talk, pages, tmp_path):
    printed = said(word("analyse", talk, "--out", tmp_path / "found"))
    assert "1 video of 4 frames, 0.0 minutes: about 0 s on two cores" in printed
    assert "talk: 2 intervals, " in printed
    assert f"open {tmp_path / 'found' / 'page.html'} in a browser" in printed
    assert pages == [("page.html", ["talk"], True)]
    assert (tmp_path / "found" / "page.html").is_file()
    assert (tmp_path / "found" / "intervals.csv").is_file()


def test_several_videos_have_one_page_and_each_its_annotated_video(talk, pages, tmp_path):
    pytest.importorskip("av")
    other = write_film(tmp_path / "walk.avi", [SKIN] * 4)
    said(word("analyse", talk, other, "--out", tmp_path / "found", "--no-faces", "--video"))
    assert pages == [
        ("page.html", ["talk", "walk"], False),
        ("annotated.mp4", ["talk"], False),
        ("annotated.mp4", ["walk"], False),
    ]
    assert (tmp_path / "found" / "walk" / "annotated.mp4").is_file()


def test_a_camera_is_recorded_first_and_its_recording_is_kept(talk, pages, tmp_path, monkeypatch):
    def record(camera, seconds, place, progress):
        assert (camera, seconds) == (1, 5.0)
        return talk.rename(place())

    monkeypatch.setattr(recording, "record_camera", record)
    monkeypatch.setattr(film, "write_own_video_page", fail)
    said(word("analyse", "--camera", "1", "--seconds", "5", "--out", tmp_path / "found"), code=1)
    assert (tmp_path / "found.partial" / "camera.avi").is_file()
    monkeypatch.setattr(film, "write_own_video_page", lambda analyses, path, faces: path.write_text("page"))
    printed = said(word("analyse", "--camera", "1", "--seconds", "5", "--out", tmp_path / "found"))
    assert "was recorded before and is analysed now" in printed
    assert (tmp_path / "found" / "camera.avi").is_file()


def test_before_a_camera_records_its_model_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "record_camera", fail)
    line = "--camera", "0", "--model", tmp_path / "none", "--out", tmp_path / "found"
    assert "none does not exist" in said(word("analyse", *line), code=2)
    assert not [*tmp_path.iterdir()]


def fail(*_, **__):
    raise RuntimeError


def test_a_camera_that_is_not_there_leaves_nothing(tmp_path, monkeypatch):
    class Absent:
        isOpened = staticmethod(lambda: False)  # as OpenCV calls it

    monkeypatch.setattr(cv2, "VideoCapture", lambda number: Absent)
    assert "there is no camera 7" in said(word("analyse", "--camera", "7", "--out", tmp_path / "found"), code=2)
    assert not [*tmp_path.iterdir()]


def test_the_demo_hands_on_its_model_and_its_video(talk, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo_video, "make_demo", lambda folder, out, console: (folder / "model", [talk]))
    said(word("analyse", "--demo"), code=2)
    assert asked == [([("talk.avi", 30.0)], Path("found"), Path("demo/model"), Asked())]


def test_what_a_line_says_is_what_is_asked(talk, asked, tmp_path):
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "1.png"), SKIN)
    how = "--face", "2", "--anyway", "--workers", "3", "--landmark-model", "own.dat"
    said(word("analyse", talk, "--model", "models/mine", "--out", tmp_path / "found", *how), code=2)
    said(word("analyse", tmp_path / "frames", "--fps", "25", "--out", tmp_path / "found"), code=2)
    assert asked == [
        ([("talk.avi", 30.0)], tmp_path / "found", Path("models/mine"), Asked(2, True, 3, Path("own.dat"))),
        ([("frames", 25.0)], tmp_path / "found", None, Asked()),
    ]


def test_without_pyav_an_annotated_video_is_refused_at_once(talk, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(analyse, "find_spec", lambda name: None)
    line = "analyse", talk, "--video", "--out", tmp_path / "found"
    assert "--video needs PyAV: pip install 'merjax[video]'" in said(word(*line), code=2)
    assert not asked


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ([], "there is no video to analyse: name a video or a folder of pictures, or write --camera 0 or --demo"),
        (["a.mp4", "--demo"], "videos, --camera and --demo are three things"),
        (["--camera", "0", "--demo"], "videos, --camera and --demo are three things"),
        (["--demo", "--model", "m"], "--demo makes its own model"),
        (["a.mp4", "--seconds", "5"], "--seconds says how long a camera records"),
        (["--camera", "0", "--fps", "30"], "--fps says the rate of folders of pictures"),
        (["--demo", "--fps", "30"], "--fps says the rate of folders of pictures"),
        (["--camera", "0", "--seconds", "0"], "--seconds 0: write a number above 0"),
        (["a.mp4"], "a.mp4 does not exist; name a video"),
        (["a.mp4", "--face", "0"], "0 is not at least 1"),
        (["a.mp4", "--modell", "m"], "there is no flag --modell; did you mean --model?"),
    ],
)
def test_a_wrong_line_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, line, sentence):
    monkeypatch.chdir(tmp_path)
    result = word("analyse", *line)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert result.stderr.strip().count("\n") == 0
    assert not [*tmp_path.iterdir()]


@pytest.mark.long
def test_expressions_of_an_invented_person_are_found_from_the_command_line(tmp_path):
    """In two pieces, by two processes, with dlib's detector; nothing else happens in the video."""
    plan = LongPlan(seconds=21, per_minute=(("micro", 3), ("macro", 6)), beside=())
    made = synthesize_long_videos(tmp_path / "made", invent=1, videos=1, empty=0, plan=plan, seed=2)
    (video,) = long_videos(read_casme_squared(made, kind="all"))
    recording = write_film(tmp_path / "talk.avi", map(cv2.imread, map(str, pictures_of(video.frames).values())))
    result = run("analyse", recording, "--out", tmp_path / "found", module="merjax", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    table = pd.read_csv(tmp_path / "found" / "intervals.csv")
    found = table[["onset", "offset"]].to_numpy() - 1
    counted = matched(found, np.array([(true.onset, true.offset) for true in video.truth]))
    assert counted.hits >= 2
    assert counted.false <= 1
    assert "talk" in (tmp_path / "found" / "page.html").read_text()
    store = open_motion_store(tmp_path / "found" / "talk" / "motion")
    assert (store.settings["pieces"], store.videos[0].n_frames, store.videos[0].gaps) == (2, 630, ())
