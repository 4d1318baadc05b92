"""Search: what is proposed, which scores the sampler gets and on which clips, and kills between and within batches."""

import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.metrics import f1_score, log_loss
from support.small_experiment import BASE, small_experiment, use_small_experiment

import merjax.sweeps.running.search
from merjax.protocols.folds import subjects_of
from merjax.sweeps import samplers
from merjax.sweeps.folder import read_plan, read_predictions, write_chunk
from merjax.sweeps.kept_stages import stages_of
from merjax.sweeps.plan import Plan, make_plan, plan_from_json
from merjax.sweeps.running.planned import batch_of
from merjax.sweeps.running.search import _at_home, _journalled, _scores_on_disk, choices, fold_scores, search
from merjax.sweeps.samplers import make_sampler
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.errors import MerjaxError
from merjax.system.signals import Interrupted

FOLDS = tuple(f"casme2/sub{s:02d}" for s in range(4))

SPACE = {
    "loss.gamma": {"low": 0, "high": 4},
    "spatial.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "temporal.units": [4, 8],
    "regions": [["eyes"], ["eyes", "mouth"]],
}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    monkeypatch.setattr(samplers, "STARTUP", 1)  # so that small searches have several batches


def sweep(trials=8, seeds=1, **said):
    content = {"base": BASE, "seeds": seeds, "search": {"space": SPACE, "trials": trials, "sampler": "tpe"} | said}
    return make_sweep(content, "small")


class Trainer:
    """Predicts better the closer gamma is to each fold's ideal; is killed before a number of batches."""

    def __init__(self, killed_at: int = -1, ideals=(1, 1, 1, 1)) -> None:
        self.killed_at, self.plans, self.ideals = killed_at, [], ideals

    def __call__(self, folder: Path, plan: Plan) -> None:
        if len(self.plans) == self.killed_at:
            raise KeyboardInterrupt
        self.plans.append(plan)
        experiment = small_experiment().held_out_inside(plan.inner)
        for chunk in plan.chunks:
            tables = []
            for trial, fold in chunk.runs:
                test_N = experiment.folds[fold].test_N
                label_N = experiment.target_N[test_N]
                gamma = plan.trials[trial].config.loss.gamma
                far = abs(gamma - self.ideals[fold])
                right = np.arange(len(label_N)) / len(label_N) >= far / 3
                probability_NxK = np.full((len(label_N), 3), (1 - np.exp(-far)) / 3)
                probability_NxK[np.arange(len(label_N)), label_N] += np.exp(-far)
                own = experiment.index.loc[test_N, ["database", "subject", "clip"]].assign(
                    fold=experiment.folds[fold].name,
                    label=label_N,
                    prediction=np.where(right, label_N, (label_N + 1) % 3),
                    **{f"p_{name}": probability_NxK[:, k] for k, name in enumerate(experiment.classes)},
                    trial=plan.trials[trial].name,
                    seed=chunk.seed,
                )
                tables.append(own)
            write_chunk(folder, chunk, pd.concat(tables), pd.DataFrame({"step": [0]}))


def plan_one(sweep):
    return make_plan(sweep, 1)


def study_of(folder: Path) -> optuna.Study:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "search" / "study.journal"))
    return optuna.load_study(study_name="small", storage=optuna.storages.JournalStorage(backend))


def test_a_search_trains_batches_of_proposals_and_chooses_the_best(tmp_path):
    trainer = Trainer()
    chosen, tried = search(sweep(), tmp_path, 4, plan_one, trainer)
    assert [len(plan.trials) for plan in trainer.plans] == [4, 4]
    assert (tried["state"] == "complete").all()
    best = tried.loc[(tried["loss.gamma"] - 1).abs().idxmin()]
    (trial,) = chosen.trials  # all folds have the same ideal
    assert trial.name == "chosen"
    assert trial.config.loss.gamma == best["loss.gamma"]
    assert trial.folds == FOLDS
    assert chosen.inner == 0  # it is tested on the clips that the folds hold out
    assert trial.config.regions in (("eyes",), ("eyes", "mouth"))


