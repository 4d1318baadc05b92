"""A lab's own recordings, from a list of folders and a video to scores under a label scheme of its own."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.small_experiment import networks_in_use

import merjax
from merjax.faces.pictures import read_image
from merjax.report.files import make_report
from merjax.stores import workers as worker_processes
from merjax.sweeps.folder import open_folder
from merjax.sweeps.plan import make_plan
from merjax.sweeps.result import finish
from merjax.sweeps.running.take_chunks import take_chunks
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.errors import MerjaxError

pytestmark = pytest.mark.long  # half a minute of a core: clips are made and prepared, and networks trained

SCHEME = """\
name: lab
classes:
  smiling: {labels: [happiness], regions: [cheeks, mouth]}
  other: {labels: [surprise, disgust], regions: [eyes, nose, mouth]}
"""
BASE = {
    "data": {"frames": "count:4", "input": "difference"},
    "spatial": {"epochs": 1, "batch": 16, "learning_rate": 1e-3},
    "temporal": {"epochs": 2, "batch": 8, "units": 4, "learning_rate": 1e-3},
    "engine": {"steps_per_call": 4, "chunk": 4, "save_models": True, "workers": 1},
}


def prepare(releases, out):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_processes, "spread", lambda work, tasks, workers: map(work, tasks))  # in this process
        return merjax.prepare_store(releases, out, workers=1)


def film(clip, path: Path) -> None:
    """The frames of a clip as a video of 200 frames a second."""
    frames = [cv2.imread(str(frame)) for frame in clip.frames]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 200.0, frames[0].shape[1::-1])
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 100)
    for frame in frames:
        writer.write(frame)
    writer.release()


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """Four people with two clips each; one of the clips is a video, and one person was filmed elsewhere."""
    place = tmp_path_factory.mktemp("lab")
    merjax.synthesize_release(
        place / "made", invent=4, clips_per_subject=2, emotions=("happiness", "surprise"), workers=1
    )
    clips = merjax.read_casme2(place / "made").clips
    rows = [
        (
            clip.frames[0].parent.relative_to(place),
            clip.subject,
            clip.onset,
            clip.apex,
            clip.offset,
            clip.emotion,
            200,
            "",
        )
        for clip in clips[1:]
    ]
    film(clips[0], place / "first.avi")
    own = clips[0]
    rows.append(("first.avi", own.subject, 0, own.apex - own.onset, "", own.emotion, "", ""))
    rows = [row if row[1] != clips[-1].subject else (*row[:7], "Lab 2") for row in rows]
    with (place / "clips.csv").open("w", newline="") as file:
        header = ("path", "subject", "onset", "apex", "offset", "label", "fps", "database")
        csv.writer(file).writerows([header, *rows])
    (place / "scheme.yaml").write_text(SCHEME)
    return place


def test_own_recordings_train_under_an_own_scheme_and_a_video_gives_what_its_frames_give(lab, tmp_path):
    store = prepare(merjax.read_own(lab / "clips.csv"), lab / "store")
    assert sorted(set(store.index["database"])) == ["lab_2", "own"]
    assert store.dropped.empty
    (own_release,) = (release for release in merjax.read_own(lab / "clips.csv") if release.database == "own")
    (filmed,) = (clip for clip in own_release.clips if clip.name == "first")
    original = merjax.read_casme2(lab / "made").clips[0]
    assert store.index.set_index("clip").loc["first", ["n_frames", "fps"]].tolist() == [original.n_frames, 200.0]
    for one, other in zip(filmed.frames, original.frames, strict=True):
        assert np.abs(read_image(one).astype(int) - read_image(other)).mean() < 5  # JPEG changes values a little

    base = BASE | {"data": BASE["data"] | {"store": str(store.path), "protocol": str(lab / "scheme.yaml")}}
    with networks_in_use("tiny"):
        open_folder(tmp_path / "own", make_plan(make_sweep({"base": base}, "own"), 1))
        take_chunks(tmp_path / "own")
        result = finish(tmp_path / "own")
    own = result.predictions
    assert set(own["fold"]) == {f"{row.database}/{row.subject}" for row in store.index.itertuples()}
    assert {"p_smiling", "p_other"} <= set(own)
    happy = store.index.set_index(["subject", "clip"])["emotion"] == "happiness"
    assert ((own.set_index(["subject", "clip"])["label"].loc[happy.index] == 0) == happy).all()
    assert result.scores.set_index("trial").loc["base", "clips"] == len(store.index)
    page = make_report(result, crops=False).read_text()
    assert "own data" in page
    assert "lab " in page

    model = merjax.load_model(next((tmp_path / "own" / "models").glob("base/seed0/*")))
    with networks_in_use("tiny"):
        assert set(model(store)["prediction"]) <= {"smiling", "other"}
    (lab / "scheme.yaml").write_text(SCHEME.replace("[cheeks, mouth]", "[cheeks]"))
    with pytest.raises(MerjaxError, match="the labels"), networks_in_use("tiny"):
        open_folder(tmp_path / "own", make_plan(make_sweep({"base": base}, "own"), 1))
