"""Spotters under the engine and in a whole sweep: what a held-out subject must not reach, and what is written and scored."""

import functools
import shutil

import jax
import numpy as np
import pytest
from support.made_motion import make_motion_store

import merjax
from merjax.config import make_config
from merjax.engine import Engine, train, walk
from merjax.methods.registry import method_of
from merjax.methods.runs import RunId
from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.rules import RULES
from merjax.scoring.spotting.scores import score_spotted
from merjax.scoring.spotting.trials import spotted_of
from merjax.stores.motion_store import MotionStore, open_motion_store
from merjax.training.spotting_data import SpottingData, spotting_data_of

FEW = {
    "softnet": {"spotter.epochs": 0.02, "spotter.kept": 0.1},
    "regional_spotter": {"spotter.epochs": 2, "spotter.batch": 4, "spotter.optimiser": "adam"},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> MotionStore:
    path = tmp_path_factory.mktemp("store") / "made"
    return make_motion_store(path, subjects=3, videos=2, frames=200, flows=(6, 22))


@functools.cache
def engine() -> Engine:
    """One engine for all tests, so that each program is compiled once."""
    return Engine("map", 4, jax.devices()[:1])


def data_of(store: MotionStore) -> SpottingData:
    return spotting_data_of(make_config({"data": {"store": str(store.path)}}).data)


def learnt(data: SpottingData, method: str):
    """By stage, what the runs that hold out the first and the second subject learn."""
    config, learned = make_config({"method": method}, FEW[method]), {}

    def visit(job):
        result = train(engine(), seed=0)(job)
        learned[job.stage.name] = result.variables
        return result

    found = walk(method_of(method).jobs(data, [RunId(config, 0, fold) for fold in (0, 1)]), visit)
    return learned, found


@pytest.mark.parametrize("method", [pytest.param("softnet", marks=pytest.mark.long), "regional_spotter"])
def test_a_held_out_subjects_motion_changes_nothing_that_its_run_learns(store, tmp_path, method):
    shutil.copytree(store.path, tmp_path / "changed")
    changed = open_motion_store(tmp_path / "changed")
    for video in changed.videos[:2]:  # the first subject's
        for name in ("regions", "flow_6", "flow_22"):
            path = changed.path / video.folder / f"{name}.npy"
            values = np.load(path)
            np.save(path, values[::-1])
    (one, _), (other, _) = (learnt(data_of(of), method) for of in (store, changed))
    for stage, variables in one.items():
        for mine, theirs in zip(jax.tree.leaves(variables), jax.tree.leaves(other[stage]), strict=True):
            np.testing.assert_array_equal(mine[0], theirs[0])
        moved = [
            not np.array_equal(mine[1], theirs[1])
            for mine, theirs in zip(jax.tree.leaves(variables), jax.tree.leaves(other[stage]), strict=True)
        ]
        assert any(moved), "the run that trains on the changed subject learns something else"


@pytest.mark.long
def test_a_sweep_of_spotters_is_trained_scored_resumed_and_reported(store, tmp_path):
    regional = {"method": "regional_spotter", "spotter.optimiser": "adam", "spotter.learning_rate": 3e-3}
    regional |= {"spotter.epochs": 40, "spotter.batch": 4}
    sweep = {
        "base": {
            "data": {"store": str(store.path)},
            "selection": {"rules": ["fixed", "inner", "oracle"], "looks": 2},
            "engine": {"workers": 1, "chunk": 3},
        },
        "trials": {
            "peaks": {"method": "peaks"},
            "SOFTNet": {"method": "softnet", "spotter.epochs": 0.2},
            "regional": regional,
            "shuffled": regional | {"control": "shuffle"},
        },
    }
    result = merjax.run_sweep(sweep, out=tmp_path / "run")
    assert len(result.scores) == 4 * 3 * 3
    f1 = result.scores[result.scores["kind"] == "overall"].set_index("trial")["F1"]
    assert f1["regional, inner subjects"] > 0.6
    assert f1["shuffled, inner subjects, permuted motion"] < 0.3
    own = result.predictions.query("trial == 'regional' and selection == 'inner'")
    spotted = spotted_of(own)
    by_hand = score_spotted(spotted, count(spotted, RULES[""])).set_index("kind").loc["overall"]
    assert by_hand["F1"] == f1["regional, inner subjects"]
    assert by_hand["videos"] == 6
    # a chunk that is lost is trained again, and gives what it gave
    (tmp_path / "run" / "predictions-0002.parquet").unlink()
    again = merjax.run_sweep(sweep, out=tmp_path / "run")
    assert again.predictions.equals(result.predictions)
    assert "spots best: F1" in result.report().read_text()
