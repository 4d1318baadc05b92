"""Of several faces, the steadiest is taken, or the one that is asked for, and the same one from then on."""

from pathlib import Path

import numpy as np
import pytest
from support.face_shape import face_points

from merjax.faces.face_boxes import FaceBox
from merjax.faces.landmarks import FoundFace
from merjax.stores import finding_faces
from merjax.stores.finding_faces import finder, numbered, steadiest

MODEL = Path("model")


def box(x, y=100, half=40):
    return FaceBox(x - half, y - half, x + half, y + half)


def points_in(face):
    return face_points(face.side / 2.2, (face.left + face.right) / 2, (face.top + face.bottom) / 2)


@pytest.fixture
def shows(monkeypatch):
    """Pictures are lists of boxes, the largest face first, and the detector finds them all."""

    def find_face(picture, model, lowest):
        assert lowest == "sure"
        return FoundFace(points_in(picture[0]), "sure", picture[0], 0, tuple(picture[1:])) if picture else None

    def face_in_box(picture, wanted, padding, model, step):
        return FoundFace(points_in(wanted), step, wanted, padding)

    monkeypatch.setattr(finding_faces, "find_face", find_face)
    monkeypatch.setattr(finding_faces, "face_in_box", face_in_box)


def middle(points):
    return round(float(points[17:].mean(0)[0]))


def test_the_only_face_is_taken_and_nothing_is_chosen(shows):
    find = finder(MODEL, lambda boxes: pytest.fail("there is nothing to choose"))
    assert middle(find([box(100)], None)) == 100
    assert find([], None) is None


@pytest.mark.parametrize(("face", "taken"), [(1, 100), (2, 300), (3, 500), (7, 500)])
def test_a_face_is_counted_from_the_left_whichever_is_larger(shows, face, taken):
    find = finder(MODEL, numbered(face))
    assert middle(find([box(300, half=50), box(500), box(100)], None)) == taken


def test_the_steadiest_face_is_the_one_that_is_there_most_often_and_of_equals_moves_least(shows):
    passes_by = [[box(300 + 15 * n), box(100)] for n in range(8)]
    sways = [[box(300, 100 + 25 * (n % 2)), box(100)] for n in range(8)]
    leaves = [[box(300), box(100)]] * 3 + [[box(300)]] * 5
    for pictures, taken in ((passes_by, 100), (sways, 100), (leaves, 300)):
        find = finder(MODEL, steadiest(lambda pictures=pictures: pictures, MODEL))
        assert middle(find(pictures[0], None)) == taken


def test_a_face_that_was_taken_is_taken_again_whichever_is_larger(shows):
    find = finder(MODEL, lambda boxes: pytest.fail("it was chosen before"))
    assert middle(find([box(300, half=60), box(110)], points_in(box(100)))) == 110
    assert middle(find([box(300, half=60), box(110)], points_in(box(290)))) == 300


def test_points_lie_in_the_chosen_box(shows):
    np.testing.assert_allclose(finder(MODEL, numbered(1))([box(300), box(100)], None), points_in(box(100)))
