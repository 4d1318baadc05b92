"""Devices exchange nothing, and what is sent to them for a step does not grow with the runs: said by the compiled programs."""

import re

import jax
import numpy as np
import pytest
from support.small_stage import RUNS, D, samples, small_stage, stacked

from merjax.engine import Engine
from merjax.engine.mapping import over_runs, split
from merjax.engine.stage import advance, start

COLLECTIVES = r"\b(all-reduce|all-gather|all-to-all|reduce-scatter|collective-\w+|send|recv|infeed|outfeed)\b"
STEPS, BATCH = 4, 8


@pytest.fixture(scope="module")
def programs():
    """The training program for two devices with one run each, and with two; and what a call sends to a device."""
    found = {}
    for runs in (2, 4):
        engine = Engine("vmap", STEPS, jax.devices()[:2])
        placed = split(stacked(RUNS[:runs]), 2)
        one = over_runs(lambda run: start(small_stage(), run), "vmap", 1)
        state = jax.eval_shape(jax.vmap(one), placed)
        batches = samples().batches(np.zeros((STEPS, BATCH), int))
        sent = batches, np.int32(0), np.int32(STEPS)
        program = engine.program(small_stage(), "advance", advance, 2, state, placed, *sent)
        kept = sum(np.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves((state, placed)))
        found[runs] = program, kept / 2
    return found


def test_the_program_has_no_collectives_and_no_talk_with_the_host(programs):
    for program, _ in programs.values():
        text = program.as_text()
        assert "fusion" in text or "dot" in text
        assert not re.findall(COLLECTIVES, text)


def test_what_is_sent_for_a_call_does_not_grow_with_runs(programs):
    """All arguments of a device, less the state and the runs' own numbers, which stay there from call to call."""
    sent = {runs: program.memory_analysis().argument_size_in_bytes - kept for runs, (program, kept) in programs.items()}
    batches = STEPS * BATCH * (D * 4 + 4)  # inputs and their units
    assert sent[2] == sent[4] == batches + 2 * 4  # and which steps to take


def test_what_comes_back_of_a_step_is_one_number_per_metric_and_run(programs):
    """The state is written over its predecessor and stays."""
    memory = {runs: program.memory_analysis() for runs, (program, _) in programs.items()}
    back = {runs: own.output_size_in_bytes - own.alias_size_in_bytes for runs, own in memory.items()}
    assert back[4] - back[2] == len(small_stage().metrics) * STEPS * 4  # of one run more on each device
