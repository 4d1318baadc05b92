"""Handcrafted descriptors on inputs whose answer is known."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from merjax.faces.flow import dense_flow, optical_strain
from merjax.methods.handcrafted import features
from merjax.methods.handcrafted.directions import BINS, bi_woof, block_orientations, hoof, main_regions, mdmo
from merjax.methods.handcrafted.features import DESCRIPTORS, clip_features, read_face_clip
from merjax.methods.handcrafted.lbp_top import interpolated, lbp_top
from merjax.stores.store import open_store
from merjax.system.errors import MerjaxError

SIDE = 60


def uniform(u, v, side=SIDE):
    return np.full((side, side, 2), (u, v), np.float32)


def patterns_by_hand(volume, radii, blocks):
    """LBP-TOP as a plain loop over pixels."""
    rx, ry, rt = radii
    frames, height, width = volume.shape
    inner = (range(rt, frames - rt), range(ry, height - ry), range(rx, width - rx))
    planes = (((0, 0, rx), (0, 0, -rx), (0, ry, 0), (0, -ry, 0)), ((0, 0, rx), (0, 0, -rx), (rt, 0, 0), (-rt, 0, 0)),
              ((0, ry, 0), (0, -ry, 0), (rt, 0, 0), (-rt, 0, 0)))  # fmt: skip
    counts = np.zeros((blocks, blocks, 3, 16))
    for t in inner[0]:
        for i, y in enumerate(inner[1]):
            for j, x in enumerate(inner[2]):
                place = i * blocks // len(inner[1]), j * blocks // len(inner[2])
                for plane, moves in enumerate(planes):
                    bits = [volume[t + a, y + b, x + c] >= volume[t, y, x] for a, b, c in moves]
                    counts[(*place, plane, sum(2**k for k, bit in enumerate(bits) if bit))] += 1
    return (counts / counts.sum(-1, keepdims=True)).ravel()


def test_lbp_top_is_that_of_a_plain_loop():
    volume = np.random.default_rng(0).integers(0, 9, (10, 14, 13), np.uint8)
    found = lbp_top(volume, blocks=3, radii=(2, 1, 4))
    np.testing.assert_allclose(found, patterns_by_hand(volume.astype(float), (2, 1, 4), 3))
    assert lbp_top(np.zeros((12, 40, 40), np.uint8)).shape == (5 * 5 * 3 * 16,)


def test_clips_are_interpolated_in_time():
    ramp = np.arange(0, 90, 10, np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    np.testing.assert_allclose(interpolated(ramp, 17)[:, 0, 0], np.arange(0, 81, 5))
    np.testing.assert_allclose(interpolated(ramp[:1], 4)[:, 0, 0], 0)


def test_a_moving_grating_shows_in_its_plane_alone():
    """Bars that move along x change patterns in XT; if they do not move, XT's time neighbours equal the pixel."""
    t, _, x = np.mgrid[:10, :30, :30]
    standing = (100 + 50 * np.sin(2 * np.pi * x / 8)).astype(np.uint8)
    moving = (100 + 50 * np.sin(2 * np.pi * (x - t) / 8)).astype(np.uint8)
    still, moved = (lbp_top(v, blocks=1).reshape(3, 16) for v in (standing, moving))
    time_bits = [code for code in range(16) if code & 0b1100 == 0b1100]
    assert still[1, time_bits].sum() == pytest.approx(1)
    assert moved[1, time_bits].sum() < 0.8
    np.testing.assert_allclose(still[0], moved[0], atol=0.06)  # in XY the same bars
    assert np.abs(still[1] - moved[1]).sum() > 0.5
    turned = lbp_top(moving.transpose(0, 2, 1), blocks=1).reshape(3, 16)
    np.testing.assert_allclose(turned[2], moved[1])  # along y, YT sees what XT saw


