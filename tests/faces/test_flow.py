"""Optical flow and strain: against true and analytic fields, and as pictures."""

import tomllib

import cv2
import numpy as np
import pytest
from support.places import CHECKOUT

from merjax.faces.crops import FACE_SIDE, cut, inter_ocular_distance, region_boxes
from merjax.faces.flow import (
    CONTRIB,
    colour_wheel,
    dense_flow,
    fixed_point,
    flow_picture,
    optical_strain,
    require,
    scaled,
)
from merjax.faces.landmarks import find_model
from merjax.faces.regions import FACE, REGIONS
from merjax.synthesis.movements import Movement
from merjax.synthesis.portraits import default_portraits, read_face
from merjax.synthesis.rendering import Camera, Script, apex_field, render
from merjax.system.errors import MerjaxError


@pytest.fixture(scope="module")
def face():
    return read_face(default_portraits()[0], find_model())


def crops_and_truth(face, units, region):
    """Onset and apex of a synthetic clip with noise, cut as a store's crops are, and the true field in crop pixels."""
    script = Script(tuple(Movement(unit, "both", 1.0) for unit in units), 2.0, 3, 0, 1, 2, 200.0)
    frames = list(render(face, script, Camera(drift=0), np.random.default_rng(0)))[:2]
    box = region_boxes(face.points_68x2)[region.name]
    crops = [cut(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), region, box) for frame in frames]
    columns = box.x + (np.arange(region.width) - (region.width - 1) / 2) * box.unit
    rows = box.y + (np.arange(region.height) - (region.height - 1) / 2) * box.unit
    grid = [axis.astype(np.float32) for axis in np.meshgrid(columns, rows)]
    return *crops, cv2.remap(apex_field(face, script), *grid, cv2.INTER_LINEAR) / box.unit


@pytest.mark.parametrize(("units", "name"), [((6, 12), "face"), ((1, 2), "face"), ((15,), "mouth"), ((4,), "eye_left")])
def test_flow_of_a_synthetic_clip_is_its_true_displacement(face, units, name):
    region = next(r for r in (*REGIONS, FACE) if r.name == name)
    onset, apex, truth = crops_and_truth(face, units, region)
    flow = dense_flow(onset, apex)
    length = np.linalg.norm(truth, axis=2)
    moving = length > 0.3 * length.max()
    assert moving.mean() > 0.02
    for found, true in zip(flow[moving].T, truth[moving].T, strict=True):
        if true.std() > 0.1:
            assert np.corrcoef(found, true)[0, 1] > 0.9
    assert np.corrcoef(flow[moving].ravel(), truth[moving].ravel())[0, 1] > 0.9
    assert np.sqrt(np.square(flow - truth)[moving].mean()) < 0.3 * length.max()


def test_flow_does_not_depend_on_the_number_of_threads(face):
    onset, apex, _ = crops_and_truth(face, (6, 12), FACE)
    threads, flows = cv2.getNumThreads(), []
    for n in (1, 3):
        cv2.setNumThreads(n)
        flows.append(dense_flow(onset, apex))
        assert cv2.getNumThreads() == n
    cv2.setNumThreads(threads)
    np.testing.assert_array_equal(*flows)


def test_face_crops_are_large_enough_for_the_peak(face):
    """A peak of 2 px at d = 105 is above 1 px in the face crop."""
    assert 2 * FACE.height / FACE_SIDE / 105 > 1.2
    assert inter_ocular_distance(face.points_68x2) > 60


def test_strain_of_analytic_fields():
    y, x = np.mgrid[:20, :30].astype(np.float32)
    for field, expected in (
        ((0.1 * x, 0 * x), 0.1),  # a stretch
        ((0.1 * x, -0.1 * y), np.sqrt(0.02)),  # a stretch and a squeeze
        ((0.2 * y, 0 * x), np.sqrt(2) * 0.1),  # a shear is half a rotation
        ((0.1 * y, -0.1 * x), 0),  # a rotation strains nothing
        ((3 + 0 * x, -5 + 0 * y), 0),
    ):
        np.testing.assert_allclose(optical_strain(np.dstack(field)), expected, atol=1e-6)
    curved = np.dstack([x**2 / 100, 0 * x])
    np.testing.assert_allclose(optical_strain(curved)[:, 1:-1], x[:, 1:-1] / 50, atol=1e-6)


