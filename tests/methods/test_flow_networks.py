"""Flow networks under the engine: what they train on, what they must not see, and what they need from a store."""

import functools
import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from support.flow_experiment import BASE, CLIPS, SUBJECTS, experiment_of, flow_images
from support.places import CHECKOUT
from support.training import trained_by

import merjax.sweeps.plan
from merjax.config import make_config
from merjax.engine import Engine, train, walk
from merjax.methods.flow_networks import NETWORKS, flow_job, identities, jobs
from merjax.methods.flow_stage import flow_samples
from merjax.methods.handcrafted.svm import NAMES as SVM_METHODS
from merjax.methods.registry import METHODS
from merjax.methods.runs import RunId, budget_of, training_steps
from merjax.models.learned import Learned, recall, remember
from merjax.stores.features import side_of
from merjax.sweeps.plan import make_plan, plan_from_json
from merjax.sweeps.same_sweep import refuse_another
from merjax.sweeps.sweep_file import make_sweep, read_sweep
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten
from merjax.system.values import plain, read_yaml

BASELINES_OF_THE_PAPER = ("ststnet", "off_apexnet", "dual_inception", "rcn_a")


def specs_of(*layers, folds=(0, 1), method="ststnet") -> list[RunId]:
    config = make_config(BASE, {"method": method}, *layers)
    return [RunId(config, 0, fold) for fold in folds]


@functools.cache
def engine(mapping: str) -> Engine:
    """One engine for all tests, so that each program is compiled once."""
    return Engine(mapping, 2, jax.devices()[:1])


def trained(data, specs, mapping="map"):
    return trained_by(jobs, data, specs, engine(mapping))


@pytest.mark.long
def test_ststnet_learns_and_tells_what_it_was_asked_for():
    config = {"peer.epochs": 60, "peer.learning_rate": 3e-3, "selection": {"rules": ["fixed", "oracle"], "looks": 4}}
    data = experiment_of(flow_images())
    result = trained(data, specs_of(config))
    assert result.step_L.tolist() == [30, 60, 90, 120]  # two batches of 16 and 8 clips in every epoch
    assert result.snapshots_PxLxNxK.shape == (2, 4, SUBJECTS * CLIPS, 3)
    loss_PxS = result.curves["ststnet"]["loss"]
    assert (loss_PxS[:, -10:].mean(1) < loss_PxS[:, :10].mean(1) / 2).all()
    for p, fold in enumerate(data.folds[:2]):
        right_N = result.probability_PxNxK[p].argmax(1) == data.target_N
        assert right_N[fold.test_N].mean() > 0.8


@pytest.mark.parametrize(  # which normalise by batch
    "method",
    ["ststnet", *(pytest.param(name, marks=pytest.mark.long) for name in ("rcn_a", "off_tanet", "learnet"))],
)
def test_a_held_out_subject_leaves_its_fold_bit_identical(method):
    """They have no effect, neither by gradients nor by batch normalisation: all other predictions stay bit-identical."""
    feature, specs = NETWORKS[method].feature, specs_of({"peer.epochs": 1}, folds=(1,), method=method)
    flow = flow_images(side_of(feature))
    data = experiment_of(flow, feature)
    held_N = data.folds[1].test_N
    changed, other = flow.copy(), data.target_N.copy()
    changed[held_N] = 255 - changed[held_N]
    other[held_N] = (other[held_N] + 1) % 3
    before = trained(data, specs).probability_PxNxK[0]
    after = trained(replace(experiment_of(changed, feature), target_N=other), specs).probability_PxNxK[0]
    np.testing.assert_array_equal(before[~held_N], after[~held_N])
    assert (before[held_N] != after[held_N]).any()


@pytest.mark.parametrize("mapping", [pytest.param("map", marks=pytest.mark.long), "vmap"])
def test_a_run_among_others_equals_the_run_alone(mapping):
    """This also holds if two runs share a pass over their common input and a third is left over."""
    data, specs = experiment_of(flow_images()), specs_of({"peer.epochs": 1}, folds=(0, 1, 2))
    together = trained(data, specs, mapping).probability_PxNxK
    for p, spec in enumerate(specs):
        np.testing.assert_allclose(together[p], trained(data, [spec]).probability_PxNxK[0], atol=1e-4)


@pytest.mark.long
def test_a_model_that_is_kept_gives_the_same_probabilities():
    """Its running averages are kept with its parameters."""
    data, specs = experiment_of(flow_images()), specs_of()
    learned: dict[str, Learned] = {}
    remembering = remember(train(engine("map"), 0), learned)
    expected = walk(jobs(data, specs), remembering).probability_PxNxK[1]
    recalling = recall(engine("map"), {stage: own.of_run(1) for stage, own in learned.items()})
    np.testing.assert_allclose(walk(jobs(data, specs[1:]), recalling).probability_PxNxK[0], expected, atol=1e-6)


