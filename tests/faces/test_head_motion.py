"""The head's motion from landmarks: exact on exact points, hardly changed by noise, and removed from the crops."""

import cv2
import numpy as np
import pytest

from merjax.faces import landmarks
from merjax.faces.crops import cut, region_boxes
from merjax.faces.head_motion import STABLE, head_motion, similarity, smoothed
from merjax.faces.regions import REGIONS
from merjax.synthesis import default_portraits
from merjax.synthesis.movements import Movement
from merjax.synthesis.portraits import read_face
from merjax.synthesis.rendering import Camera, Script, render

FPS = 200.0
FRAMES, APEX = 70, 40


def motion(scale: float, degrees: float, shift, centre=(320.0, 240.0)) -> np.ndarray:
    """A similarity about a centre as a 2 x 3 matrix."""
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, np.asarray(centre) - turn @ centre + shift])


def head_movement() -> np.ndarray:
    """A head that turns, comes nearer and shifts by several pixels within the clip; it moves in every frame after the first."""
    t = np.arange(FRAMES) / FPS
    turn, near = 2 * np.sin(2 * np.pi * 0.8 * t), 1 + 0.02 * np.sin(2 * np.pi * 0.6 * t)
    shift = np.stack([6 * np.sin(2 * np.pi * 0.7 * t), -4 * t / t[-1]], 1)
    return np.array([motion(*m) for m in zip(near, turn, shift, strict=True)])


def moved(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Points by each of the matrices, T x N x 2."""
    return np.column_stack([points, np.ones(len(points))]) @ matrices.transpose(0, 2, 1)


def test_a_similarity_is_found_exactly_and_one_stray_point_does_not_bend_it():
    points = np.random.default_rng(0).normal(size=(6, 2)) * 40
    truth = motion(1.03, 4, (3, -2), centre=(0, 0))
    target = moved(points, truth[None])[0]
    expected = [truth[0, 0], truth[1, 0], 3, -2]
    np.testing.assert_allclose(similarity(points, target), expected, atol=1e-9)
    target[2] += (0, 12)
    np.testing.assert_allclose(similarity(points, target), expected, atol=0.01)


def test_smoothing_passes_parabolas_and_stills_noise():
    t = np.arange(90.0)[:, None]
    parabola = 3 + 0.4 * t - 0.01 * t**2
    np.testing.assert_allclose(smoothed(parabola, 20.0), parabola, atol=1e-8)
    noise = np.random.default_rng(1).normal(size=(90, 500))
    # against the plain formula: the middle's weights times the noise
    offset = (np.arange(90) - 45) / 20.0
    design = np.stack([np.ones(90), offset, offset**2], 1)
    weight = np.exp(-0.5 * offset**2)
    kernel = np.linalg.solve(design.T @ (weight[:, None] * design), design.T * weight)[0]
    np.testing.assert_allclose(smoothed(noise, 20.0)[45], kernel @ noise, atol=1e-9)
    assert smoothed(noise, 20.0)[45].std() < 0.2


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_shortest_clips_are_smoothed_too(frames):
    series = np.random.default_rng(frames).normal(size=(frames, 4))
    np.testing.assert_allclose(smoothed(series, 20.0), series, atol=1e-8)


def test_head_motion_is_that_of_the_points_and_still_in_the_first_frame():
    face = np.random.default_rng(2).uniform(200, 400, (68, 2))
    truth = head_movement()
    points = moved(face, truth)
    found = head_motion(points, FPS)
    np.testing.assert_allclose(found[0], np.eye(3)[:2], atol=1e-9)
    assert np.abs(moved(face, found) - points).max() < 0.15
    trembling = points + np.random.default_rng(3).normal(size=points.shape) * 0.17
    assert np.linalg.norm(moved(face, head_motion(trembling, FPS)) - points, axis=-1).mean() < 0.3


def test_a_fast_motion_of_points_that_expressions_move_is_not_the_heads():
    face = np.random.default_rng(4).uniform(200, 400, (68, 2))
    points = np.repeat(face[None], FRAMES, 0)
    others = [i for i in range(68) if i not in STABLE]
    points[:, others] += 5 * np.sin(np.arange(FRAMES) / 10)[:, None, None]
    np.testing.assert_allclose(head_motion(points, FPS), np.tile(np.eye(3)[:2], (FRAMES, 1, 1)), atol=1e-9)


@pytest.fixture(scope="module")
def clip() -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """A smile of 2 px on a still head, the same smile on a moving head, and the motion of that head."""
    face = read_face(default_portraits()[-1], landmarks.find_model())
    script = Script((Movement(12, "both", 1.0),), 2.0, FRAMES, 8, APEX, 64, FPS)
    frames = render(face, script, Camera(1.5, 0.0, 0.0), np.random.default_rng(3))
    still = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames]
    truth = head_movement()
    border = {"flags": cv2.INTER_LANCZOS4, "borderMode": cv2.BORDER_REPLICATE}
    moving = [cv2.warpAffine(f, m, f.shape[::-1], **border) for f, m in zip(still, truth, strict=True)]
    return still, moving, truth


def flow(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(one, other, None)


def test_alignment_takes_the_heads_motion_out_of_the_crops_and_leaves_the_expression(clip):
    still, moving, _ = clip
    model = landmarks.find_model()
    boxes = region_boxes(landmarks.detect(still[0], model))
    warp = head_motion(landmarks.track(moving, landmarks.find_face(moving[0], model), model), FPS)[APEX]
    for region in REGIONS:
        box = boxes[region.name]
        onset = cut(still[0], region, box)
        truth = flow(onset, cut(still[APEX], region, box))
        aligned = flow(onset, cut(moving[APEX], region, box, warp))
        plain = flow(onset, cut(moving[APEX], region, box))
        error, without = (np.linalg.norm(f - truth, axis=-1).mean() for f in (aligned, plain))
        assert without > 2.5, region.name
        assert error < 0.4, region.name
        if region.name == "mouth":  # the smile itself: more than a pixel, and in the same places
            size = np.linalg.norm(truth, axis=-1)
            assert size.mean() > 0.7
            assert np.corrcoef(truth.ravel(), aligned.ravel())[0, 1] > 0.9


def test_tracked_points_follow_a_shift_without_lag(clip):
    still, *_ = clip
    model = landmarks.find_model()
    shifts = (0, 2, 4, 8)
    frames = [np.roll(still[0], s, axis=1) for s in shifts]
    points = landmarks.track(frames, landmarks.find_face(frames[0], model), model)
    seen = (points - points[0])[:, STABLE].mean(1)
    np.testing.assert_allclose(seen[:, 0], shifts, atol=0.4)
    np.testing.assert_allclose(seen[:, 1], 0, atol=0.4)
