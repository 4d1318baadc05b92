"""A method's stages as data: the order in which they are visited, and what is passed in both directions."""

import jax
import numpy as np
import pytest
from support.small_stage import RUNS, N, make_run, samples, small_stage, stacked

from merjax.engine import Budget, Engine, StageJob, StageResult, train, walk
from merjax.engine.engine import SNAPSHOTS
from merjax.engine.rehearsal import counted, counted_roughly, rehearse, weighed

JOB = StageJob(small_stage(), stacked(RUNS), samples(), Budget(8, 11))


def doubled_targets(first: StageJob = JOB):
    """Two stages; the second one uses the outputs of the first."""
    one = yield first
    weight_N = np.float32(one.outputs[0].argmax(-1) == 0)
    two = yield first._replace(stage=small_stage()._replace(name="second"), runs=stacked([make_run(0)] * 4))
    return one, two, weight_N


def test_a_walk_sends_each_result_back_and_returns_what_the_method_returns():
    seen = []

    def visit(job):
        seen.append(job.stage.name)
        return StageResult(None, np.full((1, 2, 3), len(seen)), {}, None)

    one, two, weight_N = walk(doubled_targets(), visit)
    assert seen == ["small", "second"]
    assert (one.outputs == 1).all()
    assert (two.outputs == 2).all()
    assert weight_N.shape == (2,)


def test_a_method_without_stages_is_not_visited():
    def nothing():
        yield from ()
        return "all done here"

    assert walk(nothing(), None) == "all done here"


def test_what_a_visit_raises_reaches_the_caller():
    """This includes the exception that a generator would take for its own end."""

    def visit(job):
        raise StopIteration("not an end")

    with pytest.raises(StopIteration, match="not an end"):
        walk(doubled_targets(), visit)


def test_training_gives_what_the_engine_gives():
    engine = Engine("map", 4, jax.devices()[:1])
    job = JOB._replace(budget=Budget(8, 11, snapshot_every=3))
    state, history = engine.fit(job.stage, job.runs, job.samples, job.budget, seed=3)
    told = []
    result = train(engine, 3, told.append)(job)
    for a, b in zip(jax.tree.leaves(state.variables), jax.tree.leaves(result.variables), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(history["loss"], result.curves["loss"])
    assert result.curves.keys() == {"loss"}
    np.testing.assert_array_equal(history[SNAPSHOTS], result.snapshots)
    outputs = engine.apply(job.stage, state.variables, job.runs, job.samples, batch=8)
    np.testing.assert_array_equal(outputs, result.outputs)
    assert told[-1].step == 11
    other = train(engine, 4)(job)
    assert (other.curves["loss"] != result.curves["loss"]).any()  # another order of the samples
    assert train(engine, 3)(JOB).snapshots is None


def test_a_rehearsal_trains_nothing_and_measures_every_stage_for_all_widths():
    """Its zeros have the shapes of a training's results, so that the method can go on; more runs take more bytes."""
    engine, taken = Engine("map", 4, jax.devices()[:1]), {}
    one, two, _ = walk(doubled_targets(), rehearse(engine, weighed, {"small": [1, 4], "second": [3]}, taken))
    assert {stage: [*of_stage] for stage, of_stage in taken.items()} == {"small": [1, 4], "second": [3]}
    assert not any(x.any() for x in jax.tree.leaves((one.variables, one.outputs)))
    trained = train(engine, 0)(JOB)
    for zeros, real in zip(jax.tree.leaves(one[:2]), jax.tree.leaves(trained[:2]), strict=True):
        assert zeros.shape == real.shape
        assert zeros.dtype == real.dtype
    assert two.outputs.shape == (4, N, 3)
    assert 0 < taken["small"][1].bytes < taken["small"][4].bytes
    # all outputs of 4 batches of 8 need a third of the work of as many training steps
    assert taken["small"][1].steps == JOB.budget.steps + -(-N // JOB.budget.batch) / 3


def test_counts_before_and_after_compilation_agree_on_products_and_arguments():
    engine, exact, rough = Engine("vmap", 4, jax.devices()[:1]), {}, {}
    for measure, taken in ((counted, exact), (counted_roughly, rough)):
        rehearse(engine, measure, {"small": [2]}, taken)(JOB)
    exact, rough = exact["small"][2], rough["small"][2]
    assert rough.program.flops == pytest.approx(exact.program.flops, rel=0.2)
    assert rough.arguments == exact.arguments
    taken = {}
    rehearse(engine, counted_roughly, {}, taken)(JOB)  # a stage that is not asked for
    assert taken == {"small": {}}
