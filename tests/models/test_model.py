"""Models that a sweep saves: loaded, they give the saved predictions again, and their cards say what they are."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from sklearn.metrics import f1_score
from support.flow_experiment import BASE, experiment_of, flow_images
from support.small_experiment import BASE as SMALL
from support.small_experiment import FRAMES, SIDE, STREAMS, SUBJECTS, networks_in_use, small_experiment

import merjax
import merjax.models.model
import merjax.sweeps.plan
from merjax.config import make_config
from merjax.engine import State, Variables
from merjax.methods.flow_stage import FlowNumbers
from merjax.methods.numbers import kept_fields
from merjax.methods.spatial_stage import SpatialNumbers
from merjax.methods.temporal_stage import TemporalNumbers
from merjax.models.health import examine_model
from merjax.models.learned import Learned, by_name, from_names
from merjax.models.model import Model
from merjax.protocols import Fold
from merjax.protocols.folds import subjects_of
from merjax.stores.held_features import HeldFeature
from merjax.stores.store import open_store
from merjax.sweeps.folder import open_folder, read_predictions
from merjax.sweeps.plan import make_plan
from merjax.sweeps.running.take_chunks import take_chunks
from merjax.sweeps.saved_models import add_scores, model_folder, runs_without_model
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.own_files import sealed

COLUMNS = ["p_negative", "p_positive", "p_surprise"]
SETTINGS = {
    "data": {"input": "difference", "standardise": True, "frames": "count:3"},
    "spatial": {"epochs": 2, "batch": 9, "learning_rate": 1e-3},
    "temporal": {"epochs": 6, "batch": 4, "units": 4, "learning_rate": 1e-2, "mask": False},
    "selection": {"rules": ["fixed", "oracle"], "looks": 3},
    "engine": {"save_models": True, "workers": 1},
}


@pytest.fixture(scope="module", autouse=True)
def networks(request):
    """Tiny ones if a test does not ask for others; few properties of a saved model depend on its network."""
    with networks_in_use(getattr(request, "param", "tiny")):
        yield


@pytest.fixture(scope="module")
def result(small_store, tmp_path_factory, networks):
    sweep = {"base": SETTINGS | {"data": SETTINGS["data"] | {"store": str(small_store)}}, "trials": {"a/b": {}}}
    return merjax.run_sweep(sweep, out=tmp_path_factory.mktemp("models") / "run")


@pytest.fixture(scope="module")
def models(result) -> dict[str, Model]:
    folders = sorted((result.folder / "models" / "a-b" / "seed0").iterdir())
    return {model.card["fold"]: model for model in map(merjax.load_model, folders)}


def test_a_loaded_model_predicts_its_held_out_clips_as_the_sweep_did(result, models, small_store):
    assert models.keys() == {fold.name for fold in result.plan.groups[0].folds}
    saved = result.predictions[result.predictions["selection"] == "fixed"].set_index(["fold", "clip", "subject"])
    for fold, model in models.items():
        table = model(small_store)
        own = table[(table["database"] + "/" + table["subject"]).isin(model.card["held_out_subjects"])]
        expected = saved.loc[fold].loc[list(zip(own["clip"], own["subject"], strict=True))]
        assert len(own) == len(saved.loc[fold])
        np.testing.assert_allclose(own[COLUMNS], expected[COLUMNS], atol=1e-5)
        assert [model.classes[k] for k in expected["prediction"]] == own["prediction"].tolist()
    one, other = (model(small_store)[COLUMNS].to_numpy() for model in list(models.values())[:2])
    assert np.abs(one - other).max() > 1e-3  # each fold has a model of its own


@pytest.mark.long
@pytest.mark.long
def test_a_flow_networks_model_predicts_as_the_sweep_did(tmp_path, monkeypatch):
    """One stage, whose batch normalisation has running averages beside the parameters."""
    experiment = experiment_of(flow_images())
    monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda data: experiment)
    base = BASE | {"method": "ststnet", "engine": {"steps_per_call": 2, "chunk": 4, "save_models": True}}
    plan = open_folder(tmp_path, make_plan(make_sweep({"base": base}, "peer"), 1))
    take_chunks(tmp_path)
    saved = read_predictions(tmp_path, plan.chunks).set_index("fold")
    assert not runs_without_model(tmp_path, plan, plan.chunks)
    for fold in experiment.folds:
        model = merjax.load_model(model_folder(tmp_path, "base", 0, fold.name))
        own = model(experiment.store)[fold.test_N]
        np.testing.assert_allclose(own[COLUMNS], saved.loc[fold.name, COLUMNS], atol=1e-5)
        assert model.card["pictures"]["sizes"] == {"flow": [28, 28]}


@pytest.mark.long
def test_a_model_that_was_saved_as_rcn_a_opens_as_the_network_that_it_was(tmp_path, monkeypatch):
    """Its card has another method and none of the settings that came with the authors' network."""
    experiment = experiment_of(flow_images())
    monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda data: experiment)
    base = BASE | {"method": "rcn_a_merjax", "engine": {"steps_per_call": 2, "chunk": 4, "save_models": True}}
    base |= {"peer": {"epochs": 1, "batch": 16}}
    plan = open_folder(tmp_path, make_plan(make_sweep({"base": base}, "peer"), 1))
    take_chunks(tmp_path)
    saved = read_predictions(tmp_path, plan.chunks).set_index("fold")
    fold = experiment.folds[1]
    path = model_folder(tmp_path, "base", 0, fold.name) / "card.json"
    card = json.loads(path.read_text())
    assert list(card["numbers"]) == ["rcn_a"]
    config = {key: value for key, value in card["config"].items() if key not in LATER} | {"method": "rcn_a"}
    write_json(path, sealed(card | {"method": "rcn_a", "config": config}))
    model = merjax.load_model(path.parent)
    assert model.config.method == "rcn_a_merjax"
    own = model(experiment.store)[fold.test_N]
    np.testing.assert_allclose(own[COLUMNS], saved.loc[fold.name, COLUMNS], atol=1e-5)


