"""Checkpoints on disk: what earlier versions wrote is used, and what does not fit is left out with a plain reason."""

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from support.small_stage import RUNS, samples, small_stage, stacked

from merjax.engine import Budget, Engine
from merjax.engine.checkpoints import Checkpoints
from merjax.system.signals import Interrupted

BUDGET = Budget(8, 6, snapshot_every=3)


def fitted(checkpoints=None, engine=None):
    engine = engine or Engine("map", 2, jax.devices()[:1])
    return engine.fit(small_stage(), stacked(RUNS), samples(), BUDGET, seed=3, checkpointer=checkpoints)


@pytest.fixture
def stopped(tmp_path):
    """A folder with the checkpoint of a training that was stopped after four of its six steps, one snapshot among them."""
    calls = iter([False, False, True])
    checkpoints = Checkpoints(tmp_path, "signature", 60, stopping=lambda: next(calls))
    with pytest.raises(Interrupted):
        fitted(checkpoints)
    checkpoints.close()
    return tmp_path


def test_the_names_of_a_checkpoints_arrays_stay(stopped):
    """A sweep that an earlier version began goes on, so these names must not change, whatever is called how in the code."""
    saved = ocp.StandardCheckpointer().metadata(stopped / "small" / "4" / "arrays").item_metadata.tree
    assert saved.keys() == {"state", "history"}
    assert saved["history"].keys() == {"loss", "probe"}
    assert saved["state"].keys() == {"variables", "opt_state", "step"}
    assert saved["state"]["variables"].keys() == {"params", "statistics"}


def test_a_training_goes_on_from_its_checkpoint_with_its_snapshots(stopped):
    warnings, steps = [], []
    checkpoints = Checkpoints(stopped, "signature", 60, lambda: steps.append(1) or False, warn=warnings.append)
    for one, other in zip(jax.tree.leaves(fitted()), jax.tree.leaves(fitted(checkpoints)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not warnings
    assert len(steps) == 1


def test_a_checkpoint_with_other_arrays_is_left_out_with_a_sentence(stopped):
    warnings = []
    checkpoints = Checkpoints(stopped, "signature", 60, warn=warnings.append)
    like = {"state": {"params": np.zeros(2)}, "history": {"loss": np.zeros(2)}}
    assert checkpoints.restore("small", like) is None
    (told,) = warnings
    assert "holds other arrays than this merjax keeps (history.probe); it is left out and kept as small-" in told
