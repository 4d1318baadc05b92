"""Flow networks under the engine: what they train on, what they must not see, and what they need from a store."""

import functools
from dataclasses import replace

import jax
import numpy as np
import pytest
from support.flow_experiment import BASE, CLIPS, SUBJECTS, experiment_of, flow_images
from support.places import CHECKOUT
from support.training import trained_by

from merjax.config import make_config
from merjax.engine import Engine, train, walk
from merjax.methods.flow_networks import NETWORKS, flow_job, flow_samples, jobs
from merjax.methods.handcrafted.svm import NAMES as SVM_METHODS
from merjax.methods.registry import METHODS
from merjax.methods.runs import RunId, budget_of, training_steps
from merjax.models.learned import Learned, recall, remember
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten
from merjax.system.values import plain, read_yaml

FLOW_NETWORKS = list(NETWORKS)
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


@pytest.mark.parametrize(
    "method", ["ststnet", pytest.param("rcn_a", marks=pytest.mark.long)]
)  # which normalise by batch
def test_a_held_out_subject_leaves_its_fold_bit_identical(method):
    """They have no effect, neither by gradients nor by batch normalisation: all other predictions stay bit-identical."""
    flow, specs = flow_images(), specs_of({"peer.epochs": 1}, folds=(1,), method=method)
    data = experiment_of(flow)
    held_N = data.folds[1].test_N
    changed, other = flow.copy(), data.target_N.copy()
    changed[held_N] = 255 - changed[held_N]
    other[held_N] = (other[held_N] + 1) % 3
    before = trained(data, specs).probability_PxNxK[0]
    after = trained(replace(experiment_of(changed), target_N=other), specs).probability_PxNxK[0]
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


def test_the_learning_rate_halves_after_so_many_epochs():
    """Three epochs of two steps, with a rate halved after each: the second and third move half and a quarter as far."""
    settings = {"peer.halve_every": 1, "peer.optimiser": "sgd", "peer.beta1": 0, "peer.dropout": 0}
    job = flow_job(experiment_of(flow_images()), specs_of(settings, folds=(0,), method="off_apexnet"))
    numbers = jax.tree.map(lambda x: x[0], job.runs.numbers)
    assert numbers.halve_steps == 2
    optimiser = job.stage.optimiser(numbers)
    state, steps = optimiser.init(np.float32(0)), []
    for _ in range(6):
        step, state = optimiser.update(np.float32(1), state, np.float32(0))
        steps.append(float(step))
    np.testing.assert_allclose(steps, [-1e-3, -1e-3, -5e-4, -5e-4, -2.5e-4, -2.5e-4], rtol=1e-6)


def test_a_store_that_lacks_what_a_method_needs_is_refused():
    frames_only, other_size = experiment_of(None), experiment_of(flow_images(32))
    for name in FLOW_NETWORKS:
        with pytest.raises(MerjaxError, match="holds no optical flow; prepare it again with --flow"):
            METHODS[name].refuse(frames_only, make_config())
        with pytest.raises(MerjaxError, match="32x32 pixels; the flow networks take 28x28"):
            METHODS[name].refuse(other_size, make_config())
        METHODS[name].refuse(experiment_of(flow_images()), make_config())
    with pytest.raises(MerjaxError, match="holds flow images and no frames, which this method needs"):
        METHODS["local_regions"].refuse(experiment_of(flow_images()), make_config())


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
