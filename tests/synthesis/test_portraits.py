"""Photographs become faces of one geometry; invented identities are faces, and differ."""

import cv2
import numpy as np
import pytest

from merjax.faces.landmarks import detect, find_model
from merjax.synthesis.portraits import default_portraits, invent, portrait_files, read_face
from merjax.system.errors import MerjaxError


@pytest.fixture(scope="module")
def model():
    return find_model()


@pytest.fixture(scope="module")
def faces(model):
    return [read_face(path, model) for path in default_portraits()]


def rgb(face):
    return cv2.cvtColor(face.image_HxWx3, cv2.COLOR_BGR2RGB)


def test_the_default_portraits_need_no_download():
    assert [path.name for path in default_portraits()] == ["grace_hopper.jpg", "astronaut.png"]


def test_a_face_is_level_and_its_points_lie_on_it(faces, model):
    for face in faces:
        assert face.image_HxWx3.shape == (480, 640, 3)
        assert face.d == pytest.approx(105)
        right, left = face.points_68x2[36:42].mean(0), face.points_68x2[42:48].mean(0)
        assert abs(right[1] - left[1]) < 1e-9
        error = np.linalg.norm(detect(rgb(face), model) - face.points_68x2, axis=1)
        assert np.median(error) < 0.03 * face.d


def test_a_rotated_enlarged_photograph_gives_the_same_face(faces, model, tmp_path):
    image = cv2.imread(str(default_portraits()[0]))
    turn = cv2.getRotationMatrix2D((256, 300), 12, 1)
    turned = cv2.resize(cv2.warpAffine(image, turn, (512, 600), borderMode=cv2.BORDER_REPLICATE), None, fx=3, fy=3)
    cv2.imwrite(str(tmp_path / "turned.png"), turned)
    again = read_face(tmp_path / "turned.png", model)
    # dlib's points on the turned photograph differ by a pixel or two; the face must be the same beyond that.
    inside = np.s_[140:360, 230:410]
    one, two = (cv2.GaussianBlur(f.image_HxWx3, (0, 0), 4)[inside].astype(float).ravel() for f in (faces[0], again))
    assert np.corrcoef(one, two)[0, 1] > 0.9


def test_invented_identities_are_faces_and_differ(faces, model):
    invented = [invent(faces[1], model, np.random.default_rng(n)) for n in range(6)]
    proportions = []
    for face in invented:
        assert detect(rgb(face), model) is not None
        assert 85 < face.d < 125
        points = (face.points_68x2 - face.points_68x2[27]) / face.d
        width, jaw, nose = np.ptp(points[48:68, 0]), np.ptp(points[4:13, 0]), points[33, 1]
        proportions.append([width, jaw, nose, face.image_HxWx3.mean() / 255])
    assert (np.ptp(proportions, axis=0) > [0.05, 0.08, 0.04, 0.04]).all()


def test_inventing_depends_on_the_generator_alone(faces, model):
    one, again = (invent(faces[0], model, np.random.default_rng(7)) for _ in range(2))
    assert one.image_HxWx3.tobytes() == again.image_HxWx3.tobytes()


def test_folders_give_their_images_in_order(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert portrait_files([tmp_path]) == [tmp_path / "a.JPG", tmp_path / "b.png"]


def test_a_folder_without_images_and_a_missing_one_are_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no photograph")
    with pytest.raises(MerjaxError, match=f"{tmp_path}: no photographs"):
        portrait_files([tmp_path])
    with pytest.raises(MerjaxError, match=r"absent\.png does not exist"):
        portrait_files([tmp_path / "absent.png"])


def test_a_photograph_without_a_face_is_named(tmp_path, model):
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300, 3), 90, np.uint8))
    with pytest.raises(MerjaxError, match=r"wall\.png: no face found"):
        read_face(tmp_path / "wall.png", model)
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(MerjaxError, match=r"text\.jpg cannot be read as an image"):
        read_face(tmp_path / "text.jpg", model)


def test_files_of_systems_and_links_to_nowhere_beside_photographs_are_passed_over(tmp_path, capsys):
    (tmp_path / "001.jpg").touch()
    for name in ("._001.jpg", ".hidden.png", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7Mac OS X")
    (tmp_path / "002.jpg").symlink_to("gone.jpg")
    assert portrait_files([tmp_path]) == [tmp_path / "001.jpg"]
    assert capsys.readouterr().err == f"warning: {tmp_path / '002.jpg'} is a link that leads nowhere: passed over\n"
