"""The page on spotters, from a folder of found intervals without training; and causes of false intervals on made signals."""

import numpy as np
import pandas as pd
import pytest
from support.fake_runs import write_fake_run
from support.made_motion import make_motion_store

import merjax
from merjax.faces.regions import REGIONS
from merjax.methods.runs import RunId
from merjax.methods.spotting.found import Found, tested_videos
from merjax.methods.spotting.signals import Spot
from merjax.report.spotting_causes import Signals, likely_cause
from merjax.sweeps.chunks import Chunk
from merjax.sweeps.folder import open_folder, write_chunk
from merjax.sweeps.plan import make_plan, open_data
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.errors import MerjaxError

NAMES = [region.name for region in REGIONS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three folds of two trials: one finds all that is true and one false interval a video, the other nothing."""
    top = tmp_path_factory.mktemp("run")
    store = make_motion_store(top / "store", subjects=3, videos=2)
    base = {"data": {"store": str(store.path)}, "selection": {"rules": ["fixed", "oracle"]}, "engine": {"chunk": 3}}
    sweep = make_sweep({"base": base, "trials": {"all": {"method": "peaks"}, "none": {"method": "mdmd"}}}, "made")
    plan = open_folder(top / "run", make_plan(sweep, 1))
    for chunk in plan.chunks:
        write_chunk(top / "run", chunk, _predictions(plan, chunk), pd.DataFrame(columns=["trial", "stage", "step"]))
    return top / "run"


def _predictions(plan, chunk: Chunk) -> pd.DataFrame:
    tables = []
    for trial, fold in chunk.runs:
        config, name = plan.trials[trial].config, plan.trials[trial].name
        data = open_data(config, 0)

        def find(p, moment, setting, v, kind, data=data, name=name):
            true = [Spot(t.onset, t.offset, t.apex, kind, 0.9) for t in data.videos[v].truth if t.kind == kind]
            return [*true, Spot(0, 9, 5, kind, 0.4)] if name == "all" else []

        found = Found(find, (0.5,), {kind: np.array([7]) for kind in ("micro", "macro")}, {})
        for _, table in tested_videos(data, None, RunId(config, 0, fold), 0, found, None):
            tables.append(table.assign(trial=name, seed=0))
    return pd.concat(tables, ignore_index=True)


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


def signals(moving=(), light=0.0, length=12) -> Signals:
    """Ten seconds of noise; in the middle some regions move, or the light changes."""
    rng = np.random.default_rng(0)
    motion_TxR, light_T = np.abs(rng.normal(0.1, 0.02, (300, 6))), 120 + rng.normal(0, 0.2, 300)
    for name in moving:
        motion_TxR[150 : 150 + length, NAMES.index(name)] = 2.0
    light_T[150:] += light
    return Signals(motion_TxR, light_T, 30.0)


@pytest.mark.parametrize(
    ("moving", "light", "length", "cause"),
    [
        (("eye_right", "eye_left"), 0, 8, "blink"),
        (("eye_right", "eye_left"), 0, 40, "gaze or blinks: the eyes alone move"),
        (("mouth",), 0, 20, "speech: the mouth alone moves"),
        (("nose",), 0, 20, "head motion"),
        ((), 20, 20, "light"),
        (("eye_right", "eye_left", "mouth"), 0, 20, ""),
        ((), 0, 20, ""),
    ],
)
def test_a_cause_is_what_stands_out_in_the_signals(moving, light, length, cause):
    assert likely_cause(signals(moving, light, length), 150, 150 + length - 1) == cause


def test_sweeps_of_clips_and_of_videos_are_not_reported_together(folder, tmp_path):
    other = write_fake_run(tmp_path / "clips")
    with pytest.raises(MerjaxError, match="report each kind by itself"):
        merjax.make_report([folder, other])
