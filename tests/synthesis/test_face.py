"""Displacement fields: the convolution against a plain loop, and what moves where."""

import numpy as np
import pytest

from merjax.synthesis.face import MIRROR, Face, control_points, displacement_field, face_mask, normalised_convolution
from merjax.synthesis.movements import ACTION_UNITS, Movement

HEIGHT, WIDTH, D = 480, 640, 105.0


def template():
    """The 68 points of a symmetric face, in d about the middle between the eyes, placed in a frame."""
    jaw = [(-1.15 * np.cos(t), 0.1 + 1.55 * np.sin(t)) for t in np.linspace(0, np.pi, 17)]
    brow = [(-0.9, -0.3), (-0.75, -0.4), (-0.58, -0.43), (-0.4, -0.4), (-0.22, -0.34)]
    nose = [(0, y) for y in (0, 0.2, 0.4, 0.6)] + [(x, 0.75) for x in (-0.25, -0.12, 0, 0.12, 0.25)]
    eye = [(-0.7, 0), (-0.58, -0.08), (-0.42, -0.08), (-0.3, 0), (-0.42, 0.08), (-0.58, 0.08)]
    lips = [(-0.45, 1.1), (-0.28, 1.03), (-0.1, 1), (0, 1.01), (0.1, 1), (0.28, 1.03), (0.45, 1.1)]
    lips += [(0.28, 1.22), (0.1, 1.26), (0, 1.27), (-0.1, 1.26), (-0.28, 1.22)]
    inner = [(-0.38, 1.1), (-0.12, 1.09), (0, 1.1), (0.12, 1.09), (0.38, 1.1), (0.12, 1.12), (0, 1.12), (-0.12, 1.12)]
    points = np.array([*jaw, *brow, *[(-x, y) for x, y in brow[::-1]], *nose, *eye, *[(0, 0)] * 6, *lips, *inner])
    points[42:48] = points[MIRROR[42:48]] * [-1, 1]
    return points * D + [WIDTH / 2, 180]


@pytest.fixture(scope="module")
def face():
    return Face(np.zeros((HEIGHT, WIDTH, 3), np.uint8), template())


def length(field_HxWx2):
    return np.linalg.norm(field_HxWx2, axis=2)


def at(field_HxWx2, point):
    x, y = np.round(point).astype(int)
    return field_HxWx2[y, x]


def test_equal_displacements_give_a_constant_field(face):
    values = np.tile([1.5, -0.5], (68, 1))
    field = normalised_convolution(face.points_68x2, values, 0.3 * D, 200, 300, damping=0)
    np.testing.assert_allclose(field, np.broadcast_to([1.5, -0.5], field.shape), atol=2e-6)


def test_convolution_is_the_weighted_mean_of_the_points():
    rng = np.random.default_rng(0)
    points, values = rng.uniform(0, 20, (7, 2)), rng.normal(size=(7, 2))
    field = normalised_convolution(points, values, 3.0, 20, 24, damping=0.1)
    for y, x in ((0, 0), (5, 17), (19, 23)):
        weights = np.exp(-((points - [x, y]) ** 2).sum(1) / (2 * 3.0**2))
        np.testing.assert_allclose(field[y, x], weights @ values / (weights.sum() + 0.1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("peak", [1.0, 3.0, 10.0])
def test_the_largest_displacement_is_the_peak(face, peak):
    field = displacement_field(face, [Movement(6, "both", 0.7), Movement(12, "both", 1.0)], peak)
    assert length(field).max() == pytest.approx(peak, rel=1e-5)


@pytest.mark.parametrize("unit", sorted(ACTION_UNITS))
def test_a_unit_moves_its_own_points_most_and_as_the_table_says(face, unit):
    field = displacement_field(face, [Movement(unit, "both", 1.0)], 1.0)
    control = control_points(face.points_68x2)
    displacements = ACTION_UNITS[unit].displacements
    strongest = max(displacements, key=lambda name: np.hypot(*displacements[name]))
    lateral, down = displacements[strongest]
    side = "right" if (strongest, "right") in control else "middle"
    moved = at(field, control[strongest, side])
    assert moved @ [-lateral, down] / np.hypot(lateral, down) > 0.3
    assert moved @ [-lateral, down] / (np.linalg.norm(moved) * np.hypot(lateral, down)) > 0.8


@pytest.mark.parametrize("unit", sorted(ACTION_UNITS))
def test_background_jaw_corners_and_irises_stay(face, unit):
    field = displacement_field(face, [Movement(unit, "both", 1.0)], 1.0)
    outside = face_mask(face.points_68x2, HEIGHT, WIDTH) == 0
    assert outside.mean() > 0.3
    assert length(field)[outside].max() == 0
    for eye in (face.points_68x2[36:42].mean(0), face.points_68x2[42:48].mean(0)):
        assert np.linalg.norm(at(field, eye)) < 0.35


@pytest.mark.parametrize("unit", [1, 4, 10, 12, 15])
def test_a_left_sided_unit_moves_the_subjects_left_half_only(face, unit):
    """The subject's left is the image's right."""
    moved = length(displacement_field(face, [Movement(unit, "left", 1.0)], 1.0))
    middle = round(face.points_68x2[27, 0])
    assert moved[:, middle:].max() == pytest.approx(1, rel=1e-5)
    assert moved[:, : middle - round(0.15 * D)].max() < 0.15
    assert (moved[:, :middle] ** 2).sum() < 0.05 * (moved[:, middle:] ** 2).sum()


@pytest.mark.parametrize("unit", [2, 9, 14, 25])
def test_a_symmetric_face_moves_symmetrically(face, unit):
    field = displacement_field(face, [Movement(unit, "both", 1.0)], 1.0)
    mirrored = np.roll(field[:, ::-1], 1, axis=1) * [-1, 1]  # about x = WIDTH / 2
    # Pixels on the rounded outline and on the lip line may differ.
    assert np.quantile(np.abs(field - mirrored)[:, 1:], 0.999) < 0.02


def test_lips_part_along_the_line_between_them(face):
    """Neighbouring pixels above and below the line move apart, which no smooth field does."""
    field = displacement_field(face, [Movement(25, "both", 1.0)], 2.0)
    x, y = face.points_68x2[[62, 66]].mean(0).round().astype(int)
    assert field[y - 4, x, 1] < 0
    assert field[y + 4, x, 1] > 1


def test_fields_of_units_add_before_the_peak_is_set(face):
    one, two = Movement(1, "both", 1.0), Movement(12, "both", 0.6)
    together = displacement_field(face, [one, two], 1.0)
    apart = displacement_field(face, [one], 1.0)
    brow = face.points_68x2[21]
    ratio = at(together, brow)[1] / at(apart, brow)[1]
    np.testing.assert_allclose(together[:200] / ratio, apart[:200], atol=0.02)
