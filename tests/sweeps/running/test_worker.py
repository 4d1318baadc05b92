"""A worker process: when it ends by itself."""

import os
import sys

import pytest

import merjax.sweeps.running.take_chunks
import merjax.system.jax_setup
from merjax.sweeps.running import worker
from merjax.sweeps.running.pool import _failure


@pytest.mark.parametrize(("parent", "orphan"), [(os.getppid(), False), (2**22 + 1, True)], ids=["alive", "killed"])
def test_a_worker_stops_where_the_sweep_that_started_it_is_gone_even_if_it_was_killed_at_once(
    monkeypatch, tmp_path, parent, orphan
):
    asked = []
    monkeypatch.setattr(
        merjax.sweeps.running.take_chunks,
        "take_chunks",
        lambda folder, listener, stopping, *rest, **named: asked.append(stopping()),
    )
    monkeypatch.setattr(merjax.system.jax_setup, "prepare_backend", lambda: None)
    monkeypatch.setattr(worker, "pass_on_warnings", lambda listener: None)
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path), "--parent", str(parent)])
    worker.main()
    assert asked == [orphan]


def test_a_workers_sentence_is_found_by_the_sweep_that_started_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(merjax.system.jax_setup, "prepare_backend", lambda: None)
    monkeypatch.setattr(worker, "pass_on_warnings", lambda listener: None)
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path / "none"), "--parent", "1"])
    with pytest.raises(SystemExit) as end:
        worker.main()
    (tmp_path / "log").write_text(capsys.readouterr().err)
    sentence = str(_failure(end.value.code, tmp_path / "log"))
    assert sentence.startswith(f"{tmp_path / 'none'} does not exist")
