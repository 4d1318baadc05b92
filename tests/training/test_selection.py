"""After how much of its budget a run is tested: the snapshots, the subjects that choose one, and the resulting scores."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, log_loss
from support.small_experiment import BASE, small_experiment, small_plan, use_small_experiment
from support.training import trained_by

import merjax.sweeps.plan
from merjax.config import make_config, program_group, trained_settings
from merjax.engine import Budget, Engine
from merjax.engine.engine import SNAPSHOTS
from merjax.methods.local_regions import jobs, spatial_job, temporal_job
from merjax.methods.registry import METHODS
from merjax.methods.runs import RunId, Trained, training_labels
from merjax.protocols import make_folds
from merjax.protocols.tasks import Task
from merjax.report.comparison import compare
from merjax.report.section import Section
from merjax.scoring.shuffled import over_permutations, shuffled_notes
from merjax.sweeps.plan import Plan
from merjax.sweeps.result import open_sweep
from merjax.sweeps.running.take_chunks import take_chunks
from merjax.sweeps.running.train_chunk import open_group, train_chunk
from merjax.system.errors import MerjaxError
from merjax.system.settings import identity
from merjax.training.selection import best_snapshot, chosen_snapshot, with_snapshots

ALL = {"selection": {"rules": ["fixed", "inner", "oracle"], "looks": 5}}


@pytest.fixture(scope="module", autouse=True)
def _small():
    """All tests share an engine, whose programs would not tell tiny networks from the paper's: so all train tiny ones."""
    with pytest.MonkeyPatch.context() as patch:
        use_small_experiment(patch.setattr)
        yield


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("map", 2, jax.devices())  # as for the small sweeps of other files, with which it shares programs


def specs_of(*layers) -> list[RunId]:
    return [RunId(make_config(BASE, *layers), 0, fold) for fold in range(4)]


@pytest.fixture(scope="module")
def looked_at(engine):
    return trained_by(jobs, small_experiment(), specs_of(ALL), engine)


def test_snapshots_are_evenly_spaced_and_the_last_one_is_the_end(looked_at):
    np.testing.assert_array_equal(looked_at.step_L, [5, 10, 15, 20, 24])  # 8 epochs of 12 clips in batches of 4
    assert looked_at.snapshots_PxLxNxK.shape == (4, 5, 12, 3)
    np.testing.assert_allclose(looked_at.snapshots_PxLxNxK.sum(-1), 1, rtol=1e-6)
    assert (looked_at.probability_PxNxK == looked_at.snapshots_PxLxNxK[:, -1]).all()
    assert not any(SNAPSHOTS in metrics for metrics in looked_at.curves.values())
    budget = Budget(4, 3)
    assert with_snapshots(budget, make_config().selection).snapshots == 0
    assert with_snapshots(budget, make_config(ALL).selection).snapshot_every == 1  # no more snapshots than steps


def test_taking_snapshots_changes_no_training(engine, looked_at):
    fixed = trained_by(jobs, small_experiment(), specs_of(), engine)
    assert fixed.snapshots_PxLxNxK.shape[1] == 1
    np.testing.assert_array_equal(fixed.probability_PxNxK, looked_at.probability_PxNxK)
    np.testing.assert_array_equal(fixed.curves["temporal"]["loss"], looked_at.curves["temporal"]["loss"])


def test_a_snapshot_is_what_training_with_that_budget_gives(engine, looked_at):
    """The claim behind "retrain": the run that stops at a snapshot's step gives its probabilities."""
    experiment, specs = small_experiment(), specs_of(ALL)
    config = specs[0].config
    stage, runs, frames, budget, _ = spatial_job(experiment, specs)
    assert budget == Budget(8, 12)  # 4 epochs of 24 frames
    state, _ = engine.fit(stage, runs, frames, budget, seed=0)
    features = engine.apply(stage, state.variables, runs, frames, batch=8)
    stage, runs, clips, *_ = temporal_job(experiment, specs, features)
    for number, steps in enumerate(looked_at.step_L):
        state, _ = engine.fit(stage, runs, clips, Budget(4, int(steps)), seed=0)
        logits = engine.apply(stage, state.variables, runs, clips, batch=config.temporal.batch)
        np.testing.assert_allclose(jax.nn.softmax(logits), looked_at.snapshots_PxLxNxK[:, number], atol=1e-6)
    first, last = looked_at.snapshots_PxLxNxK[:, 0], looked_at.snapshots_PxLxNxK[:, -1]
    assert np.abs(first - last).max() > 1e-3  # there was something to tell apart


