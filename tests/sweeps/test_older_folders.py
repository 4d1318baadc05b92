"""Folders that merjax 0.1.0 wrote before its code was ordered in packages still open, with the same values."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pandas as pd
import pytest
from support.placeholder_store import placeholder_store
from support.places import CHECKOUT

import merjax
from merjax.engine import Variables
from merjax.models.card import refuse_other_preparation
from merjax.models.learned import by_name
from merjax.report.comparison import compare
from merjax.report.section import Section
from merjax.report.tables import markdown
from merjax.report.texts import class_texts, data_text, difference_texts, score_texts
from merjax.stores.store import open_store
from merjax.sweeps.folder import open_folder, read_plan
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten
from merjax.system.versions import __version__

OLD = CHECKOUT / "tests" / "data" / "quickstart_of_0.1.0"
PLAN, CARD = (json.loads((OLD / name).read_text()) for name in ("plan.json", "card.json"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The recorded sweep as it lay on disk; its curves are not recorded."""
    place = tmp_path_factory.mktemp("runs") / "quickstart"
    place.mkdir()
    shutil.copy(OLD / "plan.json", place)
    rows = pd.read_csv(OLD / "predictions.csv").set_index(["trial", "fold"])
    (data,) = PLAN["data"]
    for chunk in PLAN["chunks"]:
        runs = [(PLAN["trials"][trial]["name"], data["folds"][fold]) for trial, fold in chunk["runs"]]
        own = pd.concat([rows.loc[[run]] for run in runs]).reset_index()
        own.to_parquet(place / f"predictions-{chunk['number']:04d}.parquet", index=False)
        shutil.copy(OLD / "record.json", place / f"record-{chunk['number']:04d}.json")
    return place


def test_an_older_sweep_opens_with_its_plan_its_conditions_and_its_scores(folder):
    result = merjax.open_sweep(folder)
    assert (result.name, result.missing) == ("quickstart", ())
    # these keys came later; the others are written as they were read
    written = result.plan.to_json()
    published = written.pop("published")
    assert not published
    for trial in written["trials"]:
        assert not any(trial.pop(key, None) for key in ("published", "seeds", "note"))
        trial["config"] = {key: value for key, value in trial["config"].items() if key in CARD["config"]}
    assert json.loads(json.dumps(written)) == PLAN
    assert result.conditions.versions[0].startswith("merjax 0.1.0, Python 3.11.7, jax 0.10.2")
    scores = result.scores.drop(columns="fold_accuracy")  # which came later
    pd.testing.assert_frame_equal(scores, pd.read_csv(OLD / "scores.csv"), check_dtype=False)


def test_an_older_sweep_is_not_trained_on_since_its_random_numbers_were_others(folder):
    older = read_plan(folder)
    with pytest.raises(MerjaxError, match="was started by merjax 0.1.0, but this is 0.2.0; choose another --out"):
        open_folder(folder, replace(older, version=__version__))


def test_the_report_of_an_older_sweep_has_the_scores_and_intervals_that_its_models_card_tells(folder):
    section = Section(compare([merjax.open_sweep(folder)])[0])
    own = section.scores.set_index("entry").loc["focal"]
    for name in ("UF1", "UAR", "accuracy"):
        told = CARD["scores"][name]
        found = own[[name, f"{name}_low", f"{name}_high"]].astype(float)
        np.testing.assert_allclose(found, [told["mean"], *told["interval"]])
    tables = [
        *score_texts(section),
        *difference_texts(section),
        *class_texts(section),
        data_text(section.comparison.base),
    ]
    assert all(table.rows for table in tables)
    assert f"{CARD['scores']['UF1']['mean']:.3f}" in markdown(tables[0])


def test_an_older_models_card_and_its_store_are_read(tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    shutil.copy(OLD / "card.json", place)
    learnt = {stage: by_name(Variables({"fc": {"bias": np.arange(3.0)}})) for stage in CARD["numbers"]}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(place / "parameters", learnt)
    model = merjax.load_model(place)
    assert model.card == CARD
    assert json.loads(json.dumps(flatten(model.config))) | CARD["config"] == json.loads(
        json.dumps(flatten(model.config))
    )
    for stage, own in model.learned.items():
        assert {name: values.tolist() for name, values in own.numbers.items()} == CARD["numbers"][stage]
    store = placeholder_store(tmp_path / "store")
    shutil.copy(OLD / "store.json", store)
    pd.read_parquet(store / "index.parquet")[:36].to_parquet(store / "index.parquet")  # as many clips as it says it has
    np.save(store / "landmarks.npy", np.zeros((36, 68, 2), np.float32))
    np.save(store / "flow.npy", np.zeros((36, 28, 28, 3), np.uint8))
    opened = open_store(store)
    assert (opened.hash, opened.statement) == (CARD["data"]["store_hash"], CARD["data"]["statement"])
    refuse_other_preparation(model.card, model.config, opened)
