"""Frame selection."""

import numpy as np
import pandas as pd
import pytest

from merjax.config import make_config
from merjax.system.errors import MerjaxError
from merjax.training.frames import counted_at, select_frames


def index(n_frames=41, fps=200.0, onset=100, apex=118) -> pd.DataFrame:
    row = {"database": "casme2", "subject": "sub01", "clip": "EP01", "n_frames": n_frames, "fps": fps, "onset": onset}
    return pd.DataFrame([row | {"apex": apex}]).astype({"apex": "Int64"})


def test_all_is_every_frame():
    np.testing.assert_array_equal(select_frames("all", index())[0], np.arange(41))


def test_count_is_uniform_from_onset_to_offset():
    np.testing.assert_array_equal(select_frames("count:5", index())[0], [0, 10, 20, 30, 40])
    np.testing.assert_array_equal(select_frames("count: 9", index(n_frames=3))[0], [0, 1, 2])


def test_fps_equalises_databases():
    """A clip of 0.2 s gives the same instants, whichever camera took it."""
    fast = select_frames("fps:50", index(n_frames=41, fps=200))[0] / 200
    slow = select_frames("fps:50", index(n_frames=21, fps=100))[0] / 100
    np.testing.assert_allclose(fast, slow)


def test_apex_window_is_centred_and_stays_inside():
    np.testing.assert_array_equal(select_frames("apex:5", index())[0], np.arange(16, 21))
    np.testing.assert_array_equal(select_frames("apex:5", index(apex=100))[0], np.arange(5))
    np.testing.assert_array_equal(select_frames("apex:5", index(apex=140))[0], np.arange(36, 41))
    np.testing.assert_array_equal(select_frames("apex:9", index(n_frames=4, apex=101))[0], np.arange(4))


@pytest.mark.parametrize("spec", ["each", "count", "count:0", "count:2.5", "apex:x", "all:3", ""])
def test_other_specs_are_refused_with_what_to_write(spec):
    with pytest.raises(MerjaxError, match="count:8"):
        select_frames(spec, index())


def test_impossible_requests_name_the_clip():
    with pytest.raises(MerjaxError, match="casme2/sub01/EP01 has no apex"):
        select_frames("apex:5", index(apex=None))
    with pytest.raises(MerjaxError, match="casme2/sub01/EP01 has 25 fps"):
        select_frames("fps:50", index(fps=25.0))


def test_an_apex_among_skipped_numbers_is_the_frame_that_it_is_in():
    """Frames 100, 103, 104, 105 and 106: the apex 104 is the third frame, not the fifth."""
    skipped = index(n_frames=5, onset=100, apex=104).assign(skipped=2)
    assert select_frames("apex:1", skipped)[0].tolist() == [2]
    assert select_frames("apex:1", index(n_frames=5, onset=100, apex=104))[0].tolist() == [4]


@pytest.mark.parametrize(
    ("settings", "counting"),
    [
        (["data.frames=count:8"], "data.frames: count:8"),
        (["data.frames=apex:9"], "data.frames: apex:9"),
        (["temporal.length=50"], "temporal.length: 50"),
        (["data.frames=fps:30", "temporal.length=50"], ""),
        ([], ""),
    ],
)
def test_a_setting_that_counts_frames_is_named_where_frame_rates_are_far_apart(settings, counting):
    config = make_config(*settings)
    mixed = pd.concat([index(fps=fps) for fps in (200.0, 30.0, 100.0, 30.0)])
    assert counted_at(config, mixed) == (((30.0, 100.0, 200.0), counting) if counting else ((), ""))
    assert counted_at(config, pd.concat([index(fps=100.0), index(fps=200.0)])) == ((), "")