def predicted(plan: Plan, engine: Engine) -> pd.DataFrame:
    """The predictions of a plan's only chunk."""
    (chunk,) = plan.chunks
    return train_chunk(plan, chunk, open_group(plan, 0)._replace(engine=engine), lambda progress: None)[0]


@pytest.fixture(scope="module")
def by_rule(engine) -> dict[str, pd.DataFrame]:
    """The predictions of one sweep by all three rules."""
    table = predicted(small_plan(base=BASE | ALL), engine)
    return {str(rule): own.reset_index(drop=True) for rule, own in table.groupby("selection")}


def test_one_sweep_runs_all_rules_on_the_same_clips(by_rule):
    assert by_rule.keys() == {"fixed", "inner", "oracle"}
    for table in by_rule.values():
        pd.testing.assert_frame_equal(table[["fold", "clip", "label"]], by_rule["fixed"][["fold", "clip", "label"]])
    assert (by_rule["fixed"]["step"] == 24).all()
    assert set(by_rule["inner"]["step"]) <= {5, 10, 15, 20, 24}


def test_the_fixed_rule_gives_what_a_sweep_without_the_others_gives(by_rule, engine):
    pd.testing.assert_frame_equal(predicted(small_plan(), engine), by_rule["fixed"])


def test_the_oracle_is_never_worse_than_the_whole_budget_on_what_it_looks_at(by_rule):
    right = {rule: (own["label"] == own["prediction"]).groupby(own["fold"]).sum() for rule, own in by_rule.items()}
    assert (right["oracle"] >= right["fixed"]).all()


def test_an_oracle_lifts_answers_at_random_far_above_chance():
    """68 subjects, 50 snapshots that know nothing: choosing per subject leaks about .3 of UF1 (evaluation of public code)."""
    rng = np.random.default_rng(0)
    target_N = rng.integers(0, 3, 442)
    subject_N = np.arange(442) % 68
    snapshots = rng.dirichlet(np.ones(3), (50, 442))
    answer = {rule: np.zeros(442, int) for rule in ("fixed", "oracle")}
    for subject in range(68):
        tested_N = subject_N == subject
        for rule, answer_N in answer.items():
            _, probability_NxK = chosen_snapshot(
                rule, "retrain", snapshots, None, target_N, tested_N, None, Task(("a", "b", "c")), subject_N
            )
            answer_N[tested_N] = probability_NxK[tested_N].argmax(1)
    fixed, oracle = (f1_score(target_N, answer[rule], average="macro") for rule in ("fixed", "oracle"))
    assert fixed == pytest.approx(1 / 3, abs=0.06)
    assert oracle > fixed + 0.25


def test_the_oracle_chooses_one_moment_for_each_subject_of_a_fold():
    """As if each subject had a fold of its own; the other rules choose one moment for the whole fold."""
    rng = np.random.default_rng(1)
    target_N, subject_N = rng.integers(0, 3, 60), np.repeat([f"sub{i}" for i in range(10)], 6)
    snapshots = rng.dirichlet(np.ones(3), (30, 60))
    tested_N = np.isin(subject_N, ["sub1", "sub4", "sub7"])
    chosen_N, probability_NxK = chosen_snapshot(
        "oracle", "retrain", snapshots, None, target_N, tested_N, None, Task(("a", "b", "c")), subject_N
    )
    for subject in ("sub1", "sub4", "sub7"):
        own_N = subject_N == subject
        right_L = (snapshots[:, own_N].argmax(-1) == target_N[own_N]).sum(1)
        (chosen,) = set(chosen_N[own_N])
        assert right_L[chosen] == right_L.max()
        np.testing.assert_array_equal(probability_NxK[own_N], snapshots[chosen, own_N])
    assert len(set(chosen_N[tested_N])) == 3
    one_N, _ = chosen_snapshot(
        "inner", "retrain", snapshots, snapshots, target_N, tested_N, ~tested_N, Task(("a", "b", "c")), subject_N
    )
    last_N, _ = chosen_snapshot(
        "fixed", "retrain", snapshots, None, target_N, tested_N, None, Task(("a", "b", "c")), subject_N
    )
    assert len(set(one_N)) == 1
    assert set(last_N) == {29}


