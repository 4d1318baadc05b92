"""From a release to a clip store: whole or not at all, restartable, and everything that is dropped is reported."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.commands import checkout_environment
from support.short_clips import cut_short, with_frame

from merjax.datasets import read_casme2
from merjax.faces import landmarks, pictures
from merjax.faces.crops import cut, region_boxes
from merjax.stores import clip_crops as cropping
from merjax.stores.preparation import prepare_store
from merjax.stores.store import CROPS, open_store
from merjax.system.errors import MerjaxError


@pytest.fixture(scope="module")
def release(small_release):
    return read_casme2(small_release)


@pytest.fixture(scope="module")
def store(small_store):
    return open_store(small_store)


@pytest.fixture(scope="module")
def short(release):
    return cut_short(release)


@pytest.fixture(scope="module")
def short_store(short, tmp_path_factory):
    return prepare_store([short], tmp_path_factory.mktemp("short") / "store", workers=1)


def test_crops_are_those_of_the_frames(release, store):
    """Every clip's first and last frame, cut again from the image files."""
    assert len(store.index) == len(release.clips)
    clips = {clip.key: clip for clip in release.clips}
    points = np.load(store.path / "landmarks.npy")
    for n, row in enumerate(store.index.itertuples()):
        clip = clips[f"{row.database}/{row.subject}/{row.clip}"]
        boxes = region_boxes(points[n].astype(float))
        for t in (0, row.n_frames - 1):
            image = cv2.imread(str(clip.frames[t]), cv2.IMREAD_GRAYSCALE)
            for region in CROPS:
                got = store.crops[region.name][row.first_row + t].astype(int)
                assert np.abs(got - cut(image, region, boxes[region.name])).max() <= 1  # points are kept in float32


@pytest.mark.parametrize(("colour", "decoded"), [("gray", 1), ("rgb", 2)])
def test_each_frame_is_decoded_once(release, monkeypatch, colour, decoded):
    """In colour, the first frame is read in gray as well, so that landmarks do not depend on the colour."""
    seen, values = [], pictures._values
    monkeypatch.setattr(pictures, "_values", lambda path, colour: seen.append(path) or values(path, colour))
    clip = release.clips[0]
    cropping.crop_clip(clip, cropping.CropSettings(colour), landmarks.find_model())
    assert [seen.count(path) for path in clip.frames] == [decoded] + [1] * (len(clip.frames) - 1)


@pytest.mark.long
def test_a_second_preparation_gives_the_same_hash_and_other_pixels_another(short, short_store, tmp_path):
    again = prepare_store([short], tmp_path / "again")
    assert again.hash == short_store.hash
    image = cv2.imread(str(short.clips[0].frames[3]))
    image[200:260, 250:390] = 0
    cv2.imwrite(str(tmp_path / "frame.png"), image)
    clips = (with_frame(short.clips[0], 3, tmp_path / "frame.png"), *short.clips[1:])
    changed = prepare_store([replace(short, clips=clips)], tmp_path / "changed")
    assert changed.hash != short_store.hash


@pytest.mark.usefixtures("prepared_here")
def test_an_interrupted_preparation_leaves_no_store_and_is_continued(short, short_store, tmp_path, monkeypatch):
    out = tmp_path / "store"
    seen = []

    def stop_after_three(done, total):
        seen.append(done)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_store([short], out, workers=1, progress=stop_after_three)
    assert not out.exists()
    with pytest.raises(MerjaxError, match="not a finished clip store"):
        open_store(out.with_name("store.partial"))
    seen.clear()
    finished = prepare_store([short], out, workers=1, progress=lambda done, total: seen.append(done))
    assert seen[0] >= 3  # what was done is not done again
    assert finished.hash == short_store.hash
    assert not out.with_name("store.partial").exists()


@pytest.mark.usefixtures("prepared_here")
def test_a_half_written_journal_line_is_done_again(short, short_store, tmp_path):
    out = tmp_path / "store"

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_store([short], out, workers=1, progress=stop)
    journal = out.with_name("store.partial") / "journal.jsonl"
    text = journal.read_text().rstrip("\n")
    journal.write_text(text[: len(text) - 40])
    assert prepare_store([short], out, workers=1).hash == short_store.hash


@pytest.mark.long
def test_a_script_that_prepares_runs_once(release, short_store, tmp_path):
    """It has no `if __name__ == "__main__"`, so spawned workers would run it again from its first line."""
    script = tmp_path / "mine.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from support.short_clips import cut_short\n"
        "from merjax.datasets import read_casme2\n"
        "from merjax.stores.preparation import prepare_store\n"
        'print("once")\n'
        "store = prepare_store([cut_short(read_casme2(Path(sys.argv[1])))], Path(sys.argv[2]), workers=2)\n"
        "print(store.hash, __file__ == sys.argv[0], __spec__)\n"
    )
    line = [sys.executable, str(script), str(release.root), str(tmp_path / "store")]
    env = checkout_environment()
    result = subprocess.run(line, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["once", f"{short_store.hash} True None"]


@pytest.mark.usefixtures("prepared_here")
def test_a_clip_without_a_face_and_one_without_a_picture_are_listed(short, tmp_path):
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((480, 640), 90, np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    faceless, broken, *others = short.clips
    blank = replace(faceless, frames=(tmp_path / "blank.png",) * len(faceless.frames))
    clips = (blank, with_frame(broken, 2, tmp_path / "broken.jpg"), *others)
    store = prepare_store([replace(short, clips=clips)], tmp_path / "store")
    reasons = {f"{row.subject}/{row.clip}": row.reason for row in store.dropped.itertuples()}
    assert "dlib finds no face" in reasons[f"{faceless.subject}/{faceless.name}"]
    assert "cannot be read as an image" in reasons[f"{broken.subject}/{broken.name}"]
    assert len(store.index) == len(short.clips) - 2
    assert not {faceless.name, broken.name} & set(store.index[store.index["subject"] == faceless.subject]["clip"])


def test_an_output_in_the_way_is_refused(release, store, tmp_path):
    with pytest.raises(MerjaxError, match="exists"):
        prepare_store([release], store.path)
    partial = tmp_path / "x.partial"
    partial.mkdir()
    (partial / "thesis.txt").write_text("mine")
    with pytest.raises(MerjaxError, match="not made by merjax"):
        prepare_store([release], tmp_path / "x")
    assert (partial / "thesis.txt").read_text() == "mine"


def test_a_store_of_another_format_is_refused(store, tmp_path):
    copy = tmp_path / "store"
    shutil.copytree(store.path, copy)
    meta = json.loads((copy / "store.json").read_text())
    (copy / "store.json").write_text(json.dumps(meta | {"format": 99}))
    with pytest.raises(MerjaxError, match="format 99"):
        open_store(copy)


@pytest.mark.usefixtures("prepared_here")
def test_a_release_in_which_no_face_is_found_makes_no_store(short, tmp_path, monkeypatch):
    monkeypatch.setattr(landmarks, "find_face", lambda image, model, lowest: None)
    with pytest.raises(MerjaxError, match="none of the"):
        prepare_store([short], tmp_path / "store")
    assert not (tmp_path / "store").exists()