LATER = ("peer.fall", "peer.decay", "peer.maps", "peer.pool", "peer.dim", "peer.repeats", "peer.flaws")


def prepared(store, **settings):
    """A store of the same clips, prepared with other settings."""
    return replace(store, meta=store.meta | {"settings": store.meta["settings"] | settings})


@pytest.fixture(scope="module")
def motion_run(tmp_path_factory):
    """Two trials on the motion of every frame, with folds across two databases that test the same clips twice."""
    experiment = small_experiment()
    half_N = np.arange(len(experiment.index)) % (len(experiment.index) // 2) < SUBJECTS
    index = experiment.index.assign(
        database=np.where(half_N, "samm", "casme2"), position=np.arange(len(experiment.index))
    )
    rows = len(index) * FRAMES
    motion = {
        r.name: np.random.default_rng(i).integers(-90, 90, (rows, SIDE, SIDE, 3), np.int8)
        for i, r in enumerate(STREAMS)
    }
    settings = {"colour": "gray", "align": "first"}
    store = replace(
        experiment.store,
        index=index,
        features={"motion": HeldFeature(motion, {"algorithm": "dis"})},
        meta=experiment.store.meta | {"settings": settings},
    )
    folds = tuple(
        Fold(f"{a}->{b}", (index["database"] == a).to_numpy(), (index["database"] == b).to_numpy())
        for a, b in (("casme2", "samm"), ("samm", "casme2"))
    )
    experiment = replace(experiment, store=store, index=index, folds=folds, input="flow")
    base = SMALL | {"data": {"input": "flow", "folds": "cross_database"}}
    base["engine"] = SMALL["engine"] | {"save_models": True}
    folder = tmp_path_factory.mktemp("motion") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merjax.sweeps.plan, "data_of", lambda data: experiment)
        plan = open_folder(folder, make_plan(make_sweep({"base": base}, "motion"), 1))
        take_chunks(folder)
    return folder, plan, experiment


@pytest.mark.long
def test_a_model_of_motion_is_saved_and_predicts_as_the_sweep_did(motion_run, monkeypatch):
    folder, plan, experiment = motion_run
    saved = read_predictions(folder, plan.chunks).set_index("fold")
    assert not runs_without_model(folder, plan, plan.chunks)
    monkeypatch.setattr(merjax.models.model, "every_clip", lambda store, data: experiment)  # of tiny pictures
    for fold in experiment.folds:
        model = merjax.load_model(model_folder(folder, "base", 0, fold.name))
        own = model(experiment.store)[fold.test_N]
        np.testing.assert_allclose(own[COLUMNS], saved.loc[fold.name, COLUMNS], atol=1e-5)
        assert "optical flow" in model.card["pictures"]["input"]


@pytest.mark.long
def test_a_card_of_a_fold_across_databases_has_that_folds_scores(motion_run):
    folder, plan, experiment = motion_run
    saved = read_predictions(folder, plan.chunks)
    add_scores(folder, plan, saved)
    told = []
    for fold in experiment.folds:
        place = model_folder(folder, "base", 0, fold.name)
        own = saved[saved["fold"] == fold.name]
        scores = json.loads((place / "card.json").read_text())["scores"]
        assert scores["UF1"]["mean"] == pytest.approx(f1_score(own["label"], own["prediction"], average="macro"))
        assert scores["accuracy"]["mean"] == pytest.approx((own["label"] == own["prediction"]).mean())
        text = (place / "card.md").read_text()
        assert "Of the clips that this fold held out" in text
        assert "Pooled over all folds" not in text
        told.append(scores["accuracy"]["mean"])
    assert told[0] != told[1]