def test_pictures_spread_each_channel_over_all_values():
    rng = np.random.default_rng(0)
    channels = rng.normal(size=(9, 7, 3)) * [1, 10, 0] + [0, 5, 2]
    picture = scaled(channels)
    assert picture[..., :2].min((0, 1)).tolist() == [0, 0]
    assert picture[..., :2].max((0, 1)).tolist() == [255, 255]
    assert not picture[..., 2].any()
    low, high = channels[..., 1].min(), channels[..., 1].max()
    np.testing.assert_allclose(
        picture[..., 1] / 255 * (high - low) + low, channels[..., 1], atol=0.5 / 255 * (high - low)
    )
    y, x = np.mgrid[:56, :56].astype(np.float32) / 56
    flow = np.dstack([x, 1 - y])
    assert flow_picture(flow, 28).shape == (28, 28, 3)
    u, v, _ = np.moveaxis(flow_picture(flow, 28).astype(int), -1, 0)
    assert (np.diff(u, axis=1) > 0).all()
    assert (np.diff(v, axis=0) < 0).all()


def test_fixed_point_keeps_motion_to_a_fraction_of_its_error():
    rng = np.random.default_rng(0)
    flow = cv2.GaussianBlur(rng.normal(size=(40, 50, 2)).astype(np.float32), (0, 0), 3) * 5
    kept = fixed_point(flow)
    assert np.abs(kept[..., :2] / 16 - flow).max() <= 1 / 32 + 1e-6
    assert np.abs(kept[..., 2] / 256 - optical_strain(flow)).max() <= 1 / 512 + 1e-6
    assert fixed_point(flow + 100)[..., :2].min() == 127


def test_colours_tell_directions_apart():
    at = np.array([[[1, 0], [0, 1], [-1, 0], [0, -1], [0, 0], [5, 0]]], float)
    right, down, left, up, rest, far = colour_wheel(at, 1)[0].tolist()
    assert (right, rest, far) == ([255, 0, 0], [255, 255, 255], [255, 0, 0])
    assert down[1] == 255 and down[2] == 0  # noqa: PT018
    assert left == [0, 255, 255]
    assert up[2] == 255 and up[1] == 0  # noqa: PT018
    assert colour_wheel(at / 2, 1)[0, 0].tolist() == [255, 128, 128]


WITHOUT_CONTRIB = pytest.mark.skipif(not hasattr(cv2, "optflow"), reason="this OpenCV lacks the contrib modules")


@pytest.mark.skipif(hasattr(cv2, "optflow"), reason="this OpenCV has the contrib modules")
def test_a_missing_algorithm_is_told_with_the_line_that_brings_it():
    with pytest.raises(MerjaxError) as error:
        require("tvl1")
    assert CONTRIB in str(error.value)


def test_the_line_that_brings_tvl1_asks_for_the_release_that_merjax_requires():
    """A contrib wheel of another release would leave files of the plain one behind."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    (plain,) = (wheel for wheel in project["dependencies"] if wheel.startswith("opencv"))
    assert plain.replace("opencv-", "opencv-contrib-") in CONTRIB
    assert not any("opencv" in wheel for extra in project["optional-dependencies"].values() for wheel in extra)


@WITHOUT_CONTRIB
def test_tvl1_finds_a_synthetic_clips_displacement(face):
    onset, apex, truth = crops_and_truth(face, (6, 12), FACE)
    require("tvl1")
    flow = dense_flow(onset, apex, "tvl1")
    length = np.linalg.norm(truth, axis=2)
    moving = length > 0.3 * length.max()
    assert np.corrcoef(flow[moving].ravel(), truth[moving].ravel())[0, 1] > 0.9


@WITHOUT_CONTRIB
def test_tvl1_does_not_depend_on_the_number_of_threads(face):
    onset, apex, _ = crops_and_truth(face, (6, 12), FACE)
    threads, flows = cv2.getNumThreads(), []
    for n in (1, 3):
        cv2.setNumThreads(n)
        flows.append(dense_flow(onset, apex, "tvl1"))
    cv2.setNumThreads(threads)
    np.testing.assert_array_equal(*flows)
