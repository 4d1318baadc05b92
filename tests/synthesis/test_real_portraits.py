"""Scripted motion on photographs of other people: the Face Research Lab London Set (DeBruine and Jones 2017)."""

import cv2
import numpy as np
import pytest
from support.places import LONDON

from merjax.faces.crops import cut, region_boxes
from merjax.faces.landmarks import find_model
from merjax.faces.regions import REGIONS
from merjax.synthesis.face import face_mask
from merjax.synthesis.movements import Movement
from merjax.synthesis.portraits import read_face
from merjax.synthesis.rendering import Camera, Script, apex_field, render

pytestmark = pytest.mark.skipif(not LONDON.is_dir(), reason=f"the London faces are not at {LONDON}")

# Kinds of regions that a set of units moves, by the muscles' places.
MOVED = {
    (1, 2): {"eyes"},
    (4,): {"eyes"},
    (5,): {"eyes"},
    (6, 12): {"cheeks", "mouth"},
    (9,): {"nose", "eyes"},
    (10,): {"nose", "mouth"},
    (15,): {"mouth"},
    (17,): {"mouth"},
}


@pytest.fixture(scope="module")
def faces():
    return [read_face(path, find_model()) for path in sorted(LONDON.glob("*.jpg"))[::8][:12]]


def measured_flow(frames):
    packed = [cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], 0) for frame in frames]
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*packed, None)


def strongest_kind(flow, points):
    """The kind of region with the largest flow: the mean over its strongest 200 of a 9x9 blur's pixels."""
    speed = cv2.blur(np.linalg.norm(flow, axis=2), (9, 9))
    scaled = np.clip(speed * 50, 0, 255).astype(np.uint8)
    boxes = region_boxes(points)
    strength = {r: np.sort(cut(scaled, r, boxes[r.name]), axis=None)[-200:].mean() for r in REGIONS}
    return max(strength, key=strength.get).kind


# of three people by default, and one set of units for each kind of region
@pytest.mark.parametrize(
    ("units", "people"),
    [
        *(((1, 2), 3), ((6, 12), 3), ((9,), 3), ((15,), 3)),
        *(pytest.param(units, 12, marks=pytest.mark.long) for units in MOVED),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "+".join(map(str, value)),
)
def test_flow_is_strongest_where_the_units_act_and_follows_the_true_field(faces, units, people):
    script = Script(tuple(Movement(unit, "both", 1.0) for unit in units), 2.0, 3, 0, 1, 2, 200.0)
    hits, correlations = 0, []
    for number, face in enumerate(faces[:: len(faces) // people]):
        onset, apex, _ = render(face, script, Camera(), np.random.default_rng(number))
        flow, truth = measured_flow([onset, apex]), apex_field(face, script)
        hits += strongest_kind(flow, face.points_68x2) in MOVED[units]
        inside = face_mask(face.points_68x2, *face.shape) > 0.5
        correlations.append(np.corrcoef(flow[inside].ravel(), truth[inside].ravel())[0, 1])
    assert hits == people == len(correlations)
    assert np.median(correlations) > 0.88
