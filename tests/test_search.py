"""Search: what is proposed and told, kills between and within batches, and which clips the score is of."""

from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from small_experiment import BASE, small_experiment, use_small_experiment

from merjax.errors import MerjaxError
from merjax.inner import hold_out_inside
from merjax.plan import Plan, make_plan
from merjax.protocols.folds import subjects_of
from merjax.results import write_chunk
from merjax.search import make_sampler, search
from merjax.trials import make_sweep

SPACE = {
    "loss.gamma": {"low": 0, "high": 4},
    "spatial.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "temporal.units": [4, 8],
    "regions": [["eyes"], ["eyes", "mouth"]],
}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    use_small_experiment(monkeypatch.setattr)


def sweep(trials=8, **said):
    content = {"base": BASE, "search": {"space": SPACE, "trials": trials, "sampler": "tpe"} | said}
    return make_sweep(content, "small")


class Trainer:
    """Predicts better the closer gamma is to 1; is killed before a number of batches."""

    def __init__(self, killed_at: int = -1) -> None:
        self.killed_at, self.plans = killed_at, []

    def __call__(self, folder: Path, plan: Plan) -> None:
        if len(self.plans) == self.killed_at:
            raise KeyboardInterrupt
        self.plans.append(plan)
        experiment = hold_out_inside(small_experiment(), plan.inner)
        for chunk in plan.chunks:
            tables = []
            for trial, fold in chunk.runs:
                test_N = experiment.folds[fold].test_N
                label_N = experiment.target_N[test_N]
                gamma = plan.trials[trial].config.loss.gamma
                right = np.arange(len(label_N)) / len(label_N) >= abs(gamma - 1) / 3
                own = experiment.index.loc[test_N, ["database", "subject", "clip"]].assign(
                    fold=experiment.folds[fold].name,
                    label=label_N,
                    prediction=np.where(right, label_N, (label_N + 1) % 3),
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
    best = tried.loc[tried["UF1"].idxmax()]
    (trial,) = chosen.trials
    assert trial.name == best["trial"]
    assert trial.config.loss.gamma == best["loss.gamma"]
    assert chosen.inner == 0  # it is tested on the clips that the folds hold out
    assert trial.config.regions in (("eyes",), ("eyes", "mouth"))


def test_proposals_of_a_batch_share_programs_unless_a_shape_differs(tmp_path):
    trainer = Trainer()
    search(sweep(trials=4), tmp_path, 4, plan_one, trainer)
    units = {trial.config.temporal.units for trial in trainer.plans[0].trials}
    assert len(trainer.plans[0].data) == len(units)


@pytest.mark.parametrize("batches", [0, 1])
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
    inner = hold_out_inside(whole, share)
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
        ({"space": {"loss.gama": [1]}}, "Did you mean"),
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
