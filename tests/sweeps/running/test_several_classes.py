"""A sweep in which a clip may have several classes: what its runs train on, answer, and must not see."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from sklearn.metrics import f1_score
from support.flow_experiment import BASE as FLOW_BASE
from support.flow_experiment import experiment_of, flow_images
from support.small_experiment import BASE, small_experiment, small_plan, use_networks
from support.training import trained_by

import merjax.sweeps.plan
from merjax.config import make_config
from merjax.engine import Engine
from merjax.methods import flow_networks, local_regions
from merjax.methods.handcrafted import svm
from merjax.methods.runs import RunId
from merjax.protocols import SCHEMES
from merjax.scoring.counts import counted_labels, scores_of
from merjax.sweeps.running.train_chunk import open_group, train_chunk
from merjax.system.errors import MerjaxError
from merjax.training.data import TrainingData

AU12 = SCHEMES["au12"]
TASK = AU12.task
LABELS = TASK.label_of(
    np.array([[name in shown for name in TASK.classes] for shown in ((), ("AU4",), ("AU4", "AU12"))])
)
EYES, MOUTH = np.array([0, 4, 4]), np.array([0, 0, 2])  # of AU1, AU2, AU4, ...; of AU10, AU12, ...


def units(data: TrainingData) -> TrainingData:
    """The small experiment, whose three classes are now no unit, AU4, and AU4 with AU12."""
    regions = np.stack([EYES[data.target_N], MOUTH[data.target_N]], 1)[:, : len(data.streams)]
    classes_R = tuple(len(AU12.region_classes[stream.kind]) for stream in data.streams)
    return replace(data, scheme=AU12, target_N=LABELS[data.target_N], target_NxR=regions, classes_R=classes_R)


@pytest.fixture(scope="module")
def engine():
    return Engine("map", 2, jax.devices()[:1])


@pytest.fixture
def small(monkeypatch):
    use_networks(monkeypatch.setattr)
    data = units(small_experiment())
    monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda settings: data)
    return data


def predicted(engine, **base):
    plan = small_plan(base=BASE | {"data.protocol": "au12"} | base)
    group = open_group(plan, 0)._replace(engine=engine)
    return train_chunk(plan, plan.chunks[0], group, lambda progress: None).predictions


def test_every_class_has_a_probability_and_an_answer_of_its_own(small, engine):
    rules = {"rules": ["fixed", "inner", "oracle"], "looks": 3}
    table = predicted(engine, selection=rules)
    probability_NxK = table[[f"p_{name}" for name in TASK.classes]].to_numpy()
    assert ((probability_NxK > 0) & (probability_NxK < 1)).all()
    np.testing.assert_array_equal(TASK.members(table["prediction"].to_numpy()), probability_NxK > 0.5)
    fixed, oracle = (table[table["selection"] == rule] for rule in ("fixed", "oracle"))
    assert set(table["label"]) == set(LABELS.tolist())
    for fold in small.folds:
        right = [
            float(
                scores_of(TASK)["accuracy"](counted_labels(TASK, own["label"].to_numpy(), own["prediction"].to_numpy()))
            )
            for own in (rows[rows["fold"] == fold.name] for rows in (fixed, oracle))
        ]
        assert right[1] >= right[0]  # on the very clips that it looks at


def test_what_a_fold_holds_out_reaches_neither_stage(small, engine, monkeypatch):
    before = predicted(engine)
    fold = small.folds[1]
    others = np.where(fold.test_N, LABELS[(small.target_N == LABELS[0]).astype(int)], small.target_N)
    changed = replace(small, target_N=others, target_NxR=np.where(fold.test_N[:, None], 7, small.target_NxR))
    monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda settings: changed)
    after = predicted(engine)
    columns = [f"p_{name}" for name in TASK.classes]
    own = before["fold"] == fold.name
    np.testing.assert_array_equal(before.loc[own, columns], after.loc[own, columns])
    assert (before.loc[own, "label"] != after.loc[own, "label"]).all()


def test_class_weights_are_those_of_clips_with_and_without_each_class(small):
    spec = RunId(make_config(BASE, {"data.protocol": "au12"}), 0, 0)
    alpha_Kx2 = local_regions.temporal_numbers(small, spec, np.zeros((24, 2, 20))).alpha_K
    shown = dict(zip(TASK.classes, alpha_Kx2, strict=True))
    # of 9 training clips, 6 show AU4 and 3 AU12: the rarer side weighs more, with mean 1
    assert shown["AU4"] == pytest.approx([4 / 3, 2 / 3])
    assert shown["AU12"] == pytest.approx([2 / 3, 4 / 3])
    assert shown["AU1"] == pytest.approx([1, 0])
    alpha_RxKx2 = local_regions.spatial_numbers(small, spec).alpha_RxK
    assert alpha_RxKx2.shape == (2, 5, 2)
    assert alpha_RxKx2[0, 2] == pytest.approx([4 / 3, 2 / 3])
    assert alpha_RxKx2[1, 1] == pytest.approx([2 / 3, 4 / 3])


@pytest.mark.long
def test_a_flow_network_learns_several_classes(engine):
    data = units(experiment_of(flow_images()))
    config = make_config(
        FLOW_BASE, {"method": "off_apexnet", "data.protocol": "au12", "peer.epochs": 40, "peer.learning_rate": 1e-3}
    )
    result = trained_by(flow_networks.jobs, data, [RunId(config, 0, 0)], engine)
    answer_N = TASK.answers(result.probability_PxNxK[0])
    tested_N = data.folds[0].test_N
    truth, answer = TASK.members(data.target_N[tested_N])[:, [2, 8]], TASK.members(answer_N[tested_N])[:, [2, 8]]
    assert f1_score(truth, answer, average="macro") > 0.8


def test_what_needs_one_class_per_clip_is_refused_before_anything_is_trained(small):
    with pytest.raises(MerjaxError, match="tells one class per clip, but the clips of au12 may have several"):
        svm.refuse(small, make_config())
    local_regions.refuse(small, make_config())
    with pytest.raises(
        MerjaxError, match="temporal.loss: binary focal needs one class per clip, but the clips of au12"
    ):
        small_plan(base=BASE | {"temporal.loss": "binary focal"})