def noisy_jobs(experiment, specs):
    """In place of a training: each clip is compared with the mean of each class's training clips in a fixed noisy feature,
    and each of 20 snapshots adds noise of its own."""
    yield from ()
    n, classes, snapshots = len(experiment.index), len(experiment.classes), 20
    feature_NxK = np.eye(classes)[experiment.target_N] + 1.3 * np.random.default_rng(0).normal(size=(n, classes))
    snapshots_PxLxNxK = np.empty((len(specs), snapshots, n, classes))
    for p, spec in enumerate(specs):
        train_N = experiment.folds[spec.fold].train_N
        label_N, _ = training_labels(experiment, spec)
        mean_KxD = np.stack([feature_NxK[train_N & (label_N == k)].mean(0) for k in range(classes)])
        rng = np.random.default_rng([spec.seed, spec.fold, len(spec.config.control), int(train_N.sum())])
        logits_NxK = 4 * feature_NxK @ mean_KxD.T - 2 * (mean_KxD**2).sum(1)
        noisy = logits_NxK + rng.normal(size=(snapshots, n, classes))
        snapshots_PxLxNxK[p] = np.exp(noisy) / np.exp(noisy).sum(-1, keepdims=True)
    curves = {"temporal": {"loss": np.zeros((len(specs), 1))}}
    return Trained(snapshots_PxLxNxK, np.arange(1, snapshots + 1), curves)


