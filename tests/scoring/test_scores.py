"""Report scores against scikit-learn and hand-made bootstraps; coverage of the intervals on simulated subjects."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference
from support.fake_runs import loso, megc_clips, small_clips, write_fake_run

from merjax.config import make_config
from merjax.protocols import FoldId
from merjax.protocols.tasks import Task
from merjax.report.comparison import compare
from merjax.scoring.counts import counted_labels, subject_bootstrap
from merjax.scoring.entry import Entry, GroupData
from merjax.scoring.metrics import SCORES, accuracy, interval
from merjax.scoring.parts import Part, of_part, parts_of
from merjax.scoring.scores import (
    COVERAGE,
    are_paired,
    control_table,
    fold_accuracy,
    resampled,
    score_classes,
    score_controls,
    score_differences,
    score_entries,
    score_subjects,
    score_table,
    share_losing_a_class,
)
from merjax.sweeps.folder import read_plan, read_predictions
from merjax.sweeps.result import open_sweep

XYZ = Task(("x", "y", "z"))
UAR = reference.balanced_accuracy_score


def macro_f1(truth, prediction):
    return reference.f1_score(truth, prediction, average="macro")


def rows_by_part(rows):
    yield "FULL", rows
    yield from rows.groupby("database")


def seeds_of(rows):
    return [own for _, own in rows.groupby("seed")]


@pytest.fixture(scope="module")
def run_rows(tmp_path_factory):
    """A comparison over three databases and three seeds, and its saved predictions read without the report's code."""
    folder = write_fake_run(tmp_path_factory.mktemp("runs") / "r", clips=megc_clips(), seeds=(0, 1, 2), chunk_runs=40)
    return compare([open_sweep(folder)])[0], pd.concat(
        map(pd.read_parquet, sorted(folder.glob("predictions-*.parquet")))
    )


def test_every_score_is_scikit_learns_of_the_saved_predictions(run_rows):
    comparison, rows = run_rows
    scores = score_entries(comparison.entries, comparison.parts).set_index(["part", "trial"])
    assert {part.name for part in comparison.parts} == {"FULL", "smic", "casme2", "samm"}
    for part, of_part_rows in rows_by_part(rows):
        for trial, own in of_part_rows.groupby("trial"):
            got = scores.loc[(part, trial)]
            for name, score in (("UF1", macro_f1), ("UAR", UAR), ("accuracy", reference.accuracy_score)):
                values = [score(seed["label"], seed["prediction"]) for seed in seeds_of(own)]
                assert got[name] == pytest.approx(np.mean(values))
                assert got[f"{name}_sd"] == pytest.approx(np.std(values, ddof=1))
                assert got[f"{name}_low"] < got[name] < got[f"{name}_high"]
            assert got["clips"] == len(own) / 3
            assert got["subjects"] == (own["database"] + own["subject"]).nunique()


def test_class_scores_and_subject_scores_are_scikit_learns(run_rows):
    comparison, rows = run_rows
    classes = score_classes(comparison.entries, comparison.parts).set_index(["part", "entry"]).sort_index()
    for part, of_part_rows in rows_by_part(rows):
        for trial, own in of_part_rows.groupby("trial"):
            f1 = np.mean([reference.f1_score(s["label"], s["prediction"], average=None) for s in seeds_of(own)], axis=0)
            recall = np.mean(
                [reference.recall_score(s["label"], s["prediction"], average=None) for s in seeds_of(own)], axis=0
            )
            np.testing.assert_allclose(classes.loc[(part, trial), "F1"], f1)
            np.testing.assert_allclose(classes.loc[(part, trial), "recall"], recall)
    subjects = score_subjects(comparison.entries).set_index(["entry", "database", "subject"]).sort_index()
    for key, own in rows.groupby(["trial", "database", "subject"]):
        assert subjects.loc[key, "accuracy"] == pytest.approx(reference.accuracy_score(own["label"], own["prediction"]))
        assert subjects.loc[key, "clips"] == len(own) / 3


