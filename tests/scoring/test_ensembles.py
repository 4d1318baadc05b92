"""Ensembles: the mean of several seeds' probabilities, of one trial or of several."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from support.fake_runs import write_fake_run

from merjax.report.comparison import compare
from merjax.report.ensembles import ensemble_texts
from merjax.report.section import Section
from merjax.scoring.ensembles import seeds_together, trials_together
from merjax.scoring.parts import Part
from merjax.scoring.scores import entry_scores
from merjax.sweeps.result import open_sweep

P = ["p_negative", "p_positive", "p_surprise"]
SKILLS = {"a": 0.5, "b": 0.4}


def entries_of(folder, **asked):
    return compare([open_sweep(write_fake_run(folder / "run", seeds=(0, 1, 2), skills=SKILLS, **asked))])[0].entries


def by_hand(*tables: pd.DataFrame) -> pd.DataFrame:
    """The mean probabilities over seeds, then over trials."""
    keys = ["database", "subject", "clip", "label"]
    return sum(table.groupby(keys)[P].mean() for table in tables) / len(tables)


@pytest.mark.parametrize("together", ["seeds", "trials"])
def test_an_ensemble_answers_with_the_highest_mean_probability(tmp_path, together):
    a, b = entries_of(tmp_path)
    if together == "seeds":
        (found, _), mean = seeds_together([a, b]), by_hand(a.predictions)
        assert found.label == "a, 3 seeds together"
    else:
        (found,) = trials_together([a, b], {("mine", "both"): ("a", "b")})
        assert found.label == "both (a + b together)"
        mean = by_hand(a.predictions, b.predictions)
    truth, answer = mean.index.get_level_values("label"), mean.to_numpy().argmax(1)
    assert entry_scores(found, Part("FULL"))["UF1"] == pytest.approx(f1_score(truth, answer, average="macro"))
    assert len(found.predictions) == len(mean)


def test_a_run_that_diverged_has_no_say(tmp_path):
    entry, *_ = entries_of(tmp_path)
    own = entry.predictions
    lost = (own["seed"] == 1) & (own["fold"] == own["fold"].iloc[0])
    own.loc[lost, "prediction"], own.loc[lost, P] = -1, np.nan
    (found,) = seeds_together([entry])
    one = own[lost].iloc[0]
    rest = own[(own["clip"] == one["clip"]) & (own["subject"] == one["subject"]) & (own["database"] == one["database"])]
    clip = found.predictions.set_index(["database", "subject", "clip"]).loc[
        (one["database"], one["subject"], one["clip"])
    ]
    np.testing.assert_allclose(clip[P].astype(float), rest[rest["seed"] != 1][P].mean(), rtol=1e-6)


def test_oracles_single_seeds_and_unknown_trials_have_no_ensemble(tmp_path):
    fixed, oracle, *_ = entries_of(tmp_path, selections={"fixed": 0.0, "oracle": 0.2})
    assert oracle.selection == "oracle"
    assert seeds_together([oracle]) == []
    assert trials_together([fixed, oracle], {("mine", "x"): ("a", "missing"), ("other", "x"): ("a", "a")}) == []


def test_a_report_has_a_table_of_ensembles(tmp_path):
    result = open_sweep(write_fake_run(tmp_path / "run", seeds=(0, 1), skills=SKILLS))
    section = Section(compare([result])[0])
    whole, *_ = ensemble_texts(section)
    assert [row[0] for row in whole.rows] == ["a, 2 seeds together", "b, 2 seeds together"]
    assert set(section.ensembles["entry"]) == {"a, 2 seeds together", "b, 2 seeds together"}
    asked = replace(result, plan=replace(result.plan, ensembles={"both": ("a", "b")}))
    (whole, *_) = ensemble_texts(Section(compare([asked])[0]))
    assert whole.rows[-1][0] == "both (a + b together)"
    one = Section(compare([open_sweep(write_fake_run(tmp_path / "one", skills=SKILLS))])[0])
    assert ensemble_texts(one) == []
    assert one.ensembles.empty
