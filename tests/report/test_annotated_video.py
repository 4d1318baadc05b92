"""Annotated videos, decoded again: frames, times, size, what is drawn while an interval lasts, and no face with faces=False."""

import dataclasses
import itertools
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest
from support.made_analysis import make_analysis
from support.recordings import turn

from merjax.report.annotated_video import write_annotated_video
from merjax.system.errors import MerjaxError

av = pytest.importorskip("av", reason="PyAV is not installed")


def decoded(path):
    """The stream, the times in seconds, and the gray pictures of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        facts = stream.codec_context.name, stream.codec_context.pix_fmt, stream.average_rate
        return facts, [frame.time for frame in frames], np.array([f.to_ndarray(format="gray") for f in frames])


def write_video(path, seconds, rows=96, columns=128, bright=200):
    """A still picture, another gray in its left half, at given times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        image = np.full((rows, columns, 3), 90, np.uint8)
        image[:, : columns // 2] = bright
        for second in seconds:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(second * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """Of 10 seconds, whose frames are one still picture."""
    made = make_analysis(tmp_path_factory.mktemp("made"))
    write_video(made.store.path.parent / "talk.mp4", np.arange(300) / 30)
    return dataclasses.replace(made, source=made.store.path.parent / "talk.mp4")


def test_all_frames_come_back_at_their_times_and_labels_are_there_while_an_interval_lasts(analysis, tmp_path):
    write_annotated_video(analysis, tmp_path / "out.mp4")
    (codec, pixels, rate), seconds, pictures = decoded(tmp_path / "out.mp4")
    assert (codec, pixels, rate) == ("h264", "yuv420p", 30)
    assert pictures.shape == (300, 96, 128)
    np.testing.assert_allclose(seconds, np.arange(300) / 30, atol=1e-4)
    above = pictures[:, :60].astype(int)
    differs = np.abs(above - above[0]).max(axis=(1, 2)) > 60
    within = np.zeros(300, bool)
    for one in analysis.intervals:
        within[one.onset : one.offset + 1] = True
    np.testing.assert_array_equal(differs, within)
    strip = pictures[:, -10:].astype(int)  # where the time goes on
    assert all(np.abs(a - b).max() > 60 for a, b in itertools.pairwise(strip[::20]))
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # a browser can begin to play it


def test_a_rate_that_changes_stays(analysis, tmp_path):
    seconds = np.concatenate([np.arange(20) / 30, 20 / 30 + np.arange(20) / 15])
    write_video(tmp_path / "in.mp4", seconds)
    write_annotated_video(dataclasses.replace(analysis, source=tmp_path / "in.mp4", n_frames=40), tmp_path / "out.mp4")
    _, times, _ = decoded(tmp_path / "out.mp4")
    np.testing.assert_allclose(times, seconds, atol=1e-3)


def test_a_turned_recording_is_upright(analysis, tmp_path):
    write_video(tmp_path / "in.mp4", np.arange(5) / 30)
    turn(tmp_path / "in.mp4", tmp_path / "in.mp4")
    write_annotated_video(dataclasses.replace(analysis, source=tmp_path / "in.mp4", n_frames=5), tmp_path / "out.mp4")
    _, _, pictures = decoded(tmp_path / "out.mp4")
    assert pictures.shape == (5, 128, 96)
    assert pictures[0, :40].mean() > pictures[0, 70:100].mean() + 60  # what was left is above


def test_without_faces_no_pixel_of_the_recording_gets_into_the_video(analysis, tmp_path):
    pictures = {}
    for bright in (200, 20):
        write_video(tmp_path / "in.mp4", np.arange(50) / 30, bright=bright)
        own = dataclasses.replace(analysis, source=tmp_path / "in.mp4", n_frames=50)
        for faces in (True, False):
            write_annotated_video(own, tmp_path / "out.mp4", faces=faces)
            pictures[bright, faces] = decoded(tmp_path / "out.mp4")[2]
    assert (pictures[200, True] != pictures[20, True]).any()
    np.testing.assert_array_equal(pictures[200, False], pictures[20, False])
    assert (pictures[20, False][0] > 150).mean() > 0.01  # landmarks are drawn


def test_pictures_of_a_folder_are_read_too_and_an_odd_row_is_left_out(tmp_path):
    made = make_analysis(tmp_path / "made", frames=80, found=False)
    for path in sorted(made.source.iterdir())[:12]:
        cv2.imwrite(str(path), cv2.imread(str(path))[:95, :111])
    write_annotated_video(dataclasses.replace(made, n_frames=12), tmp_path / "out.mp4")
    (_, _, rate), _, pictures = decoded(tmp_path / "out.mp4")
    assert pictures.shape == (12, 94, 110)
    assert rate == 30


def test_what_is_missing_is_said_and_nothing_half_written_is_left(analysis, tmp_path, monkeypatch):
    with pytest.raises(MerjaxError, match="cannot be read any more"):
        write_annotated_video(dataclasses.replace(analysis, source=tmp_path / "gone.mp4"), tmp_path / "out.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MerjaxError, match=r"pip install 'merjax\[video\]'"):
        write_annotated_video(analysis, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())
