"""A worker process: when it ends by itself."""

import os
import sys

import pytest

import merjax.sweeps.running.take_chunks
import merjax.system.jax_setup
from merjax.sweeps.running import worker


@pytest.mark.parametrize(("parent", "orphan"), [(os.getppid(), False), (2**22 + 1, True)], ids=["alive", "killed"])
def test_a_worker_stops_where_the_sweep_that_started_it_is_gone_even_if_it_was_killed_at_once(
    monkeypatch, tmp_path, parent, orphan
):
    asked = []
    monkeypatch.setattr(
        merjax.sweeps.running.take_chunks,
        "take_chunks",
        lambda folder, listener, stopping, *rest: asked.append(stopping()),
    )
    monkeypatch.setattr(merjax.system.jax_setup, "prepare_backend", lambda: None)
    monkeypatch.setattr(worker, "pass_on_warnings", lambda listener: None)
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path), "--parent", str(parent)])
    worker.main()
    assert asked == [orphan]