@pytest.mark.parametrize(
    ("sampler", "sizes"), [("random", [9]), ("tpe", [4, 2, 2, 1]), ("NSGAIISampler", [2, 2, 2, 2, 1])]
)
def test_proposals_that_are_drawn_without_scores_train_together_and_are_the_same(tmp_path, monkeypatch, sampler, sizes):
    """Workers start once for all of them, and the sampler would have drawn the same one after another."""
    monkeypatch.setattr(samplers, "STARTUP", 4)
    with monkeypatch.context() as alone:
        alone.setattr(merjax.sweeps.running.search, "drawn_without_scores", lambda *_: 0)
        _, apart = search(sweep(9, sampler=sampler), tmp_path / "apart", 1, plan_one, Trainer())
    trainer = Trainer()
    _, together = search(sweep(9, sampler=sampler), tmp_path / "together", 2, plan_one, trainer)
    assert [len(plan.trials) for plan in trainer.plans] == sizes
    if sampler != "NSGAIISampler":
        assert together["loss.gamma"].head(sizes[0]).tolist() == apart["loss.gamma"].head(sizes[0]).tolist()


def test_every_fold_is_trained_with_what_its_own_inner_subjects_choose(tmp_path):
    ideals = (0, 1, 4, 1)
    chosen, tried = search(sweep(12), tmp_path, 4, plan_one, Trainer(ideals=ideals))
    for fold, ideal in zip(FOLDS, ideals, strict=True):
        (trial,) = [trial for trial in chosen.trials if trial.is_of(fold)]
        nearest = tried.loc[(tried["loss.gamma"] - ideal).abs().idxmin()]
        assert trial.config.loss.gamma == nearest["loss.gamma"]  # the log-loss tells it from others as often right
        assert fold in nearest["chosen_for"].split(", ")
    plan = make_plan(chosen, 1)
    runs = [(plan.trials[t].config.loss.gamma, FOLDS[f]) for chunk in plan.chunks for t, f in chunk.runs]
    assert sorted(fold for _, fold in runs) == sorted(FOLDS)
    assert {trial.name for trial in plan.trials} == {"chosen"}
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert pd.read_csv(tmp_path / "search" / "search.csv")["chosen_for"].notna().sum() == 3


def test_ties_go_to_the_smaller_loss_and_then_to_the_earlier_proposal():
    rows = [(0, "a", 0.5, 2.0), (1, "a", 0.5, 1.0), (2, "a", 0.5, 1.0), (0, "b", 0.7, np.inf), (1, "b", 0.7, np.inf)]
    scores = pd.DataFrame(rows, columns=["number", "fold", "score", "loss"])
    assert choices(scores) == {0: ["b"], 1: ["a"]}
    assert choices(scores.iloc[::-1]) == {0: ["b"], 1: ["a"]}


def test_a_folds_scores_are_of_its_inner_clips_over_all_seeds_and_of_no_other(tmp_path):
    search(sweep(4, seeds=[3, 5]), tmp_path, 4, plan_one, Trainer(ideals=(0, 1, 4, 1)))
    plan = read_plan(tmp_path / "search" / "trials-0000")
    predictions = read_predictions(tmp_path / "search" / "trials-0000", plan.chunks)
    scores = fold_scores(plan, predictions, "UF1").set_index(["number", "fold"])
    assert len(scores) == 4 * len(FOLDS)
    for (number, fold), row in scores.iterrows():
        own = predictions[(predictions["trial"] == f"trial {number}") & (predictions["fold"] == f"inside {fold}")]
        assert set(own["seed"]) == {3, 5}
        assert f"casme2/{own['subject'].iloc[0]}" != fold
        assert fold.split("/")[1] not in set(own["subject"])
        assert row["score"] == pytest.approx(f1_score(own["label"], own["prediction"], average="macro"))
        p = own[["p_negative", "p_positive", "p_surprise"]].to_numpy()
        assert row["loss"] == pytest.approx(log_loss(own["label"], p))


