"""From made clips in the layouts of all nine databases to one store, and to scores under the protocols of the later ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from support.small_experiment import networks_in_use

import merjax
from merjax import datasets
from merjax.models.insight import networks_of
from merjax.protocols import SCHEMES
from merjax.report.files import make_report
from merjax.stores import workers as worker_processes
from merjax.stores.store import Store
from merjax.sweeps.folder import open_folder
from merjax.sweeps.plan import make_plan
from merjax.sweeps.result import finish
from merjax.sweeps.running.take_chunks import take_chunks
from merjax.sweeps.sweep_file import make_sweep
from merjax.synthesis.layouts import LAYOUTS
from merjax.system.errors import MerjaxError

pytestmark = pytest.mark.long  # a minute of a core: releases are made, and their clips prepared

PEOPLE = {"dfme": 4}  # of whom two are in its training part
EMOTIONS = {"casme3": ("disgust", "happiness", "surprise", "others")}
BASE = {
    "data": {"frames": "count:4", "input": "difference"},
    "spatial": {"epochs": 1, "batch": 16, "learning_rate": 1e-3},
    "temporal": {"epochs": 2, "batch": 8, "units": 4, "learning_rate": 1e-3},
    "engine": {"steps_per_call": 4, "chunk": 4, "save_models": True, "workers": 1},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    place, releases = tmp_path_factory.mktemp("nine"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_processes, "spread", lambda work, tasks, workers: map(work, tasks))  # in this process
        for seed, layout in enumerate(LAYOUTS):
            settings = {"invent": PEOPLE.get(layout, 2), "clips_per_subject": 4 if layout == "casme3" else 2}
            merjax.synthesize_release(
                place / layout, layout=layout, seed=seed, emotions=EMOTIONS.get(layout, ()), workers=1, **settings
            )
            releases.append(getattr(datasets, f"read_{layout}")(place / layout))
        return merjax.prepare_store(releases, place / "store", workers=1)


@pytest.fixture(scope="module", autouse=True)
def _tiny():
    with networks_in_use("tiny"):
        yield


def swept(store: Store, folder: Path, **data) -> merjax.SweepResult:
    base = BASE | {"data": BASE["data"] | {"store": str(store.path)} | data}
    open_folder(folder, make_plan(make_sweep({"base": base}, folder.name), 1))
    take_chunks(folder)
    return finish(folder)


def test_all_nine_databases_are_in_the_store(store):
    assert set(store.index["database"]) == set(LAYOUTS)
    assert len(store.index) == 2 * 2 * 7 + 2 * 4 + 4 * 2
    assert store.dropped.empty
    rates = store.index.groupby("database")["fps"].first().to_dict()
    assert rates == {name: layout.fps for name, layout in LAYOUTS.items()}


def test_each_database_is_held_out_once_under_the_action_units(store, tmp_path):
    result = swept(store, tmp_path / "units", protocol="au12", folds="lodo")
    own, task = result.predictions, SCHEMES["au12"].task
    tested = ["casme1", "casme2", "casme3", "mmew", "samm"]
    assert sorted(set(own["fold"])) == [f"lodo:{name}" for name in tested]
    assert (own["fold"] == "lodo:" + own["database"]).all()
    assert len(own) == 24
    truth, answer = (task.members(own[side].to_numpy()) for side in ("label", "prediction"))
    f1 = [f1_score(truth[:, k], answer[:, k], zero_division=np.nan) for k in range(len(task.classes))]
    scores = pd.read_csv(result.folder / "scores.csv").set_index("trial")
    assert scores.loc["base", "UF1"] == pytest.approx(np.nanmean(f1))
    page = make_report(result, crops=False).read_text()
    assert "A confusion matrix needs one class per clip" in page
    assert "CAS(ME)^3" in page

    model = merjax.load_model(next((tmp_path / "units" / "models").glob("base/seed0/*casme3*")))
    table = model(store)
    held_out = table[table["database"] == "casme3"].set_index(["subject", "clip"])
    kept = own[own["fold"] == "lodo:casme3"].set_index(["subject", "clip"]).loc[held_out.index]
    np.testing.assert_allclose(held_out["p_AU4"], kept["p_AU4"], atol=1e-5)
    assert held_out["prediction"].tolist() == [task.named(label) for label in kept["prediction"]]
    with pytest.raises(MerjaxError, match="this figure needs one class per clip"):
        networks_of(model)


@pytest.mark.parametrize(("protocol", "database"), [("casme3_4", "casme3"), ("casme2_5", "casme2"), ("mmew_4", "mmew")])
def test_subjects_of_one_database_are_held_out_one_by_one(store, tmp_path, protocol, database):
    result = swept(store, tmp_path / protocol, protocol=protocol)
    subjects = set(store.index.loc[store.index["database"] == database, "subject"])
    assert set(result.predictions["fold"]) == {f"{database}/{subject}" for subject in subjects}
    assert set(result.predictions["database"]) == {database}
    assert [f"p_{name}" for name in SCHEMES[protocol].classes] == [c for c in result.predictions if c.startswith("p_")]


def test_dfme_is_tested_on_each_of_its_owners_parts(store, tmp_path):
    result = swept(store, tmp_path / "dfme", protocol="dfme", folds="parts")
    parts = store.index.set_index(["database", "subject"])["part"].groupby(level=[0, 1]).first()
    for fold, own in result.predictions.groupby("fold"):
        told = {parts["dfme", subject] for subject in own["subject"]}
        assert fold == f"dfme train->dfme {told.pop()}"
        assert not told
    assert result.predictions["fold"].nunique() == 2
    assert "DFME train → DFME test A" in make_report(result, crops=False).read_text()
