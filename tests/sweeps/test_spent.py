"""What the training of each trial took, also where trials share a stage."""

import math
from dataclasses import replace

import pytest
from support.fake_runs import small_clips, write_fake_run

from merjax.sweeps.chunks import Chunk, SharedStage
from merjax.sweeps.provenance import note_sitting
from merjax.sweeps.result import open_sweep
from merjax.sweeps.spent import spent_on_trials


@pytest.fixture
def result(tmp_path):
    """Two trials of four runs each, in chunks of four; the second chunk is the second trial's."""
    return open_sweep(write_fake_run(tmp_path / "r", clips=small_clips(("casme2",)), chunk_runs=4))


def test_a_chunks_seconds_are_its_trials(result):
    assert all(math.isnan(own.seconds) and own.jobs == 4 for own in spent_on_trials(result).values())
    for chunk, seconds in zip(result.plan.chunks, (40.0, 8.0), strict=True):
        note_sitting(result.folder, chunk, seconds)
    assert spent_on_trials(result) == {"focal": (40.0, 4), "cross-entropy": (8.0, 4)}


def test_a_shared_stage_counts_in_part_for_each_run_that_takes_what_it_gives(result):
    shared = Chunk(
        2, 0, 0, ((0, 0), (0, 1), (0, 2), (0, 3)), 4, shared=SharedStage("spatial", False, ("a", "b", "c", "d"))
    )
    chunks = tuple(chunk._replace(needs=(2,)) for chunk in result.plan.chunks)
    together = replace(result, plan=replace(result.plan, chunks=chunks, stages=(shared,)))
    for chunk, seconds in zip((*chunks, shared), (40.0, 8.0, 100.0), strict=True):
        note_sitting(result.folder, chunk, seconds)
    spent = spent_on_trials(together)
    assert spent == {"focal": (90.0, 6), "cross-entropy": (58.0, 6)}
    assert sum(own.seconds for own in spent.values()) == 148  # all that was trained, once
