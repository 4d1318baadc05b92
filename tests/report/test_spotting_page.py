"""The page on spotters, from a folder of found intervals without training; and causes of false intervals on made signals."""

import numpy as np
import pandas as pd
import pytest
from support.fake_runs import write_fake_run
from support.spotted_run import all_and_one_false, nothing, write_spotted_run

import merjax
from merjax.faces.regions import REGIONS
from merjax.report.spotting_causes import Signals, likely_cause
from merjax.system.errors import MerjaxError

NAMES = [region.name for region in REGIONS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One trial finds all that is true and a false interval of each kind in each video, the other nothing."""
    return write_spotted_run(tmp_path_factory.mktemp("run"), {"all": all_and_one_false, "none": nothing})


def test_the_page_shows_scores_differences_strips_and_false_intervals(folder, tmp_path):
    page = merjax.make_report(folder, tmp_path / "report").read_text()
    assert "all spots best: F1" in page
    for said in ("Difference to all", "What choosing on the held-out subjects would add", "The surest false intervals"):
        assert said in page
    assert page.count("<figure") == 1 + 6 + 3  # F1; a strip for each video; faces of those with expressions
    assert "made/s01/01_0001" in page
    scores = pd.read_csv(tmp_path / "report" / "scores.csv").set_index(["trial", "kind"])
    assert scores.loc[("all", "overall"), "hits"] == 6
    assert scores.loc[("all", "overall"), "false"] == 12
    assert (tmp_path / "report" / "report.md").read_text().startswith("# made")


def test_without_crops_no_face_is_on_the_page(folder, tmp_path):
    page = merjax.make_report(folder, tmp_path / "report", crops=False).read_text()
    assert "image/png" not in page
    assert page.count("<figure") == 7


def test_a_base_that_is_no_trial_is_refused(folder, tmp_path):
    with pytest.raises(MerjaxError, match='no trial "al" to compare with; there are all, '):
        merjax.make_report(folder, tmp_path / "report", base="al")


def test_the_page_is_written_without_the_store_and_says_so(folder, tmp_path):
    store = folder.parent / "store"
    store.rename(folder.parent / "moved")
    try:
        page = merjax.make_report(folder, tmp_path / "report").read_text()
    finally:
        (folder.parent / "moved").rename(store)
    assert "No video is drawn, since the motion store is not there any more" in page
    assert "all spots best" in page


def signals(moving=(), light=0.0, length=12, lid=0.0) -> Signals:
    """Ten seconds of noise; in the middle some regions move, the light changes, or the lids go down and up."""
    rng = np.random.default_rng(0)
    motion_TxR, light_T = np.abs(rng.normal(0.1, 0.02, (300, 6))), 120 + rng.normal(0, 0.2, 300)
    for name in moving:
        motion_TxR[150 : 150 + length, NAMES.index(name)] = 2.0
    light_T[150:] += light
    lid_T = np.zeros(300)
    lid_T[153:156] = lid
    return Signals(motion_TxR, light_T, lid_T, 30.0)


@pytest.mark.parametrize(
    ("moving", "light", "length", "lid", "cause"),
    [
        (("eye_right", "eye_left"), 0, 8, 4, "blink"),
        (("eye_right", "eye_left"), 0, 40, 0, "gaze: the eyes alone move"),
        (("mouth",), 0, 20, 0, "speech: the mouth alone moves"),
        (("nose",), 0, 20, 0, "head motion"),
        ((), 20, 20, 0, "light"),
        (("eye_right", "eye_left", "mouth"), 0, 20, 0, ""),
        ((), 0, 20, 0, ""),
    ],
)
def test_a_cause_is_what_stands_out_in_the_signals(moving, light, length, lid, cause):
    assert likely_cause(signals(moving, light, length, lid), 150, 150 + length - 1) == cause


def test_sweeps_of_clips_and_of_videos_are_not_reported_together(folder, tmp_path):
    other = write_fake_run(tmp_path / "clips")
    with pytest.raises(MerjaxError, match="report each kind by itself"):
        merjax.make_report([folder, other])