def test_steps_count_the_short_batch_of_every_ordered_epoch():
    ordered, shuffled = (make_config(BASE, {"peer.shuffle": shuffle}).peer for shuffle in (False, True))
    assert training_steps(ordered, 24) == 6
    assert training_steps(shuffled, 24) == 4  # 72 clips in batches of 16
    assert not budget_of(ordered, 24).shuffle
    assert METHODS["ststnet"].steps(make_config(BASE, {"method": "ststnet"}), 0, 24) == {"ststnet": 6}


def test_samples_are_the_flow_images():
    flow, clip_KxB = flow_images(), np.array([[3, 1], [0, 2]])
    inputs = flow_samples(flow).gather(clip_KxB)
    assert inputs.shape == (2, 3, 28, 28, 2)
    for k, b in np.ndindex(clip_KxB.shape):
        np.testing.assert_array_equal(inputs[k, ..., b], flow[clip_KxB[k, b]].transpose(2, 0, 1))


@pytest.mark.parametrize("fall", [0.5, 0.3])
def test_the_learning_rate_falls_after_so_many_epochs(fall):
    """Three epochs of two steps, with a rate that is halved, or multiplied by .3, after each."""
    settings = {"peer.halve_every": 1, "peer.fall": fall, "peer.optimiser": "sgd", "peer.beta1": 0, "peer.dropout": 0}
    job = flow_job(experiment_of(flow_images()), specs_of(settings, folds=(0,), method="off_apexnet"))
    numbers = jax.tree.map(lambda x: x[0], job.runs.numbers)
    assert numbers.halve_steps == 2
    optimiser = job.stage.optimiser(numbers)
    state, steps = optimiser.init(np.float32(0)), []
    for _ in range(6):
        step, state = optimiser.update(np.float32(1), state, np.float32(0))
        steps.append(float(step))
    np.testing.assert_allclose(steps, [-1e-3 * fall**epoch for epoch in (0, 0, 1, 1, 2, 2)], rtol=1e-6)


def test_a_store_that_lacks_what_a_method_needs_is_refused():
    for name, network in NETWORKS.items():
        config = make_config({"method": name})
        sentence = (
            "holds no frames, from which dynamic is computed; prepare the clips themselves with `merjax prepare --casme2"
            if network.feature == "dynamic"
            else f"holds no {network.feature}, .*add it with `merjax prepare --features {network.feature} --out nowhere`"
        )
        for without in (experiment_of(None), experiment_of(flow_images(32))):
            with pytest.raises(MerjaxError, match=sentence):
                METHODS[name].refuse(without, config)
        METHODS[name].refuse(experiment_of(flow_images(side_of(network.feature)), network.feature), config)
    with pytest.raises(MerjaxError, match="holds flow images and no frames, which this method needs"):
        METHODS["local_regions"].refuse(experiment_of(flow_images()), make_config())


def with_hash(digits: str):
    """Clips whose flow images have a hash of their own, as those that were added to a store."""
    data = experiment_of(flow_images())
    held = replace(data.store.features["flow28"], hash=digits)
    return replace(data, store=replace(data.store, features={"flow28": held}))


def test_a_feature_made_in_another_way_is_another_training_with_the_same_randomness():
    spec = specs_of()[0]
    jobs_of = [identities(data, spec)[0] for data in (with_hash("a"), with_hash("b"), experiment_of(flow_images()))]
    assert len({job.hash for job in jobs_of}) == 3
    np.testing.assert_array_equal(jobs_of[0].key, jobs_of[1].key)


def test_a_sweep_is_not_continued_on_a_feature_made_in_another_way(monkeypatch):
    plans = []
    for data in (with_hash("a"), with_hash("b"), with_hash("")):
        monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda config, data=data: data)
        plans.append(make_plan(make_sweep({"base": BASE | {"method": "ststnet"}}, "mine"), 1))
    read = [plan_from_json(json.loads(json.dumps(plan.to_json()))) for plan in plans]
    assert [plan.groups[0].feature_hash for plan in read] == ["a", "b", ""]
    assert "feature_hash" not in plans[2].to_json()["data"][0]  # as plans of earlier versions
    refuse_another(read[0], plans[0], "here")
    with pytest.raises(MerjaxError, match="the features differ: feature_hash"):
        refuse_another(read[0], plans[1], "here")


@pytest.mark.parametrize(
    ("method", "settings", "sentence"),
    [
        ("rcn_w", {"peer.maps": 30}, "peer.maps is 30, but rcn_w takes a multiple of 4"),
        ("htnet", {"peer.dim": 2}, "peer.dim is 2, but htnet has 3 heads"),
        (
            "rcn_f",
            {"peer.flaws": ["third"]},
            'rcn_f has no flaw "third" to switch on; write any of second stream twice',
        ),
        ("ststnet", {"peer.flaws": ["third"]}, "leave peer.flaws out"),
    ],
)
def test_what_a_network_does_not_have_is_refused(method, settings, sentence):
    config = make_config({"method": method}, settings)
    data = experiment_of(flow_images(), NETWORKS[method].feature)
    with pytest.raises(MerjaxError, match=sentence):
        METHODS[method].refuse(data, config)


