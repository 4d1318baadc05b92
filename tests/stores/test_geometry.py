"""A store in the geometry of the authors' code: its pixels, what it says of itself, and what is refused."""

import json
import math
import shutil
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import pytest
from support.short_clips import cut_short

from merjax.cli import doctor, prepare
from merjax.datasets import read_casme2
from merjax.faces import landmarks
from merjax.faces.pictures import read_image
from merjax.faces.regions import REGIONS
from merjax.stores import sheets, workers
from merjax.stores.preparation import prepare_store
from merjax.stores.store import open_store
from merjax.system.errors import MerjaxError
from merjax.training.data import load_data

# left, top, right and bottom on the canvas, in the order of REGIONS
BOXES = (
    (0, 20, 100, 100),
    (140, 20, 240, 100),
    (60, 80, 180, 160),
    (0, 120, 60, 180),
    (180, 120, 240, 180),
    (40, 180, 200, 240),
)


@pytest.fixture(scope="module")
def release(small_release):
    whole = read_casme2(small_release)
    return cut_short(replace(whole, clips=whole.clips[::3]), clips=2)  # of two subjects


@pytest.fixture(scope="module")
def stores(release, tmp_path_factory):
    """Stores of the same clips in both geometries, in RGB, prepared in this process."""
    folder = tmp_path_factory.mktemp("geometries")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "spread", lambda work, tasks, processes: map(work, tasks))
        asked = "flow28,motion"
        authors = prepare_store(release, folder / "authors", geometry="authors", features=asked)
        return {"authors": authors, "ours": prepare_store(release, folder / "ours", colour="rgb", features=asked)}


def canvas_of(path, points) -> PIL.Image.Image:
    """What the authors' code makes of a frame, whose face is larger than the canvas or not."""
    x, y = points.round().astype(int).T
    face = PIL.Image.fromarray(read_image(path, "rgb")).crop((x[17], min(y[18], y[25]), x[26], y[8]))
    face.thumbnail((240, 280), PIL.Image.Resampling.LANCZOS)
    canvas = PIL.Image.new("RGB", (240, 280), "white")
    canvas.paste(face, (math.ceil((240 - face.width) / 2), math.ceil((280 - face.height) / 2)))
    return canvas


def test_every_frame_of_a_made_clip_is_cut_as_the_authors_do_from_the_first_frames_landmarks(release, stores):
    store = stores["authors"]
    points = np.load(store.path / "landmarks.npy")
    for n, clip in enumerate(release.clips):
        for t in (0, len(clip.frames) - 1):
            canvas = canvas_of(clip.frames[t], points[n])
            for region, box in zip(REGIONS, BOXES, strict=True):
                crop = store.crops[region.name][store.index["first_row"][n] + t]
                np.testing.assert_array_equal(crop, np.asarray(canvas.crop(box)), err_msg=region.name)


def test_the_landmarks_the_face_and_its_motion_are_those_of_the_other_geometry(stores):
    ours, authors = stores["ours"], stores["authors"]
    np.testing.assert_array_equal(*(np.load(s.path / "landmarks.npy") for s in (ours, authors)))
    np.testing.assert_array_equal(ours.crops["face"], authors.crops["face"])
    np.testing.assert_array_equal(*(s.features["flow28"].pictures for s in (ours, authors)))
    assert (ours.crops["mouth"] != authors.crops["mouth"]).any()
    motion = [s.features["motion"].arrays["mouth"] for s in (ours, authors)]
    assert (motion[0] != motion[1]).any()


def test_a_store_says_its_geometry_and_one_of_ours_says_what_it_always_said(stores):
    assert stores["authors"].geometry == "authors"
    assert stores["authors"].meta["settings"]["geometry"] == "authors"
    assert "crops of RGB values in the authors' geometry" in repr(stores["authors"])
    assert stores["ours"].geometry == "ours"
    assert stores["ours"].meta["settings"] == {"colour": "rgb", "align": "first"}
    assert stores["ours"].hash != stores["authors"].hash