@pytest.mark.long
def test_clips_prepared_in_another_way_are_refused(motion_run, models, small_store, monkeypatch):
    folder, _, experiment = motion_run
    monkeypatch.setattr(merjax.models.model, "every_clip", lambda store, data: experiment)
    model = merjax.load_model(model_folder(folder, "base", 0, experiment.folds[0].name))
    assert model.card["preparation"] == {"align": "first", "flow algorithm": "dis"}
    store, motion = experiment.store, experiment.store.features["motion"]
    other = {"flow64": HeldFeature({}, {"side": 64, "to": "mid"})}
    same = model(store)
    assert model(replace(prepared(store, colour="rgb"), features=store.features | other)).equals(
        same
    )  # not of its frames
    with pytest.raises(
        MerjaxError, match="flow algorithm dis, but those of nowhere were prepared with flow algorithm tvl1"
    ):
        model(replace(store, features={"motion": replace(motion, settings={"algorithm": "tvl1"})}))
    with pytest.raises(MerjaxError, match="align first, .* align frame; prepare them in the same way"):
        model(prepared(store, align="frame"))
    model, store = next(iter(models.values())), open_store(small_store)
    assert model.card["preparation"] == {"colour": "gray", "align": "first"}
    with pytest.raises(MerjaxError, match="colour gray, .* colour rgb"):
        model(prepared(store, colour="rgb"))


def test_a_model_asks_for_no_labels(models, small_store):
    model = next(iter(models.values()))
    store = open_store(small_store)
    unlabelled = replace(store, index=store.index.assign(emotion="others", action_units=""))
    assert model(unlabelled).equals(model(store))


def test_what_was_fitted_in_training_is_used_and_not_fitted_anew(models, small_store):
    model = next(iter(models.values()))
    spatial = model.learned["spatial"]
    moved = Learned(spatial.variables, spatial.numbers | {"mean_RxC": spatial.numbers["mean_RxC"] + 0.3})
    other = replace(model, learned=model.learned | {"spatial": moved})
    assert np.abs(other(small_store)[COLUMNS] - model(small_store)[COLUMNS]).max().max() > 1e-4


def test_the_card_says_what_the_model_is(result, models, small_store):
    experiment = open_store(small_store).index
    for fold, model in models.items():
        card = model.card
        assert card["held_out_subjects"] == [fold] == sorted(set(subjects_of(experiment)) & {fold})
        assert card["classes"] == ["negative", "positive", "surprise"]
        assert card["trial"] == "a/b"
        assert card["data"]["store_hash"] == result.plan.groups[0].store_hash
        assert card["pictures"]["sizes"]["mouth"] == [60, 160]
        assert len(card["numbers"]["spatial"]["mean_RxC"]) == 6
        assert card["numbers"]["temporal"]["read_after"] == 3
        assert make_config(card["config"]) == result.plan.trials[0].config
        row = result.scores[result.scores["trial"] == "a/b"].iloc[0]
        assert card["scores"]["UF1"]["mean"] == pytest.approx(row["UF1"])
    text = (result.folder / "models/a-b/seed0" / fold.replace("/", "-") / "card.md").read_text()
    assert f"It never saw the clips of {fold}" in text
    assert "say nothing about people" in text or "says nothing about people" in text
    assert f"UF1 {row['UF1']:.3f} [" in text


def test_clips_that_a_model_does_not_fit_are_refused(models, small_store):
    model = next(iter(models.values()))
    store = open_store(small_store)
    colour = replace(store, crops={name: np.stack([crop] * 3, -1) for name, crop in store.crops.items()})
    with pytest.raises(MerjaxError, match="or on gray ones while these are in colour"):
        model(colour)
    one_frame = replace(model, config=make_config(SETTINGS, "data.input=gray", "data.frames=count:1"))
    with pytest.raises(MerjaxError, match=r"trained without temporal.mask on longer ones"):
        one_frame(store)


def test_no_model_and_one_of_another_format_are_refused(models, result, tmp_path):
    with pytest.raises(MerjaxError, match="engine.save_models=true"):
        merjax.load_model(tmp_path)
    card = next(iter(models.values())).card
    (tmp_path / "card.json").write_text(json.dumps(card | {"format": 0}))
    with pytest.raises(MerjaxError, match="format 0"):
        merjax.load_model(tmp_path)
    with pytest.raises(MerjaxError, match="add fixed to selection.rules"):
        make_config("engine.save_models=true", "selection.rules=[inner]")