def test_pictures_of_another_form_and_a_single_class_are_refused():
    config = make_config({"method": "sssnet"})
    with pytest.raises(MerjaxError, match="holds flow64 as pictures of 28x28x3, but sssnet takes 64x64x3"):
        METHODS["sssnet"].refuse(experiment_of(flow_images(), "flow64"), config)
    data = experiment_of(flow_images())
    one_channel = replace(data, store=experiment_of(flow_images()[..., :1], "flow28").store)
    with pytest.raises(MerjaxError, match="28x28x1, but ststnet takes 28x28x3"):
        METHODS["ststnet"].refuse(one_channel, make_config({"method": "ststnet"}))
    one = replace(data, scheme=replace(data.scheme, classes=("negative",)))
    with pytest.raises(MerjaxError, match="clips of one class"):
        METHODS["ststnet"].refuse(one, make_config({"method": "ststnet"}))


@pytest.mark.parametrize(
    ("optimiser", "decay", "expected"),
    [
        ("adam", "decoupled", 1 - 0.5 * 2),
        ("adam", "in the gradient", -1),  # the first step has the size of the rate, against -0.9 + 0.5 x 2
        ("sgd", "in the gradient", -(-0.9 + 0.5 * 2)),
    ],
)
def test_weight_decay_in_the_gradient_is_pytorchs(optimiser, decay, expected):
    settings = {"peer.weight_decay": 0.5, "peer.optimiser": optimiser, "peer.decay": decay}
    job = flow_job(experiment_of(flow_images()), specs_of(settings, folds=(0,), method="off_apexnet"))
    optimiser = job.stage.optimiser(jax.tree.map(lambda x: x[0], job.runs.numbers))
    weight, gradient = np.float32(2), np.float32(-0.9)
    step, _ = optimiser.update(gradient, optimiser.init(weight), weight)
    np.testing.assert_allclose(step / 1e-3, expected, rtol=1e-4, atol=1e-6)


def test_logistic_regression_is_scikit_learns():
    """At its minimum, with the same penalty, on the training clips of a fold."""
    settings = {"peer.epochs": 1500, "peer.batch": 24, "peer.learning_rate": 3e-2, "peer.halve_every": 250}
    penalty = {"peer.weight_decay": 0.1, "peer.decay": "in the gradient"}
    data = experiment_of(flow_images())
    result = trained(data, specs_of(settings, penalty, folds=(1,), method="logistic_regression"))
    pixels_NxD = flow_images().reshape(SUBJECTS * CLIPS, -1) / 127.5 - 1
    train_N = data.folds[1].train_N
    # the bias is penalised here, and is a pixel of value 1 there
    pixels_NxD = np.concatenate([pixels_NxD, np.ones((len(pixels_NxD), 1))], 1)
    theirs = LogisticRegression(C=1 / (0.1 * train_N.sum()), fit_intercept=False, tol=1e-8, max_iter=2000)
    theirs.fit(pixels_NxD[train_N], data.target_N[train_N])
    np.testing.assert_allclose(result.probability_PxNxK[0], theirs.predict_proba(pixels_NxD), atol=2e-3)


@pytest.mark.parametrize("method", BASELINES_OF_THE_PAPER)
def test_every_baseline_of_the_paper_has_a_sweep_of_its_own(method):
    sweeps = CHECKOUT / "sweeps"
    assert {trial.config.method for trial in read_sweep(sweeps / f"{method}.yaml").trials} == {method}


@pytest.mark.parametrize("table", ["table8_megc", "table9_au5"])
def test_the_tables_of_baselines_take_the_papers_settings_and_their_own_sweeps(table):
    """This holds at both scales; the small one has the clips of the other tables' small scale."""
    root = CHECKOUT
    trials = {trial.name: trial.config for trial in read_sweep(root / "sweeps" / f"{table}.yaml").trials}
    paper = flatten(make_config(read_yaml(root / "configs" / "paper.yaml")))
    own = flatten(trials["proposed method"])
    assert {k for k in own if own[k] != paper[k] and not k.startswith(("peer.", "selection.", "data."))} == set()
    for config in trials.values():
        assert config.selection.rules == (("fixed",) if config.method in SVM_METHODS else ("fixed", "oracle"))
    for name in BASELINES_OF_THE_PAPER:
        (own_sweep, *_) = read_sweep(root / "sweeps" / f"{name}.yaml").trials
        (in_table, *_) = (config for config in trials.values() if config.method == name)
        assert (in_table.peer, in_table.loss) == (own_sweep.config.peer, own_sweep.config.loss)
    small = read_sweep(root / "sweeps" / f"{table}.yaml", scale="small")
    assert small.synthesize == plain(read_yaml(root / "configs" / "small.yaml")["synthesize"])
    assert {trial.config.data.folds for trial in small.trials} == {"group:3"}
