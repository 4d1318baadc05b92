"""Frames of a scripted clip: timing, motion that optical flow finds again, and the camera's noise."""

import cv2
import numpy as np
import pytest

from merjax.faces.landmarks import find_model
from merjax.synthesis import rendering as clip
from merjax.synthesis.face import Face, face_mask
from merjax.synthesis.movements import Movement
from merjax.synthesis.portraits import default_portraits, read_face
from merjax.synthesis.rendering import Camera, Script, apex_field, envelope, render

STILL = Camera(noise=0, drift=0, flicker=0)


@pytest.fixture(scope="module")
def face():
    return read_face(default_portraits()[0], find_model())


def script(*units, peak=2.0, frames=3, onset=0, apex=1, offset=2):
    movements = tuple(Movement(unit, "both", 1.0) for unit in units)
    return Script(movements, peak, frames, onset, apex, offset, 200.0)


def onset_and_apex(face, what, camera=STILL, seed=0):
    return list(render(face, what, camera, np.random.default_rng(seed)))[:2]


def gray(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def test_expression_rises_from_onset_to_apex_and_falls_to_the_offset():
    strength = envelope(script(12, frames=80, onset=10, apex=30, offset=70))
    assert strength[:11].max() == 0
    assert strength[70:].max() < 1e-12
    assert strength.argmax() == 30
    assert strength[30] == 1
    assert strength[20] == pytest.approx(0.5)
    assert (np.diff(strength[10:31]) > 0).all()
    assert (np.diff(strength[30:71]) < 0).all()


@pytest.mark.parametrize("units", [(1, 2), (4,), (6, 12), (9,), (15,)])
def test_optical_flow_finds_the_true_field_again_in_jpeg_frames(face, units):
    what = script(*units, peak=2.0)
    frames = onset_and_apex(face, what, Camera(drift=0, flicker=0))
    packed = [cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], 0) for frame in frames]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*packed, None)
    truth = apex_field(face, what)
    inside = face_mask(face.points_68x2, *face.shape) > 0.5
    assert np.corrcoef(flow[inside].ravel(), truth[inside].ravel())[0, 1] > 0.85
    moving = np.linalg.norm(truth, axis=2) > 0.5
    assert np.linalg.norm(flow - truth, axis=2)[moving].mean() < 0.35


def test_the_true_field_takes_apex_pixels_back_to_the_onset(face, monkeypatch):
    """The apex frame's pixels, taken from where the field says they moved, equal those of the onset."""
    monkeypatch.setattr(clip, "_CREASE", 0.0)
    what = script(1, 2, peak=8.0)
    onset, apex = (frame.astype(np.float32) for frame in onset_and_apex(face, what))
    field = apex_field(face, what)
    rows, columns = np.indices(face.shape, np.float32)
    returned = cv2.remap(apex, columns + field[..., 0], rows + field[..., 1], cv2.INTER_CUBIC)
    moving = np.linalg.norm(field, axis=2) > 1
    assert np.abs(returned - onset)[moving].mean() < 0.1 * np.abs(apex - onset)[moving].mean()


def test_peak_is_in_pixels_at_105_between_the_eyes(face):
    half = Face(cv2.resize(face.image_HxWx3, None, fx=0.5, fy=0.5), face.points_68x2 / 2)
    assert np.linalg.norm(apex_field(face, script(12, peak=3.0)), axis=2).max() == pytest.approx(3, rel=0.02)
    assert np.linalg.norm(apex_field(half, script(12, peak=3.0)), axis=2).max() == pytest.approx(1.5, rel=0.02)


def test_without_camera_the_margins_are_the_portrait(face):
    frames = list(render(face, script(4, frames=6, onset=2, apex=3, offset=4), STILL, np.random.default_rng(0)))
    for margin in (0, 1, 2, 4, 5):
        assert np.abs(frames[margin].astype(int) - face.image_HxWx3).max() <= 1
    assert (frames[3] != face.image_HxWx3).any()


def test_same_seed_same_bytes_other_seed_other_bytes(face):
    one, again, other = (onset_and_apex(face, script(12), Camera(), seed)[1] for seed in (3, 3, 4))
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()


def test_noise_has_the_deviation_asked_for_and_grows_with_the_light():
    """Poisson-Gaussian: the variance is a straight line in the intensity, and noise of two frames is independent."""
    levels = np.array([32, 64, 128, 192], np.uint8)
    image = np.repeat(np.repeat(levels, 40)[None, :, None], 120, 0).repeat(3, 2)
    points = np.random.default_rng(0).uniform(20, 100, (68, 2))
    face = Face(np.ascontiguousarray(image), points)
    camera = Camera(noise=4.0, drift=0, flicker=0)
    frames = np.stack(list(render(face, script(12, peak=1e-6, frames=60), camera, np.random.default_rng(0))))
    noise = frames[..., 0].astype(float) - image[..., 0]
    variance = np.array([noise[:, :, 40 * k : 40 * (k + 1)].var() for k in range(4)])
    slope, constant = np.polyfit(levels, variance, 1)
    assert np.sqrt(variance[2]) == pytest.approx(4, rel=0.05)
    assert slope > 0
    assert constant > 0
    np.testing.assert_allclose(variance, slope * levels + constant, rtol=0.06)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


def test_drift_is_sub_pixel_smooth_and_zero_at_the_onset(face):
    still = script(12, peak=1e-6, frames=60, onset=10, apex=30, offset=50)
    frames = [gray(f) for f in render(face, still, Camera(0, 0.5, 0), np.random.default_rng(2))]
    shifts = np.array(
        [cv2.phaseCorrelate(np.float32(gray(face.image_HxWx3)), np.float32(frame))[0] for frame in frames]
    )
    assert np.abs(shifts[10]).max() < 0.01
    assert 0.02 < np.abs(shifts).max() < 0.6
    assert np.abs(np.diff(shifts, axis=0)).max() < 0.1


def test_compressed_skin_is_darker():
    """On a plain face only the crease shading can change the image."""
    face = read_face(default_portraits()[0], find_model())
    plain = Face(np.full_like(face.image_HxWx3, 128), face.points_68x2)
    onset, apex = onset_and_apex(plain, script(4, peak=6.0))
    assert (onset == 128).all()
    assert apex.max() == 128
    glabella = face.points_68x2[21:23].mean(0).round().astype(int)
    assert apex[glabella[1] + 10, glabella[0], 0] < 124
