"""What spotters need of a motion store, computed before they train."""

import numpy as np
import pytest
from support.made_motion import make_motion_store

from merjax.stores import kept_motion
from merjax.stores.kept_motion import Needed, keep_motion, lacking
from merjax.stores.motion_store import open_motion_store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_motion.worker_processes, "spread", lambda work, tasks, workers: map(work, tasks))
    return make_motion_store(tmp_path / "made", subjects=1, videos=2, frames=70, kinds=("micro",), flows=(6,))


def test_what_is_there_is_not_computed_again_and_what_is_not_is_what_the_store_gives(store, tmp_path):
    needed = {Needed(0, "flow", 6), Needed(1, "flow", 60), Needed(0, "difference", 30)}
    left = lacking(store, needed)
    assert left == [Needed(0, "difference", 30), Needed(1, "flow", 60)]
    heard = []
    keep_motion(store, left, 1, lambda done, total: heard.append((done, total)))
    assert heard == [(0, 2), (1, 2), (2, 2)]
    assert lacking(store, needed) == []
    fresh = open_motion_store(store.path)
    path = store.path / store.videos[1].folder / "flow_60.npy"
    kept = np.load(path)
    path.unlink()
    np.testing.assert_array_equal(kept, fresh.flow(fresh.videos[1], 60))
