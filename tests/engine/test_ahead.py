"""Programs that are compiled before they are needed, by several processes in turns."""

from contextlib import contextmanager

import jax
import numpy as np
import pytest
from support.small_stage import RUNS, make_run, samples, small_stage, stacked

from merjax.engine import Budget, Engine, Samples, StageJob, train, walk
from merjax.engine.ahead import Ahead

JOB = StageJob(small_stage(), stacked(RUNS), samples(), Budget(8, 11, snapshot_every=3))
FEW = JOB._replace(drawn=Samples(np.arange(5), samples().gather), budget=Budget(4, 2))


def two_stages():
    """The second stage has as many units as the first one's outputs have samples."""
    first = yield JOB
    weight_N = np.ones(first.outputs.shape[1], np.float32)
    again = [make_run(i)._replace(weight_N=weight_N) for i in range(2)]
    second = yield FEW._replace(stage=small_stage()._replace(name="second"), runs=stacked(again))
    return first, second


class Others:
    """What other processes have claimed; it is theirs until this one waits for it."""

    def __init__(self, *programs: str) -> None:
        self.theirs, self.asked = set(programs), []

    @contextmanager
    def claim(self, name, wait):
        program = name.rpartition("-")[0]
        self.asked.append((program, wait))
        yield wait or program not in self.theirs


@pytest.mark.parametrize("devices", [1, 2])
def test_what_was_compiled_ahead_is_all_that_training_needs(monkeypatch, devices):
    engine = Engine("map", 4, jax.devices()[:devices])
    ahead = Ahead(engine, Others("small-advance", "second-apply").claim)
    blank = walk(two_stages(), ahead)
    ahead.finish()
    monkeypatch.setattr(Engine, "lowered", lambda *args: pytest.fail("a program was not compiled ahead"))
    trained = walk(two_stages(), train(engine, 3))
    for zeros, result in zip(blank, trained, strict=True):
        kinds = [jax.tree.map(lambda x: (x.shape, x.dtype), tuple(one[:2])) for one in (zeros, result)]
        assert kinds[0] == kinds[1]
        assert not any(np.asarray(x).any() for x in jax.tree.leaves(zeros[:2]))


def test_a_program_that_another_process_has_is_compiled_last_and_waited_for():
    engine, others = Engine("map", 4, jax.devices()[:1]), Others("small-start", "small-advance")
    ahead = Ahead(engine, others.claim)
    ahead(JOB)
    assert [name for _, name, _ in engine.programs] == ["apply"]
    ahead.finish()
    assert [name for _, name, _ in engine.programs] == ["apply", "start", "advance"]
    names = ["small-start", "small-advance", "small-apply"]
    assert others.asked == [*((name, False) for name in names), *((name, True) for name in names[:2])]
    ahead.finish()
    assert len(others.asked) == 5


def test_a_program_has_one_name_in_all_processes_and_other_shapes_have_another():
    def names(job):
        found = []

        @contextmanager
        def claim(name, wait):
            found.append(name)
            yield False

        Ahead(Engine("map", 4, jax.devices()[:1]), claim)(job)
        return found

    assert names(JOB) == names(JOB._replace(runs=stacked(RUNS[::-1])))
    assert not set(names(JOB)) & set(names(JOB._replace(runs=stacked(RUNS[:2]))))