def test_intervals_and_chance_are_those_of_a_plain_loop_with_scikit_learn(run_rows):
    """Subjects drawn one by one, answers drawn one by one, other random numbers, scikit-learn's scores: the same intervals up
    to the noise of the draws."""
    comparison, rows = run_rows
    got = score_entries(comparison.entries[:1], [Part("samm")]).iloc[0]
    own = rows[(rows["trial"] == got["trial"]) & (rows["database"] == "samm")]
    truths, answers = ([seed[name].to_numpy() for seed in seeds_of(own)] for name in ("label", "prediction"))
    of_subject = [np.flatnonzero((seeds_of(own)[0]["subject"] == s).to_numpy()) for s in own["subject"].unique()]
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(150):
        clips = np.concatenate([of_subject[i] for i in rng.choice(len(of_subject), len(of_subject))])
        drawn.append(
            np.mean([by_scikit_learn(t[clips], a[clips]) for t, a in zip(truths, answers, strict=True)], axis=0)
        )
    compare_quantiles(got, drawn)
    chance = score_controls(comparison.base, [Part("samm")]).set_index("entry").loc["chance"]
    drawn = [by_scikit_learn(truths[0], rng.choice(truths[0], len(truths[0]))) for _ in range(150)]
    compare_quantiles(chance, drawn)
    np.testing.assert_allclose([chance[name] for name in SCORES], np.mean(drawn, 0), atol=0.012)


def by_scikit_learn(truth, prediction):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a draw may lose a class
        return macro_f1(truth, prediction), UAR(truth, prediction), reference.accuracy_score(truth, prediction)


def compare_quantiles(got, drawn):
    for (low, high), name in zip(np.quantile(drawn, (0.025, 0.975), axis=0).T, SCORES, strict=True):
        noise = 0.4 * (high - low)  # 150 draws: about four standard errors of such a quantile
        assert got[f"{name}_low"] == pytest.approx(low, abs=noise), name
        assert got[f"{name}_high"] == pytest.approx(high, abs=noise), name


def test_every_interval_of_a_report_is_its_own_draws_scored_with_scikit_learn(run_rows, monkeypatch):
    """They agree exactly: the same draws of subjects, each scored by scikit-learn on the drawn rows; differences likewise."""
    monkeypatch.setattr("merjax.scoring.resamples.DRAWS", 8)
    comparison, rows = run_rows
    scores = score_entries(comparison.entries, comparison.parts).set_index(["part", "trial"])
    differences = score_differences(comparison.base, comparison.entries[1:], comparison.parts).set_index("part")
    for part, of_part_rows in rows_by_part(rows):
        drawn = {}
        for trial, own in of_part_rows.groupby("trial"):
            person = (own["database"] + "/" + own["subject"]).to_numpy(str)
            people, number_N = np.unique(person, return_inverse=True)
            times = np.random.default_rng(0).multinomial(len(people), np.full(len(people), 1 / len(people)), size=8)
            seed_N = own["seed"].to_numpy()
            table = []
            for n_times in times:
                values = []
                for seed in range(3):
                    rows_S = np.repeat(np.flatnonzero(seed_N == seed), n_times[number_N[seed_N == seed]])
                    values.append(
                        by_scikit_learn(own["label"].to_numpy()[rows_S], own["prediction"].to_numpy()[rows_S])
                    )
                table.append(np.mean(values, axis=0))
            drawn[trial] = np.array(table)
            low, high = np.quantile(table, (0.025, 0.975), axis=0)
            got = scores.loc[(part, trial)]
            np.testing.assert_allclose([got[f"{name}_low"] for name in SCORES], low)
            np.testing.assert_allclose([got[f"{name}_high"] for name in SCORES], high)
        low, high = np.quantile(drawn["cross-entropy"] - drawn["focal"], (0.025, 0.975), axis=0)
        np.testing.assert_allclose([differences.loc[part, f"{name}_low"] for name in SCORES], low, atol=1e-12)
        np.testing.assert_allclose([differences.loc[part, f"{name}_high"] for name in SCORES], high, atol=1e-12)


def test_a_difference_is_that_of_the_scores_and_its_interval_is_paired(tmp_path):
    """A trial that differs from the base in one clip has a narrow interval of the difference; unpaired it would be wide."""
    folder = write_fake_run(tmp_path / "r", clips=megc_clips(), skills={"a": 0.6}, chunk_runs=100)
    base = compare([open_sweep(folder)])[0].base
    other = base.predictions.copy()
    changed = other.index[other["prediction"] != other["label"]][0]
    other.loc[changed, "prediction"] = other.loc[changed, "label"]
    entry = type(base)(**{**vars(base), "label": "b", "predictions": other})
    row = score_differences(base, [entry], [Part("FULL")]).iloc[0]
    scores = score_entries([base, entry], [Part("FULL")])
    assert row["accuracy"] == pytest.approx(1 / 442)
    for name in SCORES:
        assert row[name] == pytest.approx(scores[name][1] - scores[name][0])
        width = row[f"{name}_high"] - row[f"{name}_low"]
        assert 0 <= width < 0.2 * (scores[f"{name}_high"][0] - scores[f"{name}_low"][0])