def test_a_model_keeps_what_belongs_to_the_run_and_not_what_belongs_to_clips():
    """Other clips have labels and features of their own; all else is the run's, and inference must not fit it again."""
    of_clips = {"target_N", "target_NxR", "features_SxRxD"}
    for numbers in (SpatialNumbers, TemporalNumbers, FlowNumbers):
        assert set(numbers._fields) - set(kept_fields(numbers)) == of_clips & set(numbers._fields)


def test_variables_come_back_from_the_names_in_a_models_file():
    """The names are JAX's own, as models saved by earlier versions have them."""
    tree = {"fc20": {"bias": np.zeros(2), "kernel": np.ones((3, 2))}, "scale_0": np.arange(3)}
    for variables in (Variables(tree, {"norm": {"mean": np.ones(3)}}), Variables(tree)):
        state = State(variables, None, None)
        flat = {jax.tree_util.keystr(path): x for path, x in jax.tree_util.tree_leaves_with_path(state)}
        assert by_name(variables).keys() == flat.keys()
        assert jax.tree.structure(from_names(flat)) == jax.tree.structure(variables)
        assert all(a is b for a, b in zip(jax.tree.leaves(from_names(flat)), jax.tree.leaves(variables), strict=True))


def test_a_saved_model_is_found_whole_and_one_without_its_parameters_is_not(result, tmp_path):
    folder = next((result.folder / "models" / "a-b" / "seed0").iterdir())
    found = list(examine_model(folder))
    assert not any(finding.fails for finding in found)
    assert [finding.found for finding in found if finding.what == "classes"] == ["negative, positive, surprise"]
    (tmp_path / "card.json").write_text((folder / "card.json").read_text())
    (lost,) = examine_model(tmp_path)
    assert lost.fails
    assert "train it again" in lost.todo


# where one of orbax's readers fails, the others still report to its event loop, which is closed by then
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["missing", "empty", "cut", "changed"])
def test_a_damaged_file_of_a_model_is_named_by_its_size_when_it_is_loaded_and_by_its_hash_by_the_doctor(
    result, tmp_path, how
):
    folder = next((result.folder / "models" / "a-b" / "seed0").iterdir())
    names = json.loads((folder / "card.json").read_text())["files"]
    assert sorted(names) == sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("parameters/**/*") if p.is_file()
    )
    for name in names:
        place = Path(shutil.copytree(folder, tmp_path / name.replace("/", "-")))
        path = place / name
        content = path.read_bytes()
        if how == "changed":
            path.write_bytes(bytes([*content[:-1], content[-1] ^ 1]))
            assert name in [finding.what for finding in examine_model(place) if finding.fails] or unreadable(place)
            continue
        path.unlink() if how == "missing" else path.write_bytes(content[: len(content) // 2 if how == "cut" else 0])
        with pytest.raises(MerjaxError, match=f"{re.escape(str(path))} .*; copy the model again"):
            merjax.load_model(place)
        assert any(finding.fails for finding in examine_model(place))


def unreadable(place):
    """Whether a model's parameters cannot be read, which is told with the folder's name."""
    with pytest.raises(MerjaxError, match=f"{re.escape(str(place))}.*; copy the model again"):
        merjax.load_model(place)
    return True


def test_a_model_of_an_earlier_merjax_that_noted_no_files_names_the_folder_of_its_parameters(result, tmp_path):
    folder = next((result.folder / "models" / "a-b" / "seed0").iterdir())
    shutil.copytree(folder, tmp_path / "model")
    card = json.loads((folder / "card.json").read_text())
    (tmp_path / "model" / "card.json").write_text(json.dumps({k: card[k] for k in card if k not in ("files", "check")}))
    assert merjax.load_model(tmp_path / "model").card["fold"] == card["fold"]
    for path in (tmp_path / "model" / "parameters").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(MerjaxError, match=r"model/parameters is damaged .*; copy the model again"):
        merjax.load_model(tmp_path / "model")


@pytest.mark.long
@pytest.mark.parametrize("networks", ["paper"], indirect=True)
def test_a_model_of_the_papers_networks_predicts_as_the_sweep_did_and_refuses_what_does_not_fit(
    result, models, small_store
):
    test_a_loaded_model_predicts_its_held_out_clips_as_the_sweep_did(result, models, small_store)
    test_clips_that_a_model_does_not_fit_are_refused(models, small_store)