def test_predictions_that_lie_elsewhere_are_asked_for(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    search(sweep(2, storage=url), tmp_path / "one", 2, plan_one, Trainer())
    with pytest.raises(MerjaxError, match="lacks the predictions of trial 0, trial 1"):
        search(sweep(4, storage=url), tmp_path / "two", 2, plan_one, Trainer())


@pytest.mark.parametrize("url", ["nonsense", "nosuch://u@h/x", "sqlite:////nowhere/x/y.db", "redis://localhost/0"])
def test_a_storage_that_cannot_be_used_is_a_sentence(tmp_path, url):
    with pytest.raises(
        MerjaxError, match=f"storage (is )?{url}(; | cannot be used .*)write a URL such as sqlite:///study.db"
    ):
        search(sweep(storage=url), tmp_path, 4, plan_one, Trainer())


REAL = {
    "base": {
        "spatial": BASE["spatial"] | {"epochs": 0.5},
        "temporal": BASE["temporal"] | {"epochs": 1},
        "engine": {"steps_per_call": 1, "chunk": 4, "workers": 1},
    },
    "search": {
        "sampler": "random",
        "trials": 2,
        "space": {"temporal.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}, "loss.gamma": [0, 1, 2]},
    },
}


class Real:
    """The whole search on small pictures with real training, stopped at the n-th opportunity."""

    def __init__(self, folder: Path, stopped_at: int = -1, log=None) -> None:
        asked = iter(range(10**6))
        self.result = merjax.run_sweep(REAL, out=folder, log=log, stopping=lambda: next(asked) == stopped_at)
        self.of_fold = {
            fold: trial.overrides for trial in self.result.plan.trials for fold in FOLDS if trial.is_of(fold)
        }


@pytest.fixture(scope="module")
def whole_search(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        use_small_experiment(patch.setattr)
        yield Real(tmp_path_factory.mktemp("search") / "run")


def test_a_search_ends_in_one_trial_that_tests_every_clip_once(whole_search):
    result = whole_search.result
    assert result.scores["trial"].tolist() == ["chosen", "majority", "chance"]
    assert result.scores["clips"].tolist() == [12] * 3
    keys = ["subject", "clip"]
    assert sorted(map(tuple, result.predictions[keys].to_numpy())) == sorted(
        map(tuple, small_experiment().index[keys].to_numpy())
    )
    assert (result.predictions["fold"] == "casme2/" + result.predictions["subject"]).all()
    assert len(result.plan.chunks) == 1  # what the folds chose differs in traced numbers only, and trains together
    assert set(result.curves["trial"]) == {"chosen"}


@pytest.mark.long
def test_a_search_that_is_stopped_while_it_looks_and_while_it_tests_makes_the_same_choice(whole_search, tmp_path):
    logs = tmp_path / "run" / "chosen-of-2" / "logs"
    for stopped_at, place in ((2, "search/trials-0000"), (12, "chosen-of-2")):  # of five calls in each place
        with pytest.raises(Interrupted):
            Real(tmp_path / "run", stopped_at, "jsonl")
        assert list((tmp_path / "run" / place / "logs").rglob("*.jsonl"))  # they do not wait for the chunk's end
        assert list((tmp_path / "run" / place / "checkpoints").iterdir())
    resumed = Real(tmp_path / "run", log="jsonl")
    pd.testing.assert_frame_equal(resumed.result.tried, whole_search.result.tried)
    assert resumed.of_fold == whole_search.of_fold
    pd.testing.assert_frame_equal(resumed.result.predictions, whole_search.result.predictions)
    log = pd.read_json(logs / "chosen" / "seed0" / "casme2-sub02.jsonl", lines=True)
    curve = resumed.result.curves.query("fold == 'casme2/sub02'").reset_index(drop=True)
    assert log[["stage", "step"]].to_numpy().tolist() == curve[["stage", "step"]].to_numpy().tolist()
    np.testing.assert_allclose(log["loss"], curve["loss"], rtol=1e-6)


@pytest.mark.long
def test_a_tested_subjects_labels_have_no_part_in_its_choice(whole_search, tmp_path, monkeypatch):
    altered = small_experiment()
    own = (altered.index["subject"] == "sub01").to_numpy()
    altered.target_N[own] = (altered.target_N[own] + 1) % 3
    altered.target_NxR[own] = np.stack([np.minimum(altered.target_N, 1), altered.target_N], 1)[own]
    monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda data: altered)
    other = Real(tmp_path / "run")
    assert other.of_fold["casme2/sub01"] == whole_search.of_fold["casme2/sub01"]
    columns = ["number", "fold", "score", "loss"]
    before, after = (
        _scores_on_disk(search.result.folder.parent / "search", {0, 1}, "UF1")[columns]
        for search in (whole_search, other)
    )
    of_fold = before["fold"] == "casme2/sub01"
    pd.testing.assert_frame_equal(after[of_fold], before[of_fold])
    assert not np.allclose(after.loc[~of_fold, "loss"], before.loc[~of_fold, "loss"])  # elsewhere it is trained on


def test_a_batch_fills_the_chunks_that_train_at_the_same_time():
    for chunk, workers, proposals in ((4, 1, 1), (8, 1, 2), (8, 3, 6), (3, 1, 1)):
        asked = make_sweep(REAL, "small", ({"engine": {"chunk": chunk, "workers": workers}},))
        assert batch_of(asked) == proposals  # of four folds each


def test_proposals_of_a_batch_share_programs_unless_a_shape_differs(tmp_path):
    trainer = Trainer()
    search(sweep(trials=4), tmp_path, 4, plan_one, trainer)
    units = {trial.config.temporal.units for trial in trainer.plans[0].trials}
    assert len(trainer.plans[0].groups) == len(units)


@pytest.mark.parametrize("batches", [0, pytest.param(1, marks=pytest.mark.long)])
def test_a_killed_search_goes_on_as_if_it_had_not_been_and_leaves_no_zombies(tmp_path, batches):
    _, whole = search(sweep(), tmp_path / "whole", 4, plan_one, Trainer())
    with pytest.raises(KeyboardInterrupt):
        search(sweep(), tmp_path / "killed", 4, plan_one, Trainer(killed_at=batches))
    assert len(study_of(tmp_path / "killed").get_trials(states=(optuna.trial.TrialState.RUNNING,))) == 4
    trainer = Trainer()
    _, resumed = search(sweep(), tmp_path / "killed", 4, plan_one, trainer)
    assert len(trainer.plans) == 2 - batches
    pd.testing.assert_frame_equal(resumed, whole)
    assert not study_of(tmp_path / "killed").get_trials(states=(optuna.trial.TrialState.RUNNING,))


def test_a_proposal_that_was_cut_short_is_failed_and_replaced(tmp_path):
    search(sweep(trials=2), tmp_path, 2, plan_one, Trainer())
    study_of(tmp_path).ask()  # killed before any setting was drawn
    _, tried = search(sweep(trials=4), tmp_path, 2, plan_one, Trainer())
    assert tried["state"].tolist() == ["complete", "complete", "fail", "complete", "complete"]


def test_a_finished_search_trains_nothing_and_another_one_is_refused(tmp_path):
    search(sweep(), tmp_path, 4, plan_one, Trainer())
    search(sweep(), tmp_path, 4, plan_one, Trainer(killed_at=0))
    with pytest.raises(MerjaxError, match="another base, space, metric, sampler or seeds"):
        search(sweep(metric="UAR"), tmp_path, 4, plan_one, Trainer())


def test_any_storage_of_optuna_will_do(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    search(sweep(trials=2, storage=url), tmp_path / "run", 2, plan_one, Trainer())
    assert len(optuna.load_study(study_name="small", storage=url).trials) == 2


@pytest.mark.parametrize("share", [0.2, 0.34, 0.5])
def test_inner_clips_are_of_training_subjects_and_held_out_clips_are_on_no_side(share):
    whole = small_experiment()
    inner = whole.held_out_inside(share)
    subject_N = subjects_of(whole.index)
    seen = set()
    for fold, outer in zip(inner.folds, whole.folds, strict=True):
        assert not (fold.train_N & outer.test_N).any()
        assert not (fold.test_N & outer.test_N).any()
        assert ((fold.train_N | fold.test_N) == outer.train_N).all()
        assert not set(subject_N[fold.train_N]) & set(subject_N[fold.test_N])
        assert set(whole.target_N[fold.test_N]) == {0, 1, 2}
        seen |= set(subject_N[fold.test_N])
    assert len(seen) >= 2  # not one and the same subject in all folds
    assert inner.split_hash != whole.split_hash


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"space": {}}, "write `key: "),
        ({"space": {"loss.gama": [1]}}, "did you mean"),
        ({"space": {"loss.gamma": {"low": 2, "high": 1}}}, "low < high"),
        ({"space": {"loss.gamma": {"low": 0, "high": 1, "log": True}}}, "where low is above 0"),
        ({"space": {"loss.gamma": {"low": -1, "high": 1}}}, "must not be negative"),
        ({"metric": "F1"}, "write any of UF1, UAR, accuracy"),
        ({"inner": 0.7}, "up to 0.5"),
        ({"trials": 0}, "how many settings"),
        ({"tries": 3}, "write space and trials"),
    ],
)
def test_wrong_searches_get_a_sentence(said, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        sweep(**said)


def test_searches_have_no_axes_and_samplers_have_names():
    with pytest.raises(MerjaxError, match="no trials and no axes"):
        make_sweep({"axes": {"loss.gamma": [1]}, "search": {"space": SPACE, "trials": 2}}, "both")
    with pytest.raises(MerjaxError, match="write tpe, random, or one of"):
        make_sampler("best", 0)
    assert type(make_sampler("NSGAIISampler", 0)).__name__ == "NSGAIISampler"


def test_a_storage_in_the_home_folder_and_a_damaged_journal(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _at_home("sqlite:///~/study.db") == f"sqlite:///{tmp_path}/study.db"
    for storage in ("sqlite:///study.db", "sqlite:////~/study.db", "mysql://~user@host/db"):
        assert _at_home(storage) == storage
    (tmp_path / "study.journal").write_bytes(b'{"op_code": 99\n{"x"\n{}\n')
    with pytest.raises(MerjaxError, match=r"study\.journal is damaged .*; copy it again"):
        _journalled(tmp_path, {"study_name": "x", "direction": "maximize", "load_if_exists": True})


def plans_of(tmp_path, trials=8, batch=4, **said) -> list[Plan]:
    trainer = Trainer()
    search(sweep(trials, **said), tmp_path, batch, plan_one, trainer)
    return trainer.plans


def masks() -> int:
    """How many sets of clips the inner folds train on: two folds may hold out the same two subjects, one outside, one inside,
    and then have one job."""
    return len({fold.train_N.tobytes() for fold in small_experiment().held_out_inside(0.2).folds})


def jobs_of(plans: list[Plan]) -> set[str]:
    return {entry for plan in plans for chunk in plan.stages for entry in chunk.shared.entries}


def test_proposals_that_differ_in_temporal_settings_have_the_spatial_jobs_of_one_trial(tmp_path):
    plans = plans_of(tmp_path, 8, space={"temporal.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}})
    assert sum(len(plan.trials) for plan in plans) == 8
    assert len(jobs_of(plans)) == masks() == 2
    assert len({stages_of(tmp_path / "search" / f"trials-{n:04d}") for n in (0, 4)}) == 1  # all batches look there


@pytest.mark.parametrize(
    ("inner_trials", "spatial"), [(3, 3), *(pytest.param(*case, marks=pytest.mark.long) for case in ((1, 8), (4, 2)))]
)
def test_several_proposals_in_a_row_may_share_their_spatial_settings(tmp_path, inner_trials, spatial):
    space = {key: SPACE[key] for key in ("spatial.learning_rate", "temporal.units")}
    space |= {"temporal.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}}
    for name, sampler in (("tpe", "tpe"), ("random", "random")):
        plans = plans_of(tmp_path / name, 8, space=space, sampler=sampler, inner_trials=inner_trials)
        configs = [trial.config for plan in plans for trial in plan.trials]
        assert len({config.spatial.learning_rate for config in configs}) == spatial
        assert len({config.temporal.learning_rate for config in configs}) == 8
        assert len(jobs_of(plans)) == spatial * masks()


def test_a_search_that_shares_settings_goes_on_after_a_kill_as_if_it_had_not_been(tmp_path):
    said = {"inner_trials": 3}
    _, whole = search(sweep(8, **said), tmp_path / "whole", 4, plan_one, Trainer())
    with pytest.raises(KeyboardInterrupt):
        search(sweep(8, **said), tmp_path / "killed", 4, plan_one, Trainer(killed_at=1))
    _, resumed = search(sweep(8, **said), tmp_path / "killed", 4, plan_one, Trainer())
    pd.testing.assert_frame_equal(resumed, whole)


def test_what_proposals_shared_is_removed_when_the_search_is_over(tmp_path):
    place = tmp_path / "search" / "stages"
    place.mkdir(parents=True)
    (place / "something").write_text("")
    search(sweep(), tmp_path, 4, plan_one, Trainer())
    assert not place.exists()