def simulated_subjects(rng, people, classes=3):
    """Subjects with their own accuracy and number of clips; clips of one person are alike."""
    skill = rng.beta(4, 2, people)
    clips = rng.integers(2, 12, people)
    subject_N = np.repeat(np.arange(people), clips)
    truth_N = rng.choice(classes, len(subject_N), p=(0.5, 0.3, 0.2))
    wrong_N = (truth_N + rng.integers(1, classes, len(subject_N))) % classes
    return truth_N, np.where(rng.random(len(subject_N)) < skill[subject_N], truth_N, wrong_N), subject_N


@pytest.mark.parametrize(("people", "share"), COVERAGE.items())
def test_95_percent_intervals_cover_the_truth_as_often_as_reports_say(people, share):
    rng = np.random.default_rng(people)
    everyone = simulated_subjects(rng, 60_000)
    population = counted_labels(XYZ, *everyone[:2])
    truth = {name: float(score(population)) for name, score in SCORES.items()}
    experiments, covered = 400, dict.fromkeys(SCORES, 0)
    for _ in range(experiments):
        draws = subject_bootstrap(XYZ, *simulated_subjects(rng, people), draws=400, seed=int(rng.integers(2**31)))
        for name, score in SCORES.items():
            low, high = interval(score(draws))
            covered[name] += low <= truth[name] <= high
    found = {name: count / experiments for name, count in covered.items()}
    tolerance = 3.3 * np.sqrt(share * (1 - share) / experiments)
    for name in SCORES:
        assert found[name] == pytest.approx(share, abs=tolerance), found


def test_clips_drawn_one_by_one_would_cover_less():
    """The simulation tells the two apart: resampling clips instead of subjects misses the truth too often."""
    rng = np.random.default_rng(1)
    everyone = simulated_subjects(rng, 60_000)
    truth = float(accuracy(counted_labels(XYZ, *everyone[:2])))
    covered = 0
    for _ in range(120):
        truth_N, prediction_N, _ = simulated_subjects(rng, 68)
        draws = subject_bootstrap(XYZ, truth_N, prediction_N, np.arange(len(truth_N)), draws=200)
        low, high = interval(accuracy(draws))
        covered += low <= truth <= high
    assert covered / 120 < 0.91


def entry_of(clips, prediction_N, label):
    """An entry of one seed, as a run would give it."""
    data = GroupData("", "", "", "", "megc3", ("a", "b", "c"), (FoldId("x"),), len(clips), 0, 0)
    predictions = clips.assign(prediction=prediction_N, fold="x", seed=0)
    return Entry(label, label, make_config(), {}, "fixed", "", data, (0,), (0,), 1, 1.0, 1, predictions)


def test_paired_differences_cover_the_difference_of_two_trials_and_find_one(monkeypatch):
    """Through `score_differences`, all scores. Two trials of equal skill on the same people: the interval covers 0 in about
    94 % of experiments; for a trial that is right more often by a fifth, it nearly always excludes 0."""
    monkeypatch.setattr("merjax.scoring.scores.DRAWS", 150)
    rng = np.random.default_rng(2)
    experiments = 50
    covered, found = (dict.fromkeys(SCORES, 0) for _ in range(2))
    for _ in range(experiments):
        truth_N, _, subject_N = simulated_subjects(rng, 68)
        clips = pd.DataFrame(
            {"database": "casme2", "subject": subject_N.astype(str), "clip": np.arange(len(truth_N)).astype(str)}
        ).assign(label=truth_N)
        skill = rng.beta(4, 2, 68)[subject_N]

        def answers(skill_N, truth_N=truth_N):
            wrong_N = (truth_N + rng.integers(1, 3, len(truth_N))) % 3
            return np.where(rng.random(len(truth_N)) < skill_N, truth_N, wrong_N)

        base, equal, better = (
            entry_of(clips, answers(own), name)
            for own, name in ((skill, "base"), (skill, "equal"), (np.minimum(skill + 0.2, 1), "better"))
        )
        rows = score_differences(base, [equal, better], [Part("casme2")]).set_index("entry")
        for name in SCORES:
            covered[name] += rows.loc["equal", f"{name}_low"] <= 0 <= rows.loc["equal", f"{name}_high"]
            found[name] += rows.loc["better", f"{name}_low"] > 0
    for name in SCORES:
        assert covered[name] / experiments == pytest.approx(0.94, abs=3.3 * np.sqrt(0.94 * 0.06 / experiments)), covered
        assert found[name] / experiments > 0.9, found


