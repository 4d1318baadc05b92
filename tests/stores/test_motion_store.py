"""A motion store gives what was written, with nothing reaching across a gap, and tells what is damaged."""

import json

import numpy as np
import pytest
from support.made_motion import make_motion_store

from merjax.datasets.long_videos import TrueInterval
from merjax.faces.region_motion import PLACES
from merjax.faces.softnet_pictures import SHAPE
from merjax.stores import motion_store
from merjax.stores.motion_health import examine_motion_store
from merjax.stores.motion_store import MARKER, between, open_motion_store
from merjax.stores.motion_writing import close_motion_store, video_hash, write_arrays
from merjax.system.errors import MerjaxError

GAPS = ((20, 24), (60, 60))


@pytest.fixture
def store(tmp_path):
    return make_motion_store(tmp_path / "store", subjects=1, videos=2, frames=90, kinds=("micro",), gaps=GAPS)


def test_what_lies_between_stretches():
    assert between([], 5) == ((0, 4),)
    assert between(GAPS, 90) == ((0, 19), (25, 59), (61, 89))
    assert between([(0, 3), (8, 9)], 10) == ((4, 7),)
    assert between([(0, 9)], 10) == ()


@pytest.mark.parametrize("seconds", [0.1, 0.3])
def test_motion_is_that_since_an_earlier_frame_of_the_same_stretch(store, seconds):
    video, lag = store.videos[0], round(30 * seconds)
    summed = np.load(store.path / video.folder / "regions.npy")
    expected = np.zeros_like(summed)
    for t in range(lag, 90):
        if not any(first <= t and t - lag <= last for first, last in GAPS):
            expected[t] = summed[t] - summed[t - lag]
    np.testing.assert_array_equal(store.motion(video, seconds), expected)
    assert np.abs(expected).max() > 0


@pytest.mark.parametrize("from_rest", [False, True])
def test_windows_hold_motion_by_part_and_none_lies_across_a_gap(store, from_rest):
    video, row = store.videos[0], 0
    moved = np.load(store.path / video.folder / "signals.npy").astype(float)
    for window in store.windows(video, from_rest=from_rest):
        length = len(window.motion["brow"][0])
        assert not any(window.first <= last and first < window.first + length for first, last in GAPS)
        own = moved[row : row + length]
        own = own - np.median(own, axis=0) if from_rest else own
        for place, signal in enumerate(s for part in ("brow", "mouth", "nose") for s in window.motion[part]):
            np.testing.assert_allclose(signal, np.hypot(own[:, place, 0], own[:, place, 1]))
        np.testing.assert_allclose(np.transpose(window.motion["lid"]), own[:, 16:, 1])
        row += length
    assert row == len(moved) == 90 - 6
    assert [place.part for place in PLACES] == ["brow"] * 8 + ["mouth"] * 6 + ["nose"] * 2 + ["lid"] * 2


def test_pictures_of_flow_are_computed_once_and_are_0_where_a_gap_is_between(store, monkeypatch):
    video, k = store.videos[0], 6
    crops, points = store.array(video, "crops"), store.stretches(video)[0].points

    def picture(first, second, landmarks):
        np.testing.assert_array_equal(landmarks, points)
        return np.full(SHAPE, 1 + (first.astype(int).sum() + 3 * second.astype(int).sum()) % 250)

    monkeypatch.setattr(motion_store, "softnet_picture", picture)
    flow = store.flow(video, k)
    for t in range(90 - k):
        across = any(first <= t + k and t <= last for first, last in GAPS)
        np.testing.assert_array_equal(flow[t], 0 if across else picture(crops[t], crops[t + k], points))
    monkeypatch.setattr(motion_store, "softnet_picture", None)
    np.testing.assert_array_equal(store.flow(video, k), flow)
    assert flow.shape == (90 - k, 42, 42, 3)
    assert store.flow(video, 200).shape == (0, 42, 42, 3)


