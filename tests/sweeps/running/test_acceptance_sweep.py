"""The engine's main promise, at full size except for the budgets: 96 runs of the paper's networks on clips
of twelve people, few compiled programs, and each run gives the same result whatever other runs it trains with."""

from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from support.places import LONDON
from support.training import CountingEngine

import merjax.methods.runs
import merjax.sweeps.running.train_chunk
from merjax.datasets import read_casme2, read_smic
from merjax.engine.checkpoints import Checkpoints
from merjax.stores.preparation import prepare_store
from merjax.sweeps.folder import open_folder, read_curves, read_predictions
from merjax.sweeps.plan import Chunk, Plan, make_plan
from merjax.sweeps.running.take_chunks import take_chunks
from merjax.sweeps.running.train_chunk import open_group, train_chunk
from merjax.sweeps.sweep_file import make_sweep
from merjax.synthesis import synthesize_release

pytestmark = [
    pytest.mark.skipif(not LONDON.is_dir(), reason=f"the London faces are not at {LONDON}"),
    pytest.mark.long,  # four minutes of a core
]

PEOPLE, LEARNING_RATES, GAMMAS, SEEDS = 12, (1e-4, 1e-3), (0, 2), 2
KEYS = ["trial", "seed", "fold", "database", "subject", "clip"]
PROBABILITIES = ["p_negative", "p_positive", "p_surprise"]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A clip each of twelve people: eight smile before SMIC's camera, four are surprised before CASME II's."""
    faces, place = sorted(LONDON.glob("*.jpg"))[::8][:PEOPLE], tmp_path_factory.mktemp("london")
    options = {"clips_per_subject": 1, "workers": 1}
    smic = synthesize_release(place / "smic", portraits=faces[:8], layout="smic", emotions=("happiness",), **options)
    casme2 = synthesize_release(place / "casme2", portraits=faces[8:], emotions=("surprise",), **options)
    return prepare_store([read_smic(smic), read_casme2(casme2)], place / "store", workers=1).path


def plan_of(store: Path, chunk: int) -> Plan:
    """The sweep, with a step or two of a small batch for each stage."""
    base = {
        "data": {"store": str(store), "frames": "count:2"},
        # four frames: a person has two, so that no batch is of a held-out one alone, which would be no step
        "spatial": {"epochs": 1 / 6, "batch": 4},
        "temporal": {"epochs": 1, "batch": 6, "units": 8, "learning_rate": 1e-3},
        "engine": {"steps_per_call": 2, "chunk": chunk, "workers": 1},
    }
    axes = {"spatial.learning_rate": list(LEARNING_RATES), "loss.gamma": list(GAMMAS)}
    return make_plan(make_sweep({"base": base, "axes": axes, "seeds": SEEDS}, "acceptance"), 1)


@pytest.fixture(scope="module")
def plan(store) -> Plan:
    return plan_of(store, 12)


@pytest.fixture(scope="module")
def swept(plan, tmp_path_factory) -> tuple[pd.DataFrame, list[tuple[str, str]], list[int]]:
    """Predictions of the whole sweep, by one process on one device; the programs that its stages had compiled; and, for
    every program at all that was compiled meanwhile, how many chunks were finished by then."""
    folder, engines, compiled = tmp_path_factory.mktemp("acceptance") / "run", [], []
    open_folder(folder, plan)

    def note(event: str, seconds: float, **about) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(len(list(folder.glob("predictions-*.parquet"))))

    def counting(*args) -> CountingEngine:
        engines.append(CountingEngine(*args))
        return engines[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
        patch.setattr(merjax.methods.runs, "Engine", counting)
        patch.setattr(Checkpoints, "_save", lambda *args: None)  # 25 MB per run, in which other tests take an interest
        jax.monitoring.register_event_duration_secs_listener(note)
        try:
            take_chunks(folder)
        finally:
            jax.monitoring.unregister_event_duration_listener(note)
    curves = read_curves(folder, plan.chunks)
    assert np.isfinite(curves["loss"]).all()
    assert curves.groupby("stage").size().to_dict() == {"spatial": plan.runs, "temporal": 2 * plan.runs}
    programs = [program for engine in engines for program in engine.compiled]
    return read_predictions(folder, plan.chunks), programs, compiled


def test_each_stage_is_compiled_once_for_all_trials_seeds_and_folds(plan, swept):
    predictions, programs, compiled = swept
    assert (plan.runs, len(plan.trials), len(plan.groups), len(plan.chunks)) == (96, 4, 1, 8)
    assert len(predictions) == 4 * SEEDS * PEOPLE
    assert sorted(programs) == sorted((s, p) for s in ("spatial", "temporal") for p in ("start", "advance", "apply"))
    assert compiled
    assert set(compiled) == {0}  # once the first chunk was through, nothing whatsoever was compiled


def test_trials_seeds_and_folds_are_different_trainings(swept):
    """All runs of a clip differ by more than the tolerance below, so that the test of packing means something."""
    table = swept[0]
    for _, own in table.groupby(["database", "subject", "clip"]):
        probability = np.sort(own["p_positive"].to_numpy())
        assert len(probability) == 4 * SEEDS
        assert np.median(np.diff(probability)) > 1e-4


# of several trials, seeds and folds, the first and the last among them, by places in the sweep
SAMPLE = [(0, 0, 0), (2, 1, 7), (3, 1, 11)]


@pytest.mark.parametrize(("together", "devices"), [(1, 1), (4, 2)], ids=["alone", "other chunks on two devices"])
def test_a_run_is_the_same_however_it_is_packed(plan, swept, together, devices, monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:devices])
    group = open_group(plan, 0)
    for trial, seed, fold in SAMPLE if together == 1 else SAMPLE[1:2]:
        others = [((trial + i) % len(plan.trials), (fold + 5 * i) % PEOPLE) for i in range(1, together)]
        chunk = Chunk(0, 0, seed, (*others, (trial, fold)), together)
        assert_as_swept(train_chunk(plan, chunk, group, lambda progress: None)[0], swept[0], together)


def test_the_order_of_the_runs_changes_nothing(plan, swept, monkeypatch):
    """With the programs of the sweep itself: its last chunk, backwards."""
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    last = plan.chunks[-1]
    backwards = last._replace(runs=last.runs[::-1])
    assert_as_swept(
        train_chunk(plan, backwards, open_group(plan, 0), lambda progress: None)[0], swept[0], len(last.runs)
    )


def assert_as_swept(found: pd.DataFrame, swept: pd.DataFrame, runs: int) -> None:
    both = swept.merge(found, on=KEYS, suffixes=("", "_found"), validate="one_to_one")
    assert len(both) == len(found) == runs
    np.testing.assert_allclose(both[[f"{p}_found" for p in PROBABILITIES]], both[PROBABILITIES], atol=1e-4)
