"""Handcrafted baselines as methods: a scikit-learn machine per fold, fitted on its training clips alone."""

import functools
import json
import shutil
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from support.flow_experiment import experiment_of, flow_images

import merjax
from merjax.config import make_config
from merjax.engine import train, walk
from merjax.methods.handcrafted import features
from merjax.methods.handcrafted import svm as method
from merjax.methods.handcrafted.features import clip_features
from merjax.methods.handcrafted.svm import decision_probabilities, jobs
from merjax.methods.runs import RunId
from merjax.stores.store import open_store
from merjax.sweeps.running import worker
from merjax.sweeps.running.messages import MessageWriter
from merjax.system.errors import MerjaxError
from merjax.training.data import load_data

SETTINGS = {"method": "hoof", "loss": {"alpha": "none"}}


@pytest.fixture(scope="module")
def store(small_store, tmp_path_factory):
    """A copy to write features into."""
    return open_store(shutil.copytree(small_store, tmp_path_factory.mktemp("handcrafted") / "store"))


@pytest.fixture(scope="module")
def experiment(store):
    return load_data(store)


def fitted(experiment, specs, on_call=lambda progress: None):
    return walk(jobs(experiment, specs), train(None, 0, on_call))  # without any engine


def specs_of(experiment, *settings):
    config = make_config(SETTINGS, *settings)
    return [RunId(config, 0, fold) for fold in range(len(experiment.folds))]


def test_each_fold_is_scikit_learns_pipeline_on_its_training_clips(experiment):
    specs = specs_of(experiment, "svm.cost=0.1")
    found = fitted(experiment, specs).probability_PxNxK
    features = clip_features(experiment.store, "hoof")[experiment.index["position"]].astype(float)
    for fold, probability_NxK in zip(experiment.folds, found, strict=True):
        pipeline = make_pipeline(StandardScaler(), LinearSVC(C=0.1, dual=False))
        pipeline.fit(features[fold.train_N], experiment.target_N[fold.train_N])
        np.testing.assert_array_equal(probability_NxK.argmax(1), pipeline.predict(features))
        np.testing.assert_allclose(probability_NxK.sum(1), 1)
        scores = pipeline.decision_function(features)
        order = np.argsort(scores, axis=1)
        np.testing.assert_array_equal(np.argsort(probability_NxK, axis=1), order)


def test_held_out_features_and_labels_do_not_reach_a_fold(experiment, monkeypatch):
    specs = specs_of(experiment, "loss.alpha=inverse")
    before = fitted(experiment, specs).probability_PxNxK
    features = clip_features(experiment.store, "hoof")
    test_N = experiment.folds[1].test_N
    position = experiment.index["position"].to_numpy()[test_N]
    changed = features.copy()
    changed[position] += 3
    monkeypatch.setattr(method, "clip_features", lambda store, name: changed)
    other = replace(experiment, target_N=np.where(test_N, (experiment.target_N + 1) % 3, experiment.target_N))
    after = fitted(other, specs).probability_PxNxK
    np.testing.assert_array_equal(after[1][~test_N], before[1][~test_N])
    assert np.abs(after[0] - before[0]).max() > 0.01


def test_permuted_labels_are_learnt_in_their_place(experiment):
    plain = fitted(experiment, specs_of(experiment))
    shuffled = fitted(experiment, specs_of(experiment, "control=shuffle"))
    assert np.abs(plain.probability_PxNxK - shuffled.probability_PxNxK).max() > 0.1


def test_a_run_is_the_same_in_any_company(experiment):
    specs = specs_of(experiment)
    together = fitted(experiment, specs + [specs[0]] * 2).probability_PxNxK
    alone = fitted(experiment, specs[2:3]).probability_PxNxK
    np.testing.assert_array_equal(together[2], alone[0])
    np.testing.assert_array_equal(together[3], together[0])


def test_fits_do_not_depend_on_what_is_fitted_beside_them(experiment, monkeypatch):
    """There are more features than clips, and the classes overlap: a solver that draws at random would differ."""
    many = np.random.default_rng(0).normal(size=(len(experiment.store.index), 300))
    monkeypatch.setattr(method, "clip_features", lambda store, name: many)
    specs = [
        spec for cost in (0.3, 1, 3, 10) for spec in specs_of(experiment, f"svm.cost={cost}", "loss.alpha=inverse")
    ]
    found = []
    for threads in (1, 8, 8):
        monkeypatch.setattr(method, "cores", lambda threads=threads: range(threads))
        found.append(fitted(experiment, specs).probability_PxNxK)
    seeds = fitted(experiment, [spec._replace(seed=7) for spec in specs]).probability_PxNxK
    for other in (*found[1:], seeds):
        np.testing.assert_array_equal(other, found[0])


def test_every_machine_is_told_of_and_padding_is_none(experiment):
    told, specs = [], specs_of(experiment)
    fitted(experiment, specs + specs[:1], told.append)
    assert [(progress.stage, progress.step, progress.steps) for progress in told] == [("svm", i, 3) for i in (1, 2, 3)]


