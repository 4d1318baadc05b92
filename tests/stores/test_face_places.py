"""A face that dlib does not find is sought where other clips' faces are, and only where the pictures are crops of faces."""

from pathlib import Path

import pytest

from merjax.datasets.clip import Clip, Release
from merjax.faces.face_boxes import FaceBox
from merjax.stores.face_places import Place, Seen, places_of

CROPPED = FaceBox(10, 20, 209, 219)  # in pictures of 224 x 224
RAW = FaceBox(200, 100, 399, 299)  # in frames of 480 x 640


def release(*subjects, folder="frames", root=Path("/r"), top=Path("/r")):
    clips = [
        Clip(
            "casme2",
            subject,
            f"EP{n}",
            (Path(top, folder, subject, f"EP{n}", "img1.jpg"),),
            1,
            None,
            1,
            "",
            "",
            None,
            200.0,
        )
        for n, subject in enumerate(subjects)
    ]
    return Release("casme2", root, tuple(clips), ())


def seen(*boxes, size=(224, 224)):
    return {n: Seen(size, box) for n, box in enumerate(boxes)}


def test_the_subjects_place_comes_before_that_of_the_release():
    people = release("sub1", "sub1", "sub1", "sub2", "sub3")
    faces = [None, CROPPED, CROPPED, FaceBox(0, 0, 223, 223), None]
    places = places_of([people], seen(*faces), "picture")
    assert places[0][0] == Place("subject", CROPPED)
    assert [place.step for place in places[0]] == ["subject", "picture"]
    assert [place.step for place in places[4]] == ["picture"]
    assert [place.step for place in places_of([people], seen(*faces), "subject")[0]] == ["subject"]
    for strict in ("sure", "faint"):
        assert places_of([people], seen(*faces), strict) == {}


def test_in_raw_frames_only_a_subject_that_sat_still_gives_a_place():
    people = release("sub1", "sub1", "sub1", "sub2", "sub2", "sub2", "sub3")
    moved = FaceBox(260, 100, 459, 299)
    boxes = [None, RAW, RAW, None, RAW, moved, None]
    assert places_of([people], seen(*boxes, size=(480, 640)), "picture") == {0: [Place("subject", RAW)]}


@pytest.mark.parametrize(
    ("folder", "found"),
    [("Cropped", True), ("SMIC_all_cropped", True), ("Cropped2", True), ("Raw", False), ("uncropped", False)],
)
def test_a_release_that_calls_itself_cropped_is_one_until_its_faces_say_otherwise(folder, found):
    people = release("sub1", "sub2", "sub3", "sub4", folder=folder)
    whole = [Place("picture", FaceBox(0, 0, 224, 224))]
    assert places_of([people], seen(None), "picture") == ({0: whole} if found else {})
    raw = seen(None, RAW, RAW, RAW, size=(480, 640))
    assert places_of([people], raw, "picture") == {}


def test_folders_above_the_release_do_not_call_it_cropped_and_a_link_to_it_hides_nothing(tmp_path, monkeypatch):
    raw = tmp_path / "cropped" / "a" / "b" / "raw"
    (raw / "Cropped").mkdir(parents=True)
    (tmp_path / "link").symlink_to(raw)
    (tmp_path / "link2").symlink_to(raw / "Cropped")
    monkeypatch.chdir(raw)
    for root in (raw, tmp_path / "link", Path(".")):
        assert places_of([release("sub1", root=root, top=raw)], seen(None), "picture") == {}
        cropped = release("sub1", folder="Cropped", root=root, top=raw)
        assert places_of([cropped], seen(None), "picture") != {}
    cropped = release("sub1", root=tmp_path / "link2", top=raw / "Cropped")
    assert places_of([cropped], seen(None), "picture") != {}


def test_places_scale_with_the_pictures_and_releases_do_not_mix():
    cropped, raw = release("sub1", "sub2", "sub3", "sub4"), release("sub1")
    known = seen(CROPPED, CROPPED, CROPPED) | {3: Seen((448, 448), None), 4: Seen((480, 640), None)}
    places = places_of([cropped, raw], known, "picture")
    assert places == {3: [Place("picture", FaceBox(20, 40, 418, 438))]}