def test_rgb_crops_in_the_authors_geometry_are_read_by_every_input(stores):
    for seen, dtype in (("gray", np.uint8), ("difference", np.uint8), ("flow", np.int8)):
        data = load_data(stores["authors"], folds="group:2", geometry="authors", input=seen)
        assert data.channels == 3
        assert [frames.dtype for frames in data.frames] == [dtype] * 6
        assert [frames.shape[1:] for frames in data.frames] == [(r.height, r.width, 3) for r in REGIONS]
        assert np.isfinite(data.moments_NxRxCx2).all()


@pytest.mark.parametrize(
    ("store", "settings", "sentence"),
    [
        (
            "authors",
            {},
            "in the authors' geometry, but data.geometry is ours; write data.geometry: authors, or prepare",
        ),
        (
            "ours",
            {"geometry": "authors"},
            "in merjax's own geometry, but data.geometry is authors; write data.geometry: ours",
        ),
        ("ours", {"colour": "gray"}, "holds crops in rgb, but data.colour is gray; write data.colour: rgb, or prepare"),
    ],
)
def test_a_trial_that_asks_for_other_crops_is_refused_in_a_sentence(stores, store, settings, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        load_data(stores[store], folds="group:2", **settings)


def test_rgb_asked_of_a_gray_store_is_refused_in_a_sentence(small_store):
    assert load_data(small_store, colour="gray").channels == 1
    with pytest.raises(MerjaxError, match="holds crops in gray, but data.colour is rgb; .* with --colour rgb"):
        load_data(small_store, colour="rgb")


@pytest.mark.usefixtures("prepared_here")
def test_the_command_line_makes_such_a_store_and_says_so(release, stores, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(prepare, "read_releases", lambda asked: [release])
    prepare.main(
        ["--casme2", "nowhere", "--geometry", "authors", "--features", "flow28", "--out", str(tmp_path / "store")]
    )
    said = " ".join(capsys.readouterr().out.split())
    assert "frames; the authors' geometry; flow28; look at" in said
    assert "CASME II: objective classes from " in said
    assert open_store(tmp_path / "store").hash == stores["authors"].hash


def test_the_contact_sheet_shows_the_authors_boxes(release, stores, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(sheets.cv2, "polylines", lambda image, outlines, *how: drawn.append(outlines[0]))
    store = stores["authors"]
    points = np.load(store.path / "landmarks.npy").astype(float)
    sheets.write_contact_sheet(tmp_path / "sheet.png", release.clips, points, store.index, "rgb", "authors")
    x, y = points[0].round().T
    face = np.array([x[17], min(y[18], y[25])]), np.array([x[26], y[8]])
    scale = min(240 / (face[1] - face[0])[0], 280 / (face[1] - face[0])[1], 1)
    assert len(drawn) == 6 * store.index["subject"].nunique()
    for outline, box in zip(drawn, BOXES, strict=False):
        middle = (face[0] + face[1]) / 2 + (np.array([box[0] + box[2], box[1] + box[3]]) / 2 - [120, 140]) / scale
        np.testing.assert_allclose(outline.mean(0), middle, atol=1.5)
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None


def test_doctor_tells_the_geometry_and_finds_the_hash(stores, capsys):
    doctor.main([str(stores["authors"].path)])
    said = capsys.readouterr().out
    assert "the authors' geometry" in said
    assert "as it was when the store was made" in said


def test_a_store_with_an_unknown_geometry_is_damaged_or_newer(stores, tmp_path):
    copy = tmp_path / "store"
    shutil.copytree(stores["authors"].path, copy)
    meta = json.loads((copy / "store.json").read_text())
    meta["settings"]["geometry"] = "elsewhere"
    (copy / "store.json").write_text(json.dumps(meta))
    with pytest.raises(MerjaxError, match="geometry"):
        open_store(copy)


@pytest.mark.usefixtures("prepared_here")
def test_a_clip_whose_face_stands_on_its_head_is_listed(release, tmp_path, monkeypatch):
    find = landmarks.find_face

    def turned(image, model, lowest):
        face = find(image, model, lowest)
        return face._replace(points=[640, 480] - face.points)

    monkeypatch.setattr(landmarks, "find_face", turned)
    with pytest.raises(MerjaxError, match="the face does not stand upright"):
        prepare_store(replace(release, clips=release.clips[:1]), tmp_path / "store", geometry="authors")
