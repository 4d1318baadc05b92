"""What a finished sweep says of a final model: settings, budget and what to expect, over sweeps without training."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score
from support.fake_runs import fake_clips, small_clips, write_fake_run

from merjax.methods.registry import method_of
from merjax.models.final_card import holds_chance
from merjax.scoring.parts import TOGETHER
from merjax.scoring.scores import score_controls, score_entries
from merjax.sweeps.final_recipe import recipe_of
from merjax.sweeps.result import open_sweep
from merjax.system.errors import MerjaxError

CASME2 = small_clips(("casme2",))
ONE = {"focal": 0.7}


def made(folder, **asked):
    return open_sweep(write_fake_run(folder / "mine", **{"clips": CASME2, "skills": ONE} | asked))


def test_the_budget_is_the_whole_one_under_the_fixed_rule(tmp_path):
    result = made(tmp_path)
    recipe = recipe_of(result)
    config = result.plan.trials[0].config
    assert recipe.budget.steps == recipe.budget.whole == result.entries[0].steps
    assert recipe.source.config.temporal.epochs == config.temporal.epochs
    assert recipe.source.config.data.folds == "nobody:loso"
    assert recipe.source.config.engine.save_models
    assert recipe.source.config.spatial == config.spatial


def test_under_the_inner_rule_it_is_the_median_of_what_the_folds_chose(tmp_path):
    rules = {"selection": {"rules": ["fixed", "inner", "oracle"]}, "temporal": {"epochs": 11.3, "batch": 5}}
    chose = {"fixed": 0.0, "inner": 0.1, "oracle": 0.3}
    result = made(tmp_path, selections=chose, settings=rules, seeds=(0, 1, 2))
    recipe, group = recipe_of(result), result.plan.groups[0]
    own = result.predictions[result.predictions["selection"] == "inner"].drop_duplicates(["seed", "fold"])
    assert recipe.budget.rule == "inner"
    assert list(recipe.budget.chosen) == sorted(own["step"])
    assert recipe.budget.steps == round(own["step"].median())
    *_, trained = method_of("local_regions").steps(recipe.source.config, group.frames, group.clips).values()
    assert trained == recipe.budget.steps < recipe.budget.whole
    assert recipe.source.config.selection.rules == ("fixed",)
    expected = result.predictions[result.predictions["selection"] == "inner"].groupby("seed")
    uf1 = [f1_score(of_seed["label"], of_seed["prediction"], average="macro") for _, of_seed in expected]
    assert recipe.expected.scores["UF1"]["mean"] == pytest.approx(np.mean(uf1))


def test_every_number_of_steps_is_met_by_the_epochs_of_the_last_stage(tmp_path):
    """The budget is a number of steps, and what trains takes epochs."""
    from merjax.sweeps.final_recipe import shortened

    for method, settings in (("local_regions", {"temporal": {"epochs": 7.9, "batch": 7}}), ("off_apexnet", {})):
        result = made(tmp_path / method, settings={"method": method, **settings})
        config, group = result.plan.trials[0].config, result.plan.groups[0]
        of = method_of(method)
        *_, whole = of.steps(config, group.frames, group.clips).values()
        for steps in range(1, whole + 1):
            *_, trained = of.steps(shortened(config, steps, whole), group.frames, group.clips).values()
            assert trained == steps


def test_what_to_expect_is_what_the_reports_show(tmp_path):
    result = made(tmp_path, skills={"a": 0.6, "b": 0.9}, seeds=(0, 1))
    for entry, trial in zip(result.entries, ("a", "b"), strict=True):
        expected = recipe_of(result, trial).expected
        (row,) = score_entries([entry], [TOGETHER]).to_dict("records")
        controls = score_controls(entry, [TOGETHER]).set_index("control")
        own = result.predictions[result.predictions["trial"] == trial].groupby("seed")
        uar = [recall_score(seed["label"], seed["prediction"], average="macro") for _, seed in own]
        assert expected.scores["UAR"]["mean"] == pytest.approx(np.mean(uar))
        assert expected.scores["UF1"]["interval"] == [row["UF1_low"], row["UF1_high"]]
        assert expected.controls["chance"]["UF1"] == controls.loc["chance", "UF1"]
        assert (expected.models, expected.clips, expected.subjects) == (8, 13, 4)


def test_an_ensemble_is_expected_to_score_as_the_mean_of_its_seeds_did(tmp_path):
    result = made(tmp_path, seeds=(0, 1, 2))
    columns = ["p_negative", "p_positive", "p_surprise"]
    mean = result.predictions.groupby(["subject", "clip", "label"])[columns].mean().reset_index()
    uf1 = f1_score(mean["label"], mean[columns].to_numpy().argmax(1), average="macro")
    recipe = recipe_of(result, ensemble=True)
    assert recipe.seeds == (0, 1, 2)
    assert recipe.expected.scores["UF1"]["mean"] == pytest.approx(uf1)
    assert "together" in recipe.expected.of
    alone = recipe_of(result)
    assert alone.seeds == (0,)
    assert alone.expected.scores["UF1"]["mean"] != pytest.approx(uf1)


@pytest.mark.parametrize(("skill", "inside"), [(0.0, True), (0.95, False)])
def test_chance_is_inside_where_the_interval_of_uf1_does_not_lie_above_it(tmp_path, skill, inside):
    clips = fake_clips({"casme2": (20, 20, 20)}, {"casme2": 12})
    expected = recipe_of(made(tmp_path, clips=clips, skills={"focal": skill})).expected
    assert holds_chance({"expected": expected._asdict()}) == inside
    low, chance = expected.scores["UF1"]["interval"][0], expected.controls["chance"]["UF1"]
    assert inside == (low <= chance)


def test_of_a_search_it_takes_the_settings_that_most_folds_chose(tmp_path):
    result = made(tmp_path)
    (trial,), folds = result.plan.trials, [fold.name for fold in result.plan.groups[0].folds]
    few = trial._replace(folds=tuple(folds[:1]))
    wide = replace(trial.config, temporal=replace(trial.config.temporal, dropout_fc=0.1))
    most = trial._replace(config=wide, folds=tuple(folds[1:]))
    searched = replace(result, plan=replace(result.plan, trials=(few, most), group_of_trial=(0, 0)))
    recipe = recipe_of(searched)
    assert recipe.source.config.temporal.dropout_fc == 0.1
    assert "most folds chose (3 of 4)" in recipe.source.settings
    assert recipe_of(result).source.settings == ""


@pytest.mark.parametrize(
    ("asked", "trial", "ensemble", "said"),
    [
        ({"skills": {"a": 0.5, "b": 0.5}}, "", False, "has the trials a, b; say which one with --trial"),
        ({"skills": {"focal": 0.5, "b": 0.5}}, "focul", False, "has no trial `focul`; did you mean focal"),
        (
            {"unfinished": [0]},
            "",
            False,
            "lacks 4 runs, so its scores are not known yet; run the line of `merjax sweep` again",
        ),
        ({}, "", True, "trains a model for each seed of the sweep, and mine has one"),
        (
            {"settings": {"selection.rules": ["oracle"]}, "selections": {"oracle": 0.3}},
            "",
            False,
            r"chose its budget on the held-out subjects alone .* selection.rules=\[fixed\] or \[inner\]",
        ),
        (
            {"settings": {"spatial.trained_on": "all frames"}},
            "",
            False,
            "leaks: frames of its held-out subjects trained",
        ),
        ({"settings": {"control": "shuffle"}}, "", False, r"was trained on shuffled labels \(control: shuffle\)"),
        ({"settings": {"method": "linear_svm"}}, "", False, "has no network to keep"),
        (
            {"folds": {"casme2->samm": CASME2["database"] == "casme2"}, "settings": {"data.folds": "cross_database"}},
            "",
            False,
            "has folds across databases .* run the sweep with data.folds=loso",
        ),
    ],
)
def test_what_cannot_be_a_final_model_is_refused_with_what_to_do(tmp_path, asked, trial, ensemble, said):
    with pytest.raises(MerjaxError, match=said):
        recipe_of(made(tmp_path, **asked), trial, ensemble=ensemble)
