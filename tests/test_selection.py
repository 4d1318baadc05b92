"""How much of its budget a run is tested after: what is looked at, who is asked, and what comes of it."""

import jax
import numpy as np
import pytest
from small_experiment import BASE, small_experiment

from merjax.config import group_key, identity, make_config
from merjax.engine import Budget, Engine
from merjax.errors import MerjaxError
from merjax.local_regions import RunSpec, spatial_runs, temporal_runs, train
from merjax.selection import with_looks

ALL = {"selection": {"rules": ["fixed", "inner", "oracle"], "looks": 5}}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("map", 2, jax.devices()[:1])


def specs_of(*layers) -> list[RunSpec]:
    return [RunSpec(make_config(BASE, *layers), 0, fold) for fold in range(4)]


@pytest.fixture(scope="module")
def looked_at(engine):
    return train(small_experiment(), specs_of(ALL), engine)


def test_looks_are_evenly_spaced_and_the_last_one_is_the_end(looked_at):
    np.testing.assert_array_equal(looked_at.look_L, [5, 10, 15, 20, 24])  # 8 epochs of 12 clips in batches of 4
    assert looked_at.looks_PxLxNxK.shape == (4, 5, 12, 3)
    np.testing.assert_allclose(looked_at.looks_PxLxNxK.sum(-1), 1, rtol=1e-6)
    assert (looked_at.probability_PxNxK == looked_at.looks_PxLxNxK[:, -1]).all()
    assert not any("probe" in metrics for metrics in looked_at.curves.values())
    budget = Budget(4, 3)
    assert with_looks(budget, make_config().selection).probes == 0
    assert with_looks(budget, make_config(ALL).selection).probe_every == 1  # no more looks than steps


def test_looking_changes_no_training(engine, looked_at):
    fixed = train(small_experiment(), specs_of(), engine)
    assert fixed.looks_PxLxNxK.shape[1] == 1
    np.testing.assert_array_equal(fixed.probability_PxNxK, looked_at.probability_PxNxK)
    np.testing.assert_array_equal(fixed.curves["temporal"]["loss"], looked_at.curves["temporal"]["loss"])


def test_a_look_is_what_training_with_that_budget_gives(engine, looked_at):
    """The claim behind "retrain": the run that stops at a look gives the look's probabilities."""
    experiment, specs = small_experiment(), specs_of(ALL)
    config = specs[0].config
    stage, frames_runs, frames = spatial_stage_of(experiment, specs)
    state, _ = engine.fit(stage, frames_runs, frames, Budget(8, 12), seed=0)  # 4 epochs of 24 frames
    features = engine.apply(stage, state.params, frames_runs, frames, batch=8)
    stage, runs, clips = temporal_runs(experiment, specs, features)
    for number, steps in enumerate(looked_at.look_L):
        state, _ = engine.fit(stage, runs, clips, Budget(4, int(steps)), seed=0)
        logits = engine.apply(stage, state.params, runs, clips, batch=config.temporal.batch)
        np.testing.assert_allclose(jax.nn.softmax(logits), looked_at.looks_PxLxNxK[:, number], atol=1e-6)
    first, last = looked_at.looks_PxLxNxK[:, 0], looked_at.looks_PxLxNxK[:, -1]
    assert np.abs(first - last).max() > 1e-3  # there was something to tell apart


def spatial_stage_of(experiment, specs):
    from merjax.stages.spatial import spatial_stage

    return (spatial_stage(experiment.classes_R, experiment.channels), *spatial_runs(experiment, specs))


def test_selection_is_no_part_of_a_trials_identity_but_splits_groups():
    base, other = make_config(), make_config(ALL)
    assert identity(base) == identity(other)
    assert group_key(base) != group_key(other)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("selection.rules=[best]", r"selection.rules is \['best'\]; write any of fixed, inner, oracle"),
        ("selection.rules=[]", "selection.rules is"),
        ("selection.rules=[fixed,fixed]", "each once"),
        ("selection.inner=0.7", "selection.inner is 0.7; write a share of the training subjects, up to 0.5"),
        ("selection.looks=0", "selection.looks is 0, it must be above 0"),
        ("selection.after=stop", "selection.after"),
    ],
)
def test_wrong_settings_are_named(line, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        make_config(line)
