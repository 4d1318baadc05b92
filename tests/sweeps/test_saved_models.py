"""The models in a sweep's folder: where they lie, which are missing, and the scores that their cards get. Models that are
loaded again are in `tests/models/test_model.py`."""

import json

import pytest
from sklearn.metrics import f1_score
from support.fake_runs import small_clips, write_fake_run
from support.places import CHECKOUT

from merjax.models.card import write_card
from merjax.sweeps.result import open_sweep
from merjax.sweeps.saved_models import add_scores, model_folder, runs_without_model

CARD = json.loads((CHECKOUT / "tests/data/quickstart_of_0.1.0/card.json").read_text())
CASME2 = small_clips(("casme2",))
SAVES = {"engine": {"save_models": True}, "selection": {"rules": ["fixed", "oracle"]}}


def place_card(folder, fold, trial="focal"):
    """The folder of a run's model, with a card that has no scores yet."""
    place = model_folder(folder, trial, 0, fold)
    place.mkdir(parents=True)
    write_card(place, CARD | {"trial": trial, "fold": fold, "scores": None})
    return place


def test_runs_that_were_finished_without_models_are_told(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=CASME2, settings=SAVES)
    plan = open_sweep(folder).plan
    assert runs_without_model(folder, plan, plan.chunks) == plan.runs == 8
    place_card(folder, plan.groups[0].folds[1].name)
    assert runs_without_model(folder, plan, plan.chunks) == 7
    assert runs_without_model(folder, plan, plan.chunks[1:]) == 2
    plain = open_sweep(write_fake_run(tmp_path / "plain", clips=CASME2)).plan
    assert runs_without_model(tmp_path / "plain", plain, plain.chunks) == 0


def test_cards_get_the_scores_of_their_own_trial_after_its_whole_budget(tmp_path):
    """All folds pooled, scored by scikit-learn; what an oracle chose is on no card."""
    selections = {"fixed": 0.0, "oracle": 0.3}
    folder = write_fake_run(tmp_path / "r", clips=CASME2, settings=SAVES, selections=selections)
    result = open_sweep(folder)
    placed = [place_card(folder, result.plan.groups[0].folds[n].name, t.name) for n, t in enumerate(result.plan.trials)]
    add_scores(folder, result.plan, result.predictions)
    told = []
    for place, trial in zip(placed, result.plan.trials, strict=True):
        own = result.predictions[result.predictions["trial"] == trial.name]
        rows = own[own["selection"] == "fixed"]
        card = json.loads((place / "card.json").read_text())
        scores, _ = card.pop("scores"), card.pop("check")
        assert scores["UF1"]["mean"] == pytest.approx(f1_score(rows["label"], rows["prediction"], average="macro"))
        assert {key: card[key] for key in card if card[key] != CARD[key]}.keys() <= {"trial", "fold"}
        assert f"UF1 {scores['UF1']['mean']:.3f} [" in (place / "card.md").read_text()
        told.append(scores["UF1"]["mean"])
    assert told[0] != told[1]


def test_names_that_are_no_folder_names_have_folders_all_the_same(tmp_path):
    place = model_folder(tmp_path, "a/b", 3, "casme2/sub01")
    assert place == tmp_path / "models" / "a-b" / "seed3" / "casme2-sub01"


def test_subjects_whose_names_differ_only_in_signs_or_capitals_have_folders_of_their_own(tmp_path):
    folds = [f"own/{subject}" for subject in ("a b", "a_b", "a-b", "A b", "c", "???", "!!!", "x" * 300, "x" * 301)]
    places = [model_folder(tmp_path, "base", 0, fold, folds).name for fold in folds]
    assert len({place.casefold() for place in places}) == len(folds)
    assert max(map(len, places)) < 200
    assert places[4] == "own-c"  # a name that no other resembles stays as it was
    assert places == [model_folder(tmp_path, "base", 0, fold, reversed(folds)).name for fold in folds]
