"""SOFTNet as a method: its labels, what it trains on, which folds train together, and its peaks against a plain loop."""

import numpy as np
import pytest
from scipy.signal import find_peaks
from support.made_motion import make_motion_store

from merjax.config import make_config
from merjax.methods.spotting import softnet
from merjax.methods.spotting.softnet import spots_of_scores
from merjax.methods.spotting.softnet_windows import trained_windows, varied, windows_of
from merjax.training.spotting_data import spotting_data_of

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "made"
    store = make_motion_store(path, subjects=3, videos=2, frames=240, gaps=((100, 104),), flows=(6,))
    return spotting_data_of(make_config({"data": {"store": str(store.path)}}).data)


def test_a_window_is_labelled_by_the_frames_that_it_shares_with_an_expression(data):
    windows = windows_of(data, "micro", 0.2)
    assert windows.k_N == (6,) * 6
    for v, start, target, usable in zip(
        windows.video_S, windows.start_S, windows.target_S, windows.usable_S, strict=True
    ):
        true = [t for t in data.videos[v].truth if t.kind == "micro"]
        own = set(range(start, start + 6))
        assert target == any(own & set(range(t.onset, t.offset + 1)) for t in true)
        assert usable == (set(range(start, start + 7)).isdisjoint(range(100, 105)))


def test_all_runs_draw_from_every_positive_in_all_forms_and_a_share_of_the_others(data):
    windows = windows_of(data, "micro", 0.2)
    config = make_config({"spotter.kept": 0.25})
    number_M, form_M = trained_windows(windows, "micro", config, np.random.default_rng(1))
    positive = np.flatnonzero(windows.target_S & windows.usable_S)
    of_positive = windows.target_S[number_M]
    assert sorted(number_M[of_positive]) == sorted(np.repeat(positive, 4))
    assert sorted(form_M[of_positive]) == sorted([0, 1, 2, 3] * len(positive))
    negatives = (~windows.target_S & windows.usable_S).sum()
    assert abs((~of_positive).sum() / negatives - 0.25) < 0.05
    assert len(set(number_M[~of_positive])) == (~of_positive).sum()
    once, forms = trained_windows(windows, "macro", config, np.random.default_rng(1))
    assert not forms.any()
    assert windows.usable_S[once].all()


def test_forms_of_a_picture_are_mirrored_blurred_and_noisy():
    picture = RNG.integers(0, 255, (42, 42, 3)).astype(np.uint8)
    plain, mirrored, blurred, noisy = (varied(picture, form, (0, 0)).astype(int) for form in range(4))
    np.testing.assert_array_equal(plain, picture)
    np.testing.assert_array_equal(mirrored, picture[:, ::-1])
    assert blurred.std() < 0.5 * plain.std()
    changed = (noisy - plain)[(plain > 80) & (plain < 175)]
    assert abs(changed.std() - 25.5) < 1.5


@pytest.mark.parametrize("p", [0.3, 0.55, 0.8])
def test_peaks_are_those_of_the_published_rule_for_every_p(p):
    k, scores = 5, np.convolve(RNG.normal(size=300), np.ones(9) / 9, "same")
    smooth = np.array([scores[i - k : i + k].mean() for i in range(k, len(scores) - k + 1)])
    threshold = smooth.mean() + p * (smooth.max() - smooth.mean())
    wanted, _ = find_peaks(smooth, height=threshold, distance=k)
    spots = [spot for spot in spots_of_scores(scores, k, 305, "micro") if spot.confidence >= p]
    centres = [int(peak) + k + k // 2 for peak in wanted]
    assert [(s.onset, s.offset) for s in spots] == [(max(0, c - k), min(304, c + k)) for c in centres]
    assert len(spots) > 0


def test_perfect_scores_find_an_expression_of_the_length_that_is_sought():
    onset, offset, k = 120, 131, 6
    start = np.arange(300 - k)
    (spot,) = spots_of_scores(((start <= offset) & (start + k > onset)).astype(float), k, 300, "micro")
    shared = min(spot.offset, offset) - max(spot.onset, onset) + 1
    assert shared / (max(spot.offset, offset) - min(spot.onset, onset) + 1) > 0.8


def test_nothing_is_found_in_scores_that_are_all_alike_or_too_few():
    assert spots_of_scores(np.zeros(100), 6, 106, "micro") == []
    assert spots_of_scores(RNG.normal(size=11), 6, 17, "micro") == []


def test_folds_with_one_k_train_together_and_the_plan_says_which(data):
    config = make_config({"method": "softnet"})
    assert {softnet.alike(data, config, fold) for fold in range(3)} == {("none", "micro 6 frames", "macro 22 frames")}
    shuffled = make_config({"method": "softnet", "control": "shuffle"})
    assert softnet.alike(data, shuffled, 0) != softnet.alike(data, config, 0)
    (said,) = softnet.windows_said(data, config)
    assert said == "k is micro 6 frames, macro 22 frames: 3 folds (made/s01, made/s02, made/s03)"
