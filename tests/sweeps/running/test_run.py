"""A whole sweep on small pictures: what is compiled, what depends on what, and runs that diverge."""

import jax
import numpy as np
import pandas as pd
import pytest
from support.small_experiment import BASE, networks_in_use, small_plan, use_small_experiment
from support.training import CountingEngine

import merjax
from merjax.sweeps.folder import open_folder, read_plan
from merjax.sweeps.plan import make_plan
from merjax.sweeps.running.train_chunk import open_group, train_chunk
from merjax.sweeps.sweep_file import make_sweep

AXES = {"spatial.learning_rate": [1e-4, 1e-3], "loss.gamma": [0, 2]}
SWEEP = {"base": BASE, "axes": AXES, "seeds": 2}


@pytest.fixture(scope="module", autouse=True)
def _small(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        use_small_experiment(patch.setattr)
        patch.setenv("MERJAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def trained(chunk: int, devices: int, order: int = 1) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[str, str]]]:
    """All chunks of the sweep through one engine, in this process: predictions, curves, and the
    programs that were compiled."""
    sweep = make_sweep(SWEEP, "small", ({"engine": {"chunk": chunk}},))
    plan, engine = make_plan(sweep, 1), CountingEngine("map", 2, jax.devices()[:devices])
    group = open_group(plan, 0)._replace(engine=engine)
    parts = [train_chunk(plan, c, group, lambda progress: None) for c in plan.chunks[::order]]
    predictions, curves = (pd.concat([part[i] for part in parts]) for i in (0, 1))
    return (
        predictions.sort_values(["trial", "seed", "fold", "clip"]).reset_index(drop=True),
        curves.sort_values(["trial", "seed", "fold", "stage", "step"]).reset_index(drop=True),
        engine.compiled,
    )


@pytest.fixture(scope="module")
def whole():
    """The sweep in chunks of as many runs as there are devices. It and those that the tests compare with it train tiny
    networks; `test_acceptance_sweep.py` trains the paper's."""
    with networks_in_use("tiny"):
        yield trained(chunk=4, devices=4)


def assert_equal(one, other):
    for name in ("p_negative", "p_positive", "p_surprise"):
        np.testing.assert_allclose(one[0][name], other[0][name], atol=1e-4)
    keys = ["trial", "seed", "fold", "clip", "label"]
    pd.testing.assert_frame_equal(one[0][keys], other[0][keys])
    np.testing.assert_allclose(one[1]["loss"], other[1]["loss"], rtol=1e-3, atol=1e-4)


@pytest.mark.long
def test_rates_gammas_seeds_and_folds_compile_each_stage_once(whole):
    predictions, _, compiled = whole
    assert len(predictions) == 2 * 2 * 2 * 12  # rates, gammas, seeds, clips
    assert sorted(compiled) == sorted((s, p) for s in ("spatial", "temporal") for p in ("start", "advance", "apply"))


@pytest.mark.long
def test_each_run_equals_the_run_alone_in_any_order(whole):
    assert_equal(trained(chunk=1, devices=1, order=-1), whole)


@pytest.mark.long
def test_device_count_and_chunks_that_do_not_fill_it_change_nothing(whole):
    assert_equal(trained(chunk=3, devices=2), whole)


@pytest.mark.long
def test_a_diverging_run_is_reported_and_leaves_the_others_alone(tmp_path):
    content = {"base": BASE, "trials": {"calm": {}, "wild": {"temporal.learning_rate": 1e30}}}
    engine = {"workers": 1}
    both = merjax.run_sweep(content, out=tmp_path / "both", engine=engine)
    assert not both.missing
    scores = pd.read_csv(tmp_path / "both" / "scores.csv").set_index("trial")
    assert scores.loc["wild", "diverged"] == 4
    assert scores.loc["calm", "diverged"] == 0
    wild = both.predictions["trial"] == "wild"
    assert (both.predictions.loc[wild, "prediction"] == -1).all()
    assert scores.loc["wild", "accuracy"] == 0
    alone = merjax.run_sweep(content | {"trials": {"calm": {}}}, out=tmp_path / "alone", engine=engine)
    for name in ("p_negative", "p_positive", "p_surprise"):
        np.testing.assert_allclose(both.predictions.loc[~wild, name], alone.predictions[name], atol=1e-4)
    assert set(alone.curves["stage"]) == {"spatial", "temporal"}


def test_a_sweep_that_goes_on_keeps_its_chunks_and_takes_the_new_engine_settings(tmp_path):
    begun = open_folder(tmp_path, small_plan(trials={"a": {"engine.chunk": 2}}))
    again = small_plan(trials={"a": {"engine.chunk": 4, "engine.checkpoint_minutes": 9.0}})
    assert again.chunks != begun.chunks
    followed = open_folder(tmp_path, again)
    assert followed.chunks == begun.chunks
    assert followed.trials[0].config.engine.checkpoint_minutes == 9.0
    assert read_plan(tmp_path) == followed


def test_a_mapping_and_a_config_are_sweeps_too():
    from merjax.sweeps.running.run import as_sweep

    config = small_plan().trials[0].config
    assert as_sweep(config, {}).trials[0].config == config
    changed = as_sweep(SWEEP, {"loss.alpha": "none", "temporal": {"units": 16}})
    assert {t.config.temporal.units for t in changed.trials} == {16}
    assert {t.config.loss.alpha for t in changed.trials} == {"none"}
    assert as_sweep(SWEEP, {}).name == as_sweep(SWEEP, {"data.store": "elsewhere"}).name != changed.name