def test_a_texture_shifted_in_time_keeps_its_histograms():
    """A texture that repeats after T frames has the same patterns if it starts at another frame."""
    rng = np.random.default_rng(0)
    still = np.repeat(rng.integers(0, 255, (1, 25, 25), np.uint8), 10, 0)
    np.testing.assert_array_equal(lbp_top(still), lbp_top(np.roll(still, 3, 0)))
    brighter = (still // 2 + 100).astype(np.uint8)
    np.testing.assert_array_equal(lbp_top(still // 2), lbp_top(brighter))  # only comparisons count


@pytest.mark.parametrize("bin_number", range(BINS))
def test_one_direction_fills_one_bin(bin_number):
    angle = bin_number * np.pi / 4 + 0.2
    flow = uniform(2 * np.cos(angle), 2 * np.sin(angle))
    shares = hoof(flow).reshape(25, BINS)
    np.testing.assert_allclose(shares[:, bin_number], 1 / 25, rtol=1e-5)
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-5)


def test_a_rotation_fills_all_bins_alike_and_opposite_corners_oppositely():
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    flow = np.dstack([-y, x]).astype(np.float32)  # clockwise as the image is seen
    whole = block_orientations(flow, 1)[0]
    np.testing.assert_allclose(whole[::2], whole[0], rtol=0.02)
    np.testing.assert_allclose(whole[1::2], whole[1], rtol=0.02)
    blocks = block_orientations(flow, 5).reshape(5, 5, BINS)
    np.testing.assert_array_equal(
        [blocks[0, 0].argmax(), blocks[0, 4].argmax(), blocks[4, 4].argmax(), blocks[4, 0].argmax()], [7, 1, 3, 5]
    )
    np.testing.assert_allclose(np.roll(blocks[0, 0], 4), blocks[4, 4], rtol=1e-4)


def test_hoof_weighs_by_length_and_forgets_the_unit():
    flow = uniform(1, 0)
    flow[:, SIDE // 2 :] = (0, 3)
    np.testing.assert_allclose(block_orientations(flow, 1)[0, [0, 2]], [SIDE**2 / 2, 3 * SIDE**2 / 2], rtol=1e-5)
    np.testing.assert_allclose(hoof(flow), hoof(5 * flow), rtol=1e-5)
    assert not hoof(0 * flow).any()


def test_bi_woof_weighs_blocks_by_strain():
    """A shift has no strain and so no weight; a stretch beside it takes all the weight."""
    _, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    flow = uniform(1, 0)
    flow[:, 24:] = np.dstack([1 + 0.1 * (x - 24), 0 * x])[:, 24:]
    shares = bi_woof(flow).reshape(5, 5, BINS)
    assert shares[:, 0].sum() == 0
    assert shares[:, 3:].sum() > 0.5
    strain = optical_strain(flow).reshape(5, 12, 5, 12).mean((1, 3))
    expected = block_orientations(flow).reshape(5, 5, BINS) * strain[..., None]
    np.testing.assert_allclose(shares, expected / expected.sum(), rtol=1e-4)


def test_mdmo_takes_the_mean_of_the_fullest_direction():
    regions = np.zeros((SIDE, SIDE), int)
    regions[:, 30:] = 1
    regions[:5] = -1
    flow = uniform(2, 0.2)
    flow[:20, :30] = (0, -9)  # the smaller part of region 0, however long
    flow[:, 30:] = (0, 1)
    flow[:5] = (50, 50)
    found = mdmo([flow, flow], regions, 2).reshape(2, 2)
    longest = np.hypot(2, 0.2)
    np.testing.assert_allclose(found, [[2 / longest, 0.2 / longest], [0, 1 / longest]], rtol=1e-5)
    opposite = mdmo([flow, -flow], regions, 2)
    np.testing.assert_allclose(opposite, 0, atol=1e-6)


def test_the_face_has_36_regions_and_mirrored_faces_mirrored_ones(small_store):
    points = read_face_clip(open_store(small_store), 0).points_68x2
    regions = main_regions(points, (160, 160))
    assert set(np.unique(regions)) == set(range(-1, 36))
    assert np.bincount(regions[regions >= 0]).min() > 20
    assert (regions[:5, :5] == -1).all()
    x, y = points[[30, 8]].round().astype(int).T
    assert (regions[y, x] >= 0).all()
    assert regions[y[0], x[0]] != regions[y[1], x[1]]


@pytest.fixture
def store(small_store, tmp_path):
    return open_store(shutil.copytree(small_store, tmp_path / "store"))


def test_features_are_computed_once_and_kept(store, monkeypatch):
    monkeypatch.setattr(features, "_BLOCK", 2)
    calls = []
    monkeypatch.setitem(DESCRIPTORS, "hoof", lambda clip: calls.append(clip.target) or hoof_of(clip))
    first = clip_features(store, "hoof")
    assert len(calls) == len(store.index)
    np.testing.assert_array_equal(clip_features(store, "hoof"), first)
    assert len(calls) == len(store.index)
    expected = hoof_of(read_face_clip(store, 7))
    np.testing.assert_allclose(first[7], expected, rtol=1e-6)
    other = replace(store, meta=store.meta | {"hash": "other"})
    clip_features(other, "hoof")
    assert len(calls) == 2 * len(store.index)


def hoof_of(clip):
    return hoof(dense_flow(clip.faces_TxHxW[0], clip.faces_TxHxW[clip.target]))


@pytest.mark.parametrize(("method", "size"), [("lbp_top", 1200), ("hoof", 200), ("bi_woof", 200), ("mdmo", 72)])
def test_every_descriptor_of_a_made_clip_is_finite(store, method, size):
    feature = DESCRIPTORS[method](read_face_clip(store, 4))
    assert feature.shape == (size,)
    assert np.isfinite(feature).all()
    assert feature.any()


def test_a_store_without_frames_is_refused(store):
    with pytest.raises(MerjaxError, match="no frames, but hoof"):
        clip_features(replace(store, crops={}), "hoof")
