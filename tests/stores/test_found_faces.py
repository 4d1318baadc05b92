"""Faces and depths in a prepared store: how each clip's face was found, and how deep its pictures are, is noted and told."""

import json
import pickle
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from rich.console import Console
from support.short_clips import FRAMES, cut_short, with_changed_frames, with_frame

from merjax.cli.prepare import print_store
from merjax.datasets import read_casme2
from merjax.faces import landmarks
from merjax.faces.crops import inter_ocular_distance
from merjax.faces.pictures import read_image
from merjax.stores.clip_crops import NoFaceError
from merjax.stores.health import examine_store
from merjax.stores.preparation import prepare_store
from merjax.stores.store import open_store


@pytest.fixture(scope="module")
def release(small_release):
    return read_casme2(small_release)


def without_detector(monkeypatch, *blind):
    """The detector finds no face in some pictures."""
    find = landmarks.find_face
    hidden = [read_image(path).tobytes() for path in blind]
    monkeypatch.setattr(landmarks, "find_face", lambda *how: None if how[0].tobytes() in hidden else find(*how))


@pytest.fixture(scope="module")
def cropped(release, tmp_path_factory):
    """Three clips of the first subject and one of each other, as tight crops, nine frames each."""
    clips = {clip.subject: clip for clip in release.clips}
    first = [clip for clip in release.clips if clip.subject == "sub01"]
    chosen = replace(release, clips=(*first, *(clips[name] for name in sorted(clips) if name != "sub01")))
    return with_changed_frames(
        cut_short(chosen, 5), lambda image: image[140:380, 205:435], tmp_path_factory.mktemp("cropped")
    )


@pytest.mark.usefixtures("prepared_here")
def test_a_face_that_dlib_misses_is_found_at_the_place_of_others_and_noted(cropped, tmp_path, monkeypatch, capsys):
    usual = prepare_store([cropped], tmp_path / "usual")
    assert usual.index["face"].tolist() == ["sure"] * 5
    print_store(usual, Console())
    assert "faces were found" not in capsys.readouterr().out
    plain_tiles = cv2.imread(str(usual.path / "contact_sheet.png")).shape

    without_detector(monkeypatch, cropped.clips[0].frames[0], cropped.clips[4].frames[0])
    store = prepare_store([cropped], tmp_path / "store")
    assert store.index["face"].tolist() == ["subject", "sure", "sure", "sure", "picture"]
    assert store.meta["faces"] == {"lowest": "picture", "found": {"sure": 3, "faint": 0, "subject": 1, "picture": 1}}
    points, truth = (np.load(one.path / "landmarks.npy") for one in (store, usual))
    np.testing.assert_array_equal(points[1:4], truth[1:4])
    error = np.linalg.norm(points - truth, axis=2).mean(1) / inter_ocular_distance(truth[0])
    assert error.max() < 0.06
    print_store(store, Console(width=400))
    said = capsys.readouterr().out
    assert "faces were found by these steps: 3 sure, 1 subject, 1 picture" in said
    assert "--faces sure" in said
    sheet = cv2.imread(str(store.path / "contact_sheet.png"))
    assert ((sheet == (30, 30, 200)).all(2).sum(1) > 300).any()  # the red rim of a tile
    assert sheet.shape[1] >= plain_tiles[1]

    strict = prepare_store([cropped], tmp_path / "strict", faces="sure")
    assert [row.reason for row in strict.dropped.itertuples()] == [
        f"dlib finds no face in {cropped.clips[n].frames[0].name} (steps taken: sure)" for n in (0, 4)
    ]


@pytest.mark.usefixtures("prepared_here")
def test_a_picture_without_a_face_stays_out_of_a_cropped_release(cropped, tmp_path):
    """The place of the others' faces holds a wall there: points on it follow the box."""
    wall = np.random.default_rng(3).normal(size=(240, 230))
    wall = cv2.normalize(cv2.GaussianBlur(wall, (0, 0), 5), None, 40, 200, cv2.NORM_MINMAX).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "wall.png"), wall)
    clips = (with_frame(cropped.clips[0], 0, tmp_path / "wall.png"), *cropped.clips[1:])
    store = prepare_store([replace(cropped, clips=clips)], tmp_path / "store")
    (dropped,) = store.dropped.itertuples()
    assert dropped.reason == "dlib finds no face in wall.png (steps taken: sure, faint, subject, picture)"


@pytest.mark.usefixtures("prepared_here")
def test_wide_pictures_give_the_crops_of_narrow_ones_and_their_depth_is_said(release, tmp_path, capsys):
    """12-bit values in 16-bit files; one frame of another clip is damaged, and that clip alone is dropped."""
    narrow = with_changed_frames(cut_short(release), lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), tmp_path)
    clips = []
    for n, clip in enumerate(narrow.clips):
        paths = tuple(tmp_path / f"wide{n}-{t}.png" for t in range(len(clip.frames)))
        for t, (path, frame) in enumerate(zip(paths, clip.frames, strict=True)):
            values = read_image(frame).astype(np.uint16) * 16
            values[0, 0] = 4095 if t == 4 else 0  # one bright frame tells the depth of all
            cv2.imwrite(str(path), values)
        clips.append(replace(clip, frames=paths))
    (tmp_path / "empty.png").touch()
    clips[1] = with_frame(clips[1], 3, tmp_path / "empty.png")
    store = prepare_store([replace(narrow, clips=tuple(clips))], tmp_path / "store")
    kept = replace(narrow, clips=(narrow.clips[0], *narrow.clips[2:]))
    reference = prepare_store([kept], tmp_path / "reference")
    for name, crops in reference.crops.items():
        rows = store.index["first_row"].repeat(FRAMES).to_numpy() + np.tile(np.arange(FRAMES), len(store.index))
        np.testing.assert_array_equal(store.crops[name][rows], crops)
    assert store.index["bits"].tolist() == [12] * 3
    (dropped,) = store.dropped.itertuples()
    assert dropped.reason == "empty.png cannot be read as an image; it is empty"
    print_store(store, Console(width=400))
    assert "the values of 3 clips use 12 of 16 bits; their upper 8 are kept" in capsys.readouterr().out


def test_a_store_of_an_earlier_version_has_no_record_of_faces(small_store, tmp_path, capsys):
    """It opens as before, and has the hash that it was made with."""
    copy = tmp_path / "store"
    store = open_store(small_store)
    shutil.copytree(store.path, copy)
    meta = json.loads((copy / "store.json").read_text())
    meta = {key: value for key, value in meta.items() if key not in ("faces", "files", "check")}
    (copy / "store.json").write_text(json.dumps(meta))
    store.index.drop(columns=["face", "bits"]).to_parquet(copy / "index.parquet", index=False)
    old = open_store(copy)
    assert not {"face", "bits"} & set(old.index)
    print_store(old, Console())
    assert "faces were found" not in capsys.readouterr().out
    assert not [finding for finding in examine_store(copy, full=True) if finding.fails]


def test_a_clip_without_a_face_is_told_in_another_process_as_in_this_one():
    error = NoFaceError("img1.jpg", (480, 640), ["sure", "faint"])
    told = pickle.loads(pickle.dumps(error))
    assert str(told) == str(error) == "dlib finds no face in img1.jpg (steps taken: sure, faint)"
    assert (type(told), told.size) == (NoFaceError, (480, 640))