def test_machines_that_stop_short_are_counted(experiment, monkeypatch):
    monkeypatch.setattr("sklearn.svm.LinearSVC.__init__", functools.partialmethod(_hasty, LinearSVC.__init__))
    with pytest.warns(UserWarning, match="3 of 3 support vector machines .hoof. did not reach the solver"):
        trained = fitted(experiment, specs_of(experiment))
    assert not trained.curves["svm"]["converged"].any()


def test_a_workers_warnings_reach_the_sweep(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        worker.pass_on_warnings(MessageWriter())
        warnings.warn("stopped short", stacklevel=1)
    assert json.loads(capsys.readouterr().out) == {"warned": "stopped short"}


def _hasty(self, init, **settings):
    init(self, **settings, max_iter=1)


def test_features_are_computed_by_every_core_and_are_the_same(store, tmp_path, monkeypatch):
    """With two cores and two pieces, each process waits here until another one has made the other piece."""
    copy = open_store(shutil.copytree(store.path, tmp_path / "store", ignore=shutil.ignore_patterns("features")))
    monkeypatch.setattr(features, "cores", lambda: range(1))
    alone = clip_features(copy, "lbp_top")
    shutil.rmtree(copy.path / "features")
    compute, files = features._compute, lambda: list((copy.path / "features").glob("lbp_top-*.npy"))

    def when_helped(*arguments):
        deadline = time.monotonic() + 60
        while not files() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert files(), "nobody helps"
        return compute(*arguments)

    monkeypatch.setattr(features, "cores", lambda: range(2))
    monkeypatch.setattr(features, "_compute", when_helped)
    np.testing.assert_array_equal(clip_features(copy, "lbp_top"), alone)
    one = np.float32(features.DESCRIPTORS["lbp_top"](features.read_face_clip(copy, 8)))
    np.testing.assert_array_equal(alone[8], one)


def test_probabilities_of_decision_values():
    three = decision_probabilities(np.array([[1.0, 0.0, -1.0]]), np.array([0, 1, 2]), 3)
    np.testing.assert_allclose(three, [np.exp([1, 0, -1]) / np.exp([1, 0, -1]).sum()])
    two = decision_probabilities(np.array([0.5, -2.0]), np.array([0, 2]), 3)
    np.testing.assert_allclose(two[:, 2], 1 / (1 + np.exp([-1.0, 4.0])))
    assert not two[:, 1].any()
    assert decision_probabilities(np.array([[1e4, 0.0, 0.0]]), np.array([0, 1, 2]), 3)[0].tolist() == [1, 0, 0]


def test_a_sweep_mixes_methods_and_lists_what_it_cannot_run(store, tmp_path):
    """All four descriptors and a control in one sweep; `linear_svm` and `motion` need features that this store lacks."""
    sweep = {
        "base": {"data": {"store": str(store.path)}, "engine": {"workers": 1}},
        "trials": {
            **{name: {"method": name} for name in method.NAMES},
            "shuffled": {"method": "lbp_top", "control": "shuffle"},
            "motion": {"data.input": "flow"},
        },
        "seeds": 2,
    }
    result = merjax.run_sweep(sweep, out=tmp_path / "run")
    assert [absent.trial for absent in result.plan.not_run] == ["linear_svm", "motion"]
    counts = result.predictions.groupby(["trial", "seed"]).size()
    assert (counts == len(store.index)).all()
    assert len(counts) == 5 * 2
    assert set(result.scores["trial"]) >= {*method.NAMES, "majority", "chance"} - {"linear_svm"}
    assert result.scores["trial"].str.startswith("shuffled").any()
    again = merjax.run_sweep(sweep, out=tmp_path / "run")
    np.testing.assert_array_equal(again.predictions["p_negative"], result.predictions["p_negative"])


def test_stores_without_frames_and_installations_without_scikit_learn_are_refused(experiment, monkeypatch):
    with pytest.raises(MerjaxError, match="no frames"):
        method.refuse(replace(experiment, store=replace(experiment.store, crops={})), make_config())
    monkeypatch.setattr(method, "find_spec", lambda name: None)
    with pytest.raises(MerjaxError, match=r"merjax\[peers\]"):
        method.refuse(experiment, make_config())


def test_the_machine_on_pixels_is_scikit_learns_on_flow_images():
    data = experiment_of(flow_images())
    specs = [
        RunId(make_config({"method": "linear_svm", "loss.alpha": "none", "svm.cost": 0.01}), 0, fold) for fold in (0, 1)
    ]
    pixels = flow_images().reshape(len(data.index), -1).astype(float)
    for spec, probability_NxK in zip(specs, fitted(data, specs).probability_PxNxK, strict=True):
        train_N = data.folds[spec.fold].train_N
        pipeline = make_pipeline(StandardScaler(), LinearSVC(C=0.01, dual=False))
        pipeline.fit(pixels[train_N], data.target_N[train_N])
        np.testing.assert_array_equal(probability_NxK.argmax(1), pipeline.predict(pixels))
    method.refuse(data, specs[0].config)
    with pytest.raises(MerjaxError, match="holds no flow28, which this method reads"):
        method.refuse(experiment_of(None), specs[0].config)
