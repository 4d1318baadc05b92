"""Long videos on the command line: checked, prepared, examined and made; a wrong line is one sentence."""

import numpy as np
import pytest
from support.made_motion import make_motion_store
from support.placeholder_recordings import squared_release
from support.placeholder_releases import write_frames
from support.report_command import word

from merjax.cli import synthesize
from merjax.stores import motion_preparation
from merjax.synthesis import long_release
from merjax.synthesis.long_layouts import LONG_LAYOUTS
from merjax.synthesis.long_scripts import LongPlan


@pytest.fixture
def tables(tmp_path):
    write_frames(tmp_path / "calm", range(1, 51), "{:03d}.jpg")
    (tmp_path / "videos.csv").write_text("video,path,fps\ncalm,calm,30\nagain,calm,30\n")
    (tmp_path / "intervals.csv").write_text("video,onset,offset,kind\ncalm,2,9,micro\ncalm,5,40,macro\n")
    return ["--own-videos", tmp_path / "videos.csv", "--intervals", tmp_path / "intervals.csv"]


def printed(result):
    assert "Traceback" not in result.stderr
    return " ".join((result.stdout + result.stderr).split())


def test_check_counts_videos_and_intervals_of_releases_and_of_own_tables(tables, tmp_path):
    squared_release(tmp_path / "squared")
    result = word("check", "--videos", "--casme-squared", tmp_path / "squared", *tables)
    assert result.returncode == 0
    said = printed(result)
    assert "CAS(ME)^2: 3 long videos of 3 subjects, 0 without expressions; 5 intervals, 2 micro and 3 macro" in said
    assert "own data: 2 long videos of 2 subjects, 1 without expressions; 2 intervals, 1 micro and 1 macro" in said
    assert "1 pair of them overlap" in said
    assert "offset 0 was not coded" in said  # and everything else that a release is asked


def test_prepare_measures_the_videos_and_says_what_was_found_out(tables, tmp_path, monkeypatch):
    asked = []

    def prepare(videos, out, *, face, hertz=30.0, workers, model, progress):
        asked.append(([video.name for video in videos], face, hertz))
        return make_motion_store(out, subjects=1, frames=120, kinds=("micro",), gaps=((30, 40),))

    monkeypatch.setattr(motion_preparation, "prepare_motion_store", prepare)
    said = printed(word("prepare", *tables, "--out", tmp_path / "store", "--face", "2"))
    assert asked == [(["calm", "again"], 2, 30.0)]
    assert "2 long videos of 1 subject, 240 frames (0.1 minutes), 1 intervals; 0 dropped" in said
    assert "made/s01/01_0001: no usable face in stored frames 30 to 40; no interval is found across them" in said
    word("prepare", *tables, "--out", tmp_path / "other", "--hertz", "100")
    assert asked[-1][2] == 100.0


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["prepare", "--videos", "--out", "x"], "there is no release to read"),
        (
            ["prepare", "--videos", "--casme2", "x", "--out", "y"],
            "--videos is for databases of recordings: leave --casme2",
        ),
        (["prepare", "--videos", "--casme-squared", "x", "--kind", "micro", "--out", "y"], "--kind chooses clips"),
        (["prepare", "--own-videos", "x", "--samm", "y", "--out", "z"], "add --videos, or leave the release out"),
        (["prepare", "--own-videos", "x", "--features", "flow28", "--out", "y"], "holds motion and no clips"),
        (["prepare", "--intervals", "x", "--out", "y"], "--intervals is for videos of your own"),
        (["prepare", "--samm", "x", "--face", "1", "--out", "y"], "--face and --hertz are for long videos"),
        (["check", "--own-videos", "none.csv"], "none.csv: no such file"),
        (["synthesize", "--out", "x", "--seconds", "20"], "--seconds is for long videos: add --videos N"),
        (
            ["synthesize", "--out", "x", "--videos", "2", "--clips", "3"],
            "--clips is for clips, and --videos makes long",
        ),
        (
            ["synthesize", "--out", "x", "--videos", "2", "--layout", "smic"],
            "long videos have casme_squared or samm_long",
        ),
    ],
)
def test_wrong_lines_are_one_sentence_and_exit_code_2(line, sentence):
    result = word(*line)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_synthesize_hands_on_what_long_videos_are_asked_to_be(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("merjax.synthesis.synthesize_long_videos", lambda out, **how: made.append(how) or out)
    line = ["--videos", "4", "--empty", "2", "--seconds", "20", "--invent", "3", "--noise", "0", "--emotions", "anger"]
    result = word("synthesize", "--out", tmp_path / "made", *line)
    assert "long videos in the layout of casme_squared" in result.stdout
    how = made[0]
    assert (how["videos"], how["empty"], how["invent"], how["layout"]) == (4, 2, 3, "casme_squared")
    assert how["plan"] == LongPlan(seconds=20.0, emotions=("anger",))
    assert (how["camera"].noise, how["camera"].flicker) == (0, synthesize.FLICKER)
    word("synthesize", "--out", tmp_path / "made", "--videos", "1", "--layout", "samm_long")
    assert (made[1]["plan"], made[1]["empty"]) == (LongPlan(), 1)
    assert tuple(LONG_LAYOUTS) == synthesize.LONG_LAYOUTS
    assert long_release.TRUTH == "intervals.csv"


def test_the_doctor_knows_a_motion_store(tmp_path):
    store = make_motion_store(tmp_path / "store", subjects=1, videos=1, frames=60, kinds=("micro",))
    result = word("doctor", store.path)
    assert result.returncode == 0
    assert "1 videos of 1 subjects" in printed(result)
    regions = store.path / store.videos[0].folder / "regions.npy"
    np.save(regions, np.load(regions) + 1)
    result = word("doctor", store.path)
    assert result.returncode == 2
    assert "but the store was made with" in printed(result)