def test_resamples_that_lose_a_class_are_counted(run_rows):
    """By a plain count of the people drawn; a class that one person alone shows is lost in about (1 - 1/n)^n of draws."""
    clips = pd.DataFrame({"database": "smic", "subject": list("aabbccdd"), "label": [0, 1] * 3 + [0, 2], "seed": 0})
    assert share_losing_a_class(clips, XYZ) == pytest.approx(0.75**4, abs=0.04)
    assert share_losing_a_class(clips[clips["label"] < 2], XYZ) == pytest.approx(0.25**4, abs=0.01)
    assert share_losing_a_class(of_part(run_rows[0].base.predictions, Part("FULL")), XYZ) == 0


def test_the_mean_of_the_folds_accuracies_counts_every_fold_alike(run_rows):
    comparison, rows = run_rows
    score = score_entries(comparison.entries[:1], comparison.parts).set_index("part")["fold_accuracy"]
    own = rows[rows["trial"] == comparison.entries[0].trial]
    for part, of_part_ in rows_by_part(own):
        right = [
            np.mean([(f["label"] == f["prediction"]).mean() for _, f in of_seed.groupby("fold")])
            for of_seed in seeds_of(of_part_)
        ]
        assert score[part] == pytest.approx(np.mean(right))
    uneven = pd.DataFrame({"seed": 0, "fold": ["a", "b", "b", "b"], "label": 1, "prediction": [1, 0, 0, 0]})
    assert fold_accuracy(uneven) == 0.5
    assert np.isnan(fold_accuracy(uneven[1:]))


def test_controls_are_majority_and_chance_of_each_part(run_rows):
    comparison, rows = run_rows
    controls = score_controls(comparison.base, comparison.parts).set_index(["part", "entry"])
    assert controls.loc[("FULL", "majority"), "UF1"] == pytest.approx(0.241, abs=5e-4)
    for part, own in rows_by_part(rows):
        one = own[(own["trial"] == own["trial"].iloc[0]) & (own["seed"] == 0)]
        majority = np.full(len(one), one["label"].mode()[0])
        assert controls.loc[(part, "majority"), "UF1"] == pytest.approx(
            reference.f1_score(one["label"], majority, average="macro", zero_division=0)
        )
        assert controls.loc[(part, "chance"), "UAR"] == pytest.approx(1 / 3, abs=0.01)


def test_diverged_runs_count_as_wrong(tmp_path):
    folder = write_fake_run(tmp_path / "r", skills={"a": 1.0}, diverged=[("a", 0), ("a", 3)])
    entry = compare([open_sweep(folder)])[0].base
    row = score_entries([entry], [Part("FULL")]).iloc[0]
    lost = (entry.predictions["prediction"] < 0).mean()
    assert lost > 0
    assert row["accuracy"] == pytest.approx(1 - lost)
    assert row["diverged"] == 2


def test_cross_database_folds_are_scored_by_themselves(tmp_path):
    clips = small_clips()
    database_N = clips["database"].to_numpy(str)
    folds = {
        "casme2+smic->samm": database_N == "samm",
        "casme2->samm": database_N == "samm",
        "samm->casme2": database_N == "casme2",
    }
    comparison = compare([open_sweep(write_fake_run(tmp_path / "r", clips=clips, folds=folds))])[0]
    assert [part.name for part in comparison.parts] == list(folds)
    assert comparison.parts[0].title == "CASME II & SMIC-HS → SAMM"
    scores = score_entries(comparison.entries, comparison.parts)
    assert set(scores["clips"][scores["part"] == "casme2->samm"]) == {10}
    assert (comparison.base.predictions.groupby("clip").size() > 1).any()  # pooled, clips would count twice


def test_parts_of_one_database_and_of_an_incomplete_set(tmp_path):
    for databases, expected in (
        (("casme2",), ("casme2",)),
        (("samm", "casme2"), ("together", "casme2", "samm")),
    ):
        clips = small_clips(databases)
        predictions = clips.assign(fold="x", seed=0)
        parts = parts_of("megc3", [FoldId("x")], predictions)
        assert tuple(part.name for part in parts) == expected
        assert len(of_part(predictions, parts[0])) == len(clips)