def test_differences_are_those_of_the_frames_around_where_these_are_of_one_stretch(store, monkeypatch):
    video, k = store.videos[0], 4
    crops = [crop.tobytes() for crop in store.array(video, "crops")]
    monkeypatch.setattr(motion_store, "dense_flow", lambda first, second: (first.tobytes(), second.tobytes()))
    monkeypatch.setattr(motion_store, "main_difference", lambda to, past: len({*to, *past}) + 10 * crops.index(past[1]))
    difference_T = store.differences(video, k)
    for t in range(90):
        inside = any(first + k <= t <= last - k for first, last, _ in store.stretches(video))
        expected = len({crops[t - k], crops[t], crops[t + k]}) + 10 * crops.index(crops[t + k]) if inside else np.nan
        np.testing.assert_equal(difference_T[t], expected)


def test_truth_is_told_in_the_videos_own_frames_and_in_stored_ones(tmp_path):
    """Every 7th frame of a video is stored."""
    made = make_motion_store(tmp_path / "made", subjects=1, videos=1, frames=40, kinds=())
    video = made.videos[0].__class__(
        *(
            "made",
            "s01",
            "01",
            200 / 7,
            40,
            (TrueInterval(70, 90, 104, "micro", ""), TrueInterval(0, None, 400, "macro", "")),
        ),
        *((), made.videos[0].folder),
    )
    folder = made.path / video.folder
    write_arrays(folder, {"numbers": np.arange(0, 280, 7)})
    close_motion_store(made.path, [video], [video_hash(folder)], {}, statement="")
    store = open_motion_store(made.path)
    assert store.videos[0].truth == video.truth
    # frame 104 is shown by stored frame 14 (98), frame 400 is after the last one
    assert store.truth(store.videos[0]) == (
        TrueInterval(10, 12, 14, "micro", ""),
        TrueInterval(0, None, 39, "macro", ""),
    )


def test_the_hash_tells_content_and_not_order(tmp_path):
    one = make_motion_store(tmp_path / "one", frames=60, kinds=("micro",), subjects=1)
    again = make_motion_store(tmp_path / "again", frames=60, kinds=("micro",), subjects=1)
    other = make_motion_store(tmp_path / "other", frames=60, kinds=("micro",), subjects=1, seed=1)
    assert one.hash == again.hash != other.hash
    hashes = [video_hash(one.path / video.folder) for video in one.videos]
    close_motion_store(one.path, one.videos[::-1], hashes[::-1], one.settings, statement="")
    assert open_motion_store(one.path).hash == again.hash


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: (path / MARKER).unlink(), "is not a finished motion store"),
        (lambda path: (path / MARKER).write_text("{"), "is damaged"),
        (lambda path: (path / MARKER).write_text('{"format": 9}'), "is a motion store of format 9"),
        (lambda path: (path / MARKER).write_text('{"format": 1}'), "is damaged"),
    ],
)
def test_a_folder_that_is_no_store_is_refused_with_what_to_do(store, damage, sentence):
    damage(store.path)
    with pytest.raises(MerjaxError, match=sentence) as refused:
        open_motion_store(store.path)
    assert "prepare" in str(refused.value)


def test_the_doctor_finds_a_whole_store_whole_and_names_what_is_damaged(store):
    def said():
        return {finding.what: finding for finding in examine_motion_store(store.path)}

    assert not any(finding.fails for finding in said().values())
    assert said()["motion store"].found == "2 videos of 1 subjects, 0 dropped"
    regions = store.path / store.videos[1].folder / "regions.npy"
    array = np.load(regions)
    np.save(regions, array + 1)
    assert "but the store was made with" in said()["hash"].found
    np.save(regions, array[:, :3])
    assert "regions.npy" in said()[store.videos[1].name].found
    np.save(regions, array)
    meta = json.loads((store.path / MARKER).read_text())
    meta["videos"][0]["fps"] = 31.0
    (store.path / MARKER).write_text(json.dumps(meta))
    assert said()[MARKER].fails
    (store.path / MARKER).unlink()
    assert said()["motion store"].fails
