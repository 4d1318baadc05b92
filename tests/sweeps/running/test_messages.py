"""The calls of a worker's listener reach the listener of the process that started it unchanged."""

import json

import numpy as np
from support.recorded import Recorded
from support.small_experiment import small_plan, use_small_experiment

from merjax.engine import Progress
from merjax.sweeps.running.listener import Listeners
from merjax.sweeps.running.messages import MessageWriter, pass_on


def test_what_is_told_comes_out_as_it_went_in_but_for_the_curves(capsys, monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    plan, told, found = small_plan(seeds=2), Recorded(), Recorded()
    both = Listeners(MessageWriter(), told)
    call = Progress("spatial", 6, 12, 4, (0.25, 1.5), 3.0, 1, inner=True)
    both.called(plan.chunks[1], call._replace(history={"loss": np.zeros((4, 6))}))
    both.finished(plan.chunks[0])
    both.warned("a checkpoint [old] cannot be read\nreally")
    both.waiting(2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for line in lines:
        pass_on(line + "\n", plan, found)
    assert found.told == [("called", 1, call._replace(history={})), *told.told[1:]]


def test_all_runs_diverged_is_a_message_too(capsys, monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    plan, found = small_plan(), Recorded()
    MessageWriter().called(plan.chunks[0], Progress("spatial", 6, 12, 4, (float("nan"), float("nan")), 3.0, 4))
    pass_on(capsys.readouterr().out, plan, found)
    ((_, _, progress),) = found.told
    assert np.isnan(progress.loss).all()


def test_what_a_library_prints_is_a_warning(monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    plan, found = small_plan(), Recorded()
    printed = ["a library's banner", "3", json.dumps({"loss": 1})]
    for line in printed:
        pass_on(line + "\n", plan, found)
    assert found.told == [("warned", line) for line in printed]