def test_resampling_draws_the_same_subjects_for_all_seeds(tmp_path):
    """With predictions that are equal in all seeds, the draws are those of one seed."""
    folder = write_fake_run(tmp_path / "r", skills={"a": 1.0}, seeds=(0, 1, 2), chunk_runs=100)
    entry = compare([open_sweep(folder)])[0].base
    predictions = entry.predictions.assign(prediction=0)
    one_seed = predictions[predictions["seed"] == 0]
    for name, draws in resampled(predictions, entry.task).items():
        np.testing.assert_allclose(draws, resampled(one_seed, entry.task)[name])


def test_resampling_draws_whole_people_and_a_person_is_of_one_database():
    """Two people of one name, one always right and one always wrong: a resample has both, or one of them twice."""
    rows = pd.DataFrame({"database": np.repeat(["smic", "samm"], 10), "subject": "s00", "label": 0, "seed": 0})
    rows["prediction"] = np.repeat([0, 1], 10)
    assert set(resampled(rows, Task(("a", "b")))["accuracy"]) == {0, 0.5, 1}


def test_selections_and_controls_are_entries_of_their_own(tmp_path):
    folder = write_fake_run(
        tmp_path / "r",
        skills={"a": 0.5},
        selections={"fixed": 0.0, "inner": 0.1, "oracle": 0.4},
        settings={"control": "shuffle"},
    )
    entries = compare([open_sweep(folder)])[0].entries
    assert [entry.label for entry in entries] == [
        "a, shuffled labels",
        "a, inner subjects, shuffled labels",
        "a, oracle (leaks), shuffled labels",
    ]
    assert [len(entry.predictions) for entry in entries] == [35, 35, 35]
    kept = write_fake_run(
        tmp_path / "k", skills={"a": 0.5}, selections={"inner": 0.0}, settings={"selection": {"after": "keep"}}
    )
    assert compare([open_sweep(kept)])[0].base.label == "a, inner subjects, model kept"
    assert score_entries(entries, [Part("FULL")])["selection"].tolist() == ["fixed", "inner", "oracle (leaks)"]


def test_unfinished_trials_are_scored_on_complete_seeds_or_marked_partial(tmp_path):
    clips = small_clips()
    n_folds = len(loso(clips))
    folder = write_fake_run(tmp_path / "r", clips=clips, seeds=(0, 1), chunk_runs=n_folds, unfinished=(1, 2))
    run = open_sweep(folder)
    entries = compare([run])[0].entries
    assert [entry.label for entry in entries] == ["focal, 1 of 2 seeds", "cross-entropy, 1 of 2 seeds"]
    assert [entry.seeds for entry in entries] == [(0,), (1,)]
    assert len(run.missing) == 2 * n_folds
    assert are_paired(*entries)
    folder = write_fake_run(tmp_path / "s", clips=clips, chunk_runs=n_folds - 2, unfinished=(1, 2))
    entry = compare([open_sweep(folder)])[0].base
    assert entry.is_partial
    assert entry.label == f"focal, partial: {n_folds - 2} of {n_folds} folds"
    assert not are_paired(entry, entries[0])


def test_the_sweeps_table_pools_no_cross_database_folds(tmp_path):
    """Each pair is scored by itself, and so are majority and chance."""
    clips = small_clips(("casme2", "smic"))
    folds = {f"{a}->{b}": (clips["database"] == b).to_numpy() for a, b in (("casme2", "smic"), ("smic", "casme2"))}
    folder = write_fake_run(tmp_path / "run", clips=clips, folds=folds)
    plan = read_plan(folder)
    predictions = read_predictions(folder, plan.chunks)
    entries = open_sweep(folder).entries
    table, controls = score_table(entries), control_table(entries)
    for part, fold in (("CASME II → SMIC-HS", "casme2->smic"), ("SMIC-HS → CASME II", "smic->casme2")):
        rows = table[table["part"] == part]
        assert list(rows["trial"]) == [trial.name for trial in plan.trials]
        own = predictions[(predictions["fold"] == fold) & (predictions["trial"] == plan.trials[0].name)]
        assert rows["clips"].iloc[0] == len(own) == folds[fold].sum()
        assert rows["UF1"].iloc[0] == pytest.approx(macro_f1(own["label"], own["prediction"]))
        assert (controls[controls["part"] == part]["clips"] == len(own)).all()
    assert len(table) == 2 * len(plan.trials)
