"""The motion store of a sweep of spotters that makes its own long videos."""

import json

import pytest
from rich.console import Console
from support.made_motion import make_motion_store

from merjax import datasets
from merjax.config import DataConfig
from merjax.datasets import long_videos
from merjax.stores import motion_preparation
from merjax.synthesis import long_release
from merjax.synthesis.demo_motion_store import make_demo_motion_store
from merjax.system.errors import MerjaxError

QUIET = Console(quiet=True)


def test_the_videos_are_made_as_the_file_says_and_all_of_them_are_measured(tmp_path, monkeypatch):
    made, measured = {}, {}
    monkeypatch.setattr(long_release, "synthesize_long_videos", lambda out, **how: made.update(how, out=out))
    monkeypatch.setattr(datasets, "read_casme_squared", lambda root, kind: (root, kind))
    monkeypatch.setattr(long_videos, "long_videos", lambda release: [release])
    monkeypatch.setattr(
        motion_preparation, "prepare_motion_store", lambda videos, out, **how: measured.update(videos=videos, out=out)
    )
    asked = {"invent": 3, "videos": 2, "empty": 1, "seconds": 20, "seed": 5, "per_minute": 9}
    make_demo_motion_store(DataConfig(store=str(tmp_path / "store")), asked, "mine", QUIET)
    release = tmp_path / "store-releases" / "casme_squared"
    assert (made["out"], made["invent"], made["videos"], made["empty"], made["seed"]) == (release, 3, 2, 1, 5)
    assert (made["plan"].seconds, made["plan"].per_minute) == (20, (("micro", 9), ("macro", 9)))
    assert measured == {"videos": [(release, "all")], "out": tmp_path / "store"}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"clips_per_subject": 6}, "there is no setting `clips_per_subject` of long videos; write any of invent"),
        ({"videos": "many"}, "videos is many"),
        (3, "synthesize is 3"),
    ],
)
def test_what_cannot_make_videos_is_a_sentence(tmp_path, asked, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        make_demo_motion_store(DataConfig(store=str(tmp_path / "store")), asked, "mine", QUIET)


def test_videos_of_other_settings_are_not_taken_for_these(tmp_path):
    release = tmp_path / "store-releases" / "casme_squared"
    release.mkdir(parents=True)
    settings = {
        "invent": 3,
        "videos": 2,
        "empty": 1,
        "seed": 0,
        "plan": {"seconds": 20.0, "per_minute": [["micro", 2.0]]},
    }
    (release / "SYNTHETIC.json").write_text(json.dumps({"settings": settings}))
    with pytest.raises(MerjaxError, match="was made with seconds 20.0, but mine asks for 30;"):
        make_demo_motion_store(DataConfig(store=str(tmp_path / "store")), {"seconds": 30}, "mine", QUIET)


def test_recordings_are_not_taken_for_made_videos(tmp_path):
    make_motion_store(tmp_path / "store")
    with pytest.raises(MerjaxError, match="holds recordings, but mine makes its own videos"):
        make_demo_motion_store(DataConfig(store=str(tmp_path / "store")), {"invent": 2}, "mine", QUIET)
