"""An unfinished store is recognised by what is prepared and how, not by the names of classes in the code."""

import json
from pathlib import Path

import pytest

from merjax.datasets.clip import Clip
from merjax.stores.clip_crops import CropSettings
from merjax.stores.unfinished import open_partial
from merjax.system.errors import MerjaxError

FRAMES = (Path("a/img1.jpg"), Path("a/img2.jpg"))
CLIP = Clip("casme2", "sub01", "EP02_01f", FRAMES, 1, None, 2, "happiness", "", None, 200.0)


@pytest.mark.parametrize(
    ("settings", "fingerprint"),  # as merjax wrote them when the class was still called Settings
    [
        (CropSettings(), "b0f0ac65aaffe7a1c67517530f59d0b4"),
        (CropSettings("rgb", "frame"), "3013f8c8e30805697eb5f56065dfb78e"),
    ],
)
def test_what_an_earlier_merjax_began_is_continued(tmp_path, settings, fingerprint):
    (tmp_path / "partial.json").write_text(json.dumps({"fingerprint": fingerprint}))
    (tmp_path / "journal.jsonl").write_text("what is done")
    open_partial(tmp_path, [CLIP], settings)
    assert (tmp_path / "journal.jsonl").read_text() == "what is done"
    open_partial(tmp_path, [CLIP], CropSettings(align="frame"))
    assert not (tmp_path / "journal.jsonl").exists()


def test_what_was_begun_in_the_other_geometry_is_not_continued(tmp_path):
    open_partial(tmp_path, [CLIP], CropSettings("rgb"))
    (tmp_path / "journal.jsonl").write_text("what is done")
    open_partial(tmp_path, [CLIP], CropSettings("rgb", geometry="authors"))
    assert not (tmp_path / "journal.jsonl").exists()


def test_a_folder_that_holds_only_what_systems_leave_is_filled_and_any_other_is_refused(tmp_path):
    (tmp_path / ".DS_Store").touch()
    open_partial(tmp_path, [CLIP], CropSettings())
    assert (tmp_path / "partial.json").is_file()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(MerjaxError, match="was not made by merjax"):
        open_partial(tmp_path / "other", [CLIP], CropSettings())