@pytest.fixture(scope="module")
def noisy_section(tmp_path_factory) -> Section:
    """Thirty people, a trial that learns and one on shuffled labels, by all rules, from chunks to the report's numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("support.small_experiment.SUBJECTS", 30)
        patch.setitem(METHODS, "local_regions", METHODS["local_regions"]._replace(jobs=noisy_jobs))
        trials = {"learns": {}, "shuffled": {"control": "shuffle"}}
        base = BASE | {"selection": {"rules": ["fixed", "inner", "oracle"], "looks": 20}, "engine": {"chunk": 60}}
        folder = tmp_path_factory.mktemp("noisy") / "run"
        small_plan(folder, base=base, trials=trials, seeds=3)
        take_chunks(folder)
    return Section(compare([open_sweep(folder)])[0])


def test_an_oracle_adds_to_every_trial_and_shuffled_labels_stay_at_chance_by_the_other_rules(noisy_section):
    inflation = noisy_section.inflation.set_index("entry")
    for name in ("learns, oracle (leaks)", "shuffled, oracle (leaks), shuffled labels"):
        for score in ("UF1", "UAR", "accuracy"):
            assert inflation.loc[name, f"{score}_low"] > 0.03
    (part,) = noisy_section.comparison.parts
    chance = noisy_section.controls.set_index("entry").loc["chance"]
    for entry in noisy_section.comparison.entries:
        if entry.control:
            for score, (low, high) in over_permutations(entry, part).items():
                if entry.selection == "oracle":
                    assert low > chance[score]
                else:
                    assert low <= chance[score] <= high, (entry.label, score)
    assert [note[:12] for note in shuffled_notes(noisy_section.comparison.entries, part)] == ["Above chance"]
    scores = noisy_section.scores.set_index("entry")
    assert scores.loc["learns", "UF1_low"] > chance["UF1"]


def test_a_paired_bootstrap_says_which_of_two_trials_is_better(noisy_section):
    """And `inner`, which uses training subjects alone, adds nothing that differs from 0."""
    differences = noisy_section.differences.set_index("entry")
    for score in ("UF1", "UAR", "accuracy"):
        assert differences.loc["shuffled, shuffled labels", f"{score}_high"] < 0
        assert differences.loc["learns, inner subjects", f"{score}_low"] < 0.05


def test_inner_takes_the_snapshot_that_is_best_on_inner_subjects(by_rule, engine, looked_at):
    """The same by hand: a training without the inner subjects, scored on them with scikit-learn."""
    inside = small_experiment().held_out_inside(0.2)
    inner = trained_by(jobs, inside, specs_of(ALL), engine)
    for f, fold in enumerate(inside.folds):
        asked_N = fold.test_N
        truth = inside.target_N[asked_N]
        snapshots = inner.snapshots_PxLxNxK[f][:, asked_N]
        marks = [
            (f1_score(truth, snapshot.argmax(-1), average="macro"), -log_loss(truth, snapshot, labels=[0, 1, 2]), i)
            for i, snapshot in enumerate(snapshots)
        ]
        best = max(marks)[2]
        outer = small_experiment().folds[f]
        own = by_rule["inner"][by_rule["inner"]["fold"] == outer.name]
        assert (own["step"] == inner.step_L[best]).all()
        columns = [f"p_{name}" for name in inside.classes]
        np.testing.assert_allclose(own[columns], looked_at.snapshots_PxLxNxK[f, best][outer.test_N], atol=1e-6)


def test_keeping_the_inner_model_tests_that_very_model_and_trains_no_other(engine):
    selection = {"selection": {"rules": ["inner"], "after": "keep", "looks": 5}}
    plan = small_plan(base=BASE | selection)
    assert list(plan.groups[0].cost) == ["inner spatial", "inner temporal"]
    table = predicted(plan, engine)
    experiment = small_experiment()
    inner = trained_by(jobs, experiment.held_out_inside(0.2), specs_of(ALL), engine)
    columns = [f"p_{name}" for name in experiment.classes]
    for f, fold in enumerate(experiment.folds):
        own = table[table["fold"] == fold.name]
        snapshot = list(inner.step_L).index(own["step"].iloc[0])
        np.testing.assert_allclose(own[columns], inner.snapshots_PxLxNxK[f, snapshot][fold.test_N], atol=1e-6)


def test_what_the_inner_rule_chooses_depends_on_nothing_of_the_held_out_subject(by_rule, engine, monkeypatch):
    """All pixels and labels of the subject that fold 1 holds out change; the snapshot chosen in fold 1 does not."""
    experiment = small_experiment()
    fold = experiment.folds[1]
    rows = np.isin(experiment.clip_S, np.flatnonzero(fold.test_N))
    crops = {name: np.where(rows[:, None, None], 255 - crop, crop) for name, crop in experiment.store.crops.items()}
    changed = replace(
        experiment,
        store=replace(experiment.store, crops=crops),
        target_N=np.where(fold.test_N, (experiment.target_N + 1) % 3, experiment.target_N),
        target_NxR=np.where(fold.test_N[:, None], 0, experiment.target_NxR),
    )
    monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda data: changed)
    table = predicted(small_plan(base=BASE | ALL), engine)
    own = table[(table["selection"] == "inner") & (table["fold"] == fold.name)]
    before = by_rule["inner"][by_rule["inner"]["fold"] == fold.name]
    assert set(own["step"]) == set(before["step"])
    assert (own["label"].to_numpy() != before["label"].to_numpy()).all()


def test_a_shuffled_control_shuffles_what_inner_subjects_are_asked_too(engine):
    """They are training subjects: a snapshot chosen by their true labels would let a control rise above chance."""
    experiment = small_experiment()
    base = BASE | {"selection": {"rules": ["inner"], "looks": 12}, "control": "shuffle"}
    table = predicted(small_plan(base=base), engine)
    specs = [RunId(make_config(base), 0, fold) for fold in range(4)]
    inside = experiment.held_out_inside(0.2)
    inner = trained_by(jobs, inside, specs, engine)
    by_truth = []
    for spec, snapshots_LxNxK in zip(specs, inner.snapshots_PxLxNxK, strict=True):
        asked_N = inside.folds[spec.fold].test_N
        shuffled_N, _ = training_labels(experiment, spec)
        best, true_best = (
            best_snapshot(snapshots_LxNxK[:, asked_N], labels[asked_N], experiment.task, "UF1")
            for labels in (shuffled_N, experiment.target_N)
        )
        own = table[table["fold"] == experiment.folds[spec.fold].name]
        assert (own["step"] == inner.step_L[best]).all()
        by_truth.append(best == true_best)
    assert not all(by_truth)


def test_the_best_snapshot_against_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 12)
    snapshots = rng.dirichlet(np.ones(3), (40, 12)).astype(np.float32)
    marks = [
        (f1_score(truth, snapshot.argmax(-1), average="macro"), -log_loss(truth, snapshot)) for snapshot in snapshots
    ]
    assert best_snapshot(snapshots, truth, Task(("a", "b", "c")), "UF1") == marks.index(max(marks))
    assert best_snapshot(
        np.concatenate([snapshots, snapshots]), truth, Task(("a", "b", "c")), "UF1"
    ) == 40 + marks.index(max(marks))  # the last of equals


def test_snapshots_of_a_diverged_run_are_the_last_choice():
    snapshots = np.full((4, 2, 2), np.nan)
    assert best_snapshot(snapshots, np.array([0, 1]), Task(("a", "b")), "accuracy") == 3
    snapshots[1] = [[0.1, 0.9], [0.9, 0.1]]  # all wrong, but finite
    assert best_snapshot(snapshots, np.array([0, 1]), Task(("a", "b")), "accuracy") == 1


def test_selection_is_no_part_of_a_trials_identity_but_splits_groups():
    base, other = make_config(), make_config(ALL)
    assert identity(base, trained_settings()) == identity(other, trained_settings())
    assert program_group(base) != program_group(other)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.34])
def test_inner_subjects_are_a_share_of_the_training_subjects_alike_in_classes(share):
    """40 people with clips of three classes, one of them rare; each fold's inner people have about the asked share of each."""
    rng = np.random.default_rng(0)
    clips_of = rng.integers(3, 12, 40)
    subject_N = np.repeat([f"sub{s:02d}" for s in range(40)], clips_of)
    target_N = rng.choice(3, len(subject_N), p=(0.6, 0.3, 0.1))
    index = pd.DataFrame({"database": "casme2", "subject": subject_N, "clip": np.arange(len(subject_N)).astype(str)})
    folds = make_folds(index, "loso")
    inside = replace(small_experiment(), index=index, target_N=target_N, folds=folds).held_out_inside(share)
    asked = []
    for inner, outer in zip(inside.folds, folds, strict=True):
        people = set(subject_N[inner.test_N])
        assert not people & set(subject_N[inner.train_N])
        assert not people & set(subject_N[outer.test_N])
        assert len(people) / 39 == pytest.approx(share, abs=0.06)
        for k in range(3):
            part = (target_N[inner.test_N] == k).sum() / (target_N[outer.train_N] == k).sum()
            assert part == pytest.approx(share, abs=0.09), (inner.name, k)
        asked.append(people)
    assert len(set.union(*asked)) > 35  # over the folds, nearly everyone is asked


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("selection.rules=[best]", r"selection.rules is \['best'\]; write any of fixed, inner, oracle"),
        ("selection.rules=[]", "selection.rules is"),
        ("selection.rules=[fixed,fixed]", "each once"),
        ("selection.inner=0.7", "selection.inner is 0.7; write a share of the training subjects, up to 0.5"),
        ("selection.looks=0", "selection.looks is 0, it must be above 0"),
        ("selection.after=stop", "selection.after"),
    ],
)
def test_wrong_settings_are_named(line, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        make_config(line)
