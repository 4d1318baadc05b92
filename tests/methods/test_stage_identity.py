"""What a stage reads is what it declares, and a job's key and hash come from that and from what it trains on."""

import hashlib
import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from support.flow_experiment import experiment_of, flow_images
from support.placeholder_store import placeholder_store
from support.small_experiment import BASE, networks_in_use, small_experiment

from merjax.config import Config, make_config
from merjax.engine import Engine, StageResult, train
from merjax.methods import flow_networks, local_regions
from merjax.methods.flow_networks import FLOW, NETWORKS, reads_of, stage_name
from merjax.methods.handcrafted import svm
from merjax.methods.handcrafted.svm import SVM
from merjax.methods.runs import RunId, training_labels
from merjax.methods.spatial_stage import SPATIAL
from merjax.methods.spotting import trained
from merjax.methods.stage_identity import StageReads, make_job, stage_key
from merjax.methods.temporal_stage import TEMPORAL
from merjax.stores.held_features import HeldFeature
from merjax.stores.store import open_store
from merjax.system.settings import added, flatten, identity, with_only
from merjax.training.data import TrainingData, data_of

STAGES = (SPATIAL, TEMPORAL, FLOW, SVM)

# another value of every setting there is; a new one needs a line here, and a place among a stage's `StageReads` or below
OTHERS = {
    "method": "bi_woof",
    "data.store": "elsewhere",
    "data.protocol": "au5",
    "data.folds": "group:4",
    "data.input": "difference",
    "data.standardise": True,
    "data.frames": "count:1",
    "data.whole_face": True,
    "data.geometry": "authors",
    "data.colour": "gray",
    "data.anger": "eyes+mouth",
    "data.class_iv": "eyes+nose",
    "data.scaling": "symmetric",
    "regions": ["eyes", "mouth"],
    "loss.gamma": 1.0,
    "loss.alpha": "none",
    "loss.label_smoothing": 0.1,
    "spatial.network": "simple",
    "spatial.epochs": 3.0,
    "spatial.batch": 48,
    "spatial.learning_rate": 2e-3,
    "spatial.weight_decay": 0.1,
    "spatial.beta1": 0.8,
    "spatial.beta2": 0.99,
    "spatial.dropout": 0.1,
    "spatial.patches": 9,
    "spatial.pooling": "ceil",
    "spatial.initial": "normal",
    "spatial.epsilon": 1e-7,
    "spatial.drop_features": True,
    "spatial.trained_on": "half of all frames",
    "temporal.units": 8,
    "temporal.mask": False,
    "temporal.epochs": 7.0,
    "temporal.batch": 24,
    "temporal.learning_rate": 2e-3,
    "temporal.weight_decay": 0.1,
    "temporal.beta1": 0.8,
    "temporal.beta2": 0.99,
    "temporal.dropout_lstm": 0.1,
    "temporal.dropout_fc": 0.1,
    "temporal.precision": "float16",
    "temporal.length": 1,
    "temporal.padding": "in front",
    "temporal.integer_features": True,
    "temporal.gates": "hard sigmoid",
    "temporal.region_gate": True,
    "temporal.initial": "normal",
    "temporal.loss": "binary focal",
    "temporal.l1": 1e-5,
    "temporal.epsilon": 1e-7,
    "peer.epochs": 3.0,
    "peer.batch": 48,
    "peer.shuffle": False,
    "peer.optimiser": "sgd",
    "peer.learning_rate": 2e-3,
    "peer.halve_every": 2.0,
    "peer.fall": 0.3,
    "peer.weight_decay": 0.1,
    "peer.beta1": 0.8,
    "peer.beta2": 0.99,
    "peer.dropout": 0.1,
    "peer.decay": "in the gradient",
    "peer.maps": 32,
    "peer.pool": 5,
    "peer.dim": 64,
    "peer.repeats": 8,
    "peer.flaws": ["second stream twice"],
    "svm.cost": 10.0,
    "spotter.share": 0.5,
    "spotter.window": "all subjects",
    "spotter.epochs": 3.0,
    "spotter.batch": 6,
    "spotter.optimiser": "adam",
    "spotter.learning_rate": 2e-3,
    "spotter.dropout": 0.1,
    "spotter.kept": 0.25,
    "spotter.varied": False,
    "control": "shuffle",
    "selection.rules": ["fixed", "oracle"],
    "selection.inner": 0.3,
    "selection.after": "keep",
    "selection.looks": 5,
    "engine.mapping": "vmap",
    "engine.chunk": 3,
    "engine.steps_per_call": 4,
    "engine.precision": "high",
    "engine.convolution": "grouped",
    "engine.checkpoint_minutes": 1.0,
    "engine.save_models": True,
    "engine.workers": 3,
    "engine.share": False,
    "engine.keep_features": True,
    "engine.stages": "elsewhere",
    "engine.stages_limit": "1GB",
}
# what a setting needs to mean anything
NEEDS = {
    "peer.fall": {"peer.halve_every": 1.0},
    "data.class_iv": {"data.protocol": "au5"},
    "temporal.padding": {"temporal.mask": False, "temporal.length": 3},
}
# where clips lie and what crops they must have, how they are split (which reaches a stage as the clips that it trains on),
# when runs are tested and what of their answers counts, how the work is done
READ_BY_NO_STAGE = (
    *("data.store", "data.geometry", "data.colour", "data.folds", "selection.", "spotter.share", "engine."),
)
# they choose programs, which what enters a training does not show; see the test of them below
CHOOSE_PROGRAMS = ("engine.precision", "engine.convolution")
FOLD = 2


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A store whose clips have few frames and no pictures, with something to see in a corner of each."""
    store = open_store(placeholder_store(tmp_path_factory.mktemp("stores") / "store"))
    rows = len(store.index) * 2
    crops = {name: np.random.default_rng(0).integers(0, 255, (rows, 4, 4), np.uint8) for name in store.crops}
    flow = np.random.default_rng(0).integers(0, 255, (len(store.index), 28, 28, 3), np.uint8)
    feature = HeldFeature({"pictures": flow}, {})
    return replace(store, crops=crops, features={network.feature: feature for network in NETWORKS.values()})


@pytest.fixture(scope="module")
def data_for(opened):
    """Data by the settings of `data`, each made once."""
    made: dict[str, TrainingData] = {}

    def of(config) -> TrainingData:
        key = repr(replace(config.data, store=""))
        if key not in made:
            settings = {"settings": {"geometry": config.data.geometry}}
            made[key] = data_of(config.data, replace(opened, meta=opened.meta | settings))
        return made[key]

    return of


def digest(*parts) -> str:
    leaves = [leaf for part in parts for leaf in jax.tree.leaves(part)]
    told = [np.asarray(leaf).tobytes() if isinstance(leaf, np.ndarray) else repr(leaf).encode() for leaf in leaves]
    return hashlib.blake2b(b"|".join(told), digest_size=16).hexdigest()


def entering(job) -> str:
    """All that enters the training of an engine's stage but its random key. Snapshots are taken and change nothing."""
    batches = job.samples.batches(np.arange(24).reshape(2, 12))
    budget = job.budget._replace(snapshot_every=0)
    # a stage is made once for its arguments
    drawn = (job.drawn or job.samples).unit_S
    return digest(id(job.stage), job.runs.weight_N, job.runs.numbers, batches, job.samples.unit_S, drawn, tuple(budget))


def local_content(data, spec) -> tuple[str, ...]:
    spatial = local_regions.spatial_job(data, [spec])
    content = entering(spatial)
    rng = np.random.default_rng(int(content[:8], 16))  # other features where anything of the stage before is other
    features_SxRxD = rng.normal(size=(len(data.row_S), len(data.streams), 20)).astype(np.float32)
    return content, entering(local_regions.temporal_job(data, [spec], [features_SxRxD]))


def flow_content(data, spec) -> tuple[str, ...]:
    return (entering(flow_networks.flow_job(data, [spec])),)


def svm_content(data, spec) -> tuple[str, ...]:
    seed = int(hashlib.blake2b(spec.config.method.encode()).hexdigest()[:8], 16)  # each method has features of its own
    features_NxD = np.random.default_rng(seed).normal(size=(len(data.index), 4))
    return (digest(svm._fit(data, features_NxD, spec).probability_NxK),)


@pytest.mark.parametrize(
    ("module", "content", "method", "others"),
    [
        (local_regions, local_content, "local_regions", {}),
        (flow_networks, flow_content, "off_apexnet", {"method": "rcn_a"}),
        (flow_networks, flow_content, "rcn_f", {"method": "rcn_w"}),
        (flow_networks, flow_content, "htnet", {"method": "rcn_w"}),
        (svm, svm_content, "lbp_top", {}),
    ],
)
def test_every_setting_changes_a_stages_training_and_its_hash_or_neither(data_for, module, content, method, others):
    def both(config):
        data, spec = data_for(config), RunId(config, 0, FOLD)
        return content(data, spec), [job.hash for job in module.identities(data, spec)]

    base = make_config({"method": method, "loss.gamma": 2})
    bases = {key: both(make_config(flatten(base), needed)) for key, needed in NEEDS.items()}
    alone, changed = both(base), {}
    for key, value in (OTHERS | others).items():
        if key in CHOOSE_PROGRAMS or (key == "method" and method == "local_regions"):
            continue
        before, hashes = bases.get(key, alone)
        after, told = both(make_config(flatten(base), NEEDS.get(key, {}), {key: value}))
        changed[key] = [one != other for one, other in zip(before, after, strict=True)]
        assert changed[key] == [one != other for one, other in zip(hashes, told, strict=True)], key
    assert sum(any(stages) for stages in changed.values()) > 4


def test_what_another_precision_gave_is_never_taken_for_the_same_but_has_the_same_randomness(data_for):
    """The form of convolutions changes results up to float tolerance only."""
    base = make_config({})

    def jobs(config):
        return local_regions.identities(data_for(config), RunId(config, 0, FOLD))

    for key, value, is_same in (
        ("precision", "high", False),
        ("precision", "bfloat16", False),
        ("convolution", "grouped", True),
    ):
        for job, other in zip(jobs(base), jobs(make_config({f"engine.{key}": value})), strict=True):
            assert (job.hash == other.hash) is is_same
            np.testing.assert_array_equal(job.key, other.key)


def test_every_setting_is_declared_or_known_to_be_read_by_no_stage():
    """A setting that no stage declares has its default everywhere, so that it would be accepted and then ignored."""
    own = [reads_of(make_config({"method": name})) for name in NETWORKS]
    declared = {key for reads in (*STAGES, trained.READS, *own) for key in reads.settings}
    assert set(OTHERS) == set(flatten(Config()))
    for key, value in OTHERS.items():
        assert (key in declared) != key.startswith(READ_BY_NO_STAGE), key
        assert flatten(Config())[key] != value, key
    for reads in (*STAGES, trained.READS, *own):
        assert len(set(reads.settings)) == len(reads.settings)


def test_a_stage_sees_the_default_of_what_it_does_not_declare():
    alone = ("engine.save_models", "data.scaling")  # refused beside others of these
    config = make_config({key: value for key, value in OTHERS.items() if key not in alone})
    for reads in STAGES:
        seen, default = flatten(reads.of(config)), flatten(Config())
        assert all(seen[key] == (flatten(config)[key] if key in reads.settings else default[key]) for key in seen)


# hexadecimal keys of seed 3 and two training subjects; if one changes, everybody's runs get other random numbers
GOLDEN = {
    "plain": {},
    "paper": {"loss.gamma": 2, "spatial.epochs": 10, "temporal.epochs": 100},
    "others": {"data.frames": "count:5", "regions": ["eyes"], "loss.alpha": 0.5, "temporal.units": 32},
    "baseline": {"method": "ststnet", "peer.learning_rate": 5e-5},
    "shuffled": {"control": "shuffle", "svm.cost": 2},
}
KEYS = {
    "plain": ["b4f15d6aa1c90be7", "68e966104199c19a", "38205546f3dc4945", "f028424ab5fd315e"],
    "paper": ["b4f15d6aa1c90be7", "68e966104199c19a", "38205546f3dc4945", "f028424ab5fd315e"],
    "others": ["e2ac22504d5ccbe2", "0fa7b0cc10b23337", "f9aadf484dc8a09c", "dfd2f6d1cb974011"],
    "baseline": ["b4f15d6aa1c90be7", "68e966104199c19a", "46e138ccfa7c6e4d", "2507aa0989bc27e4"],
    "shuffled": ["a9f2149086bd67c2", "64f5aa64e1f2ee16", "1842db2d120f217c", "f02fba730fc28f44"],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_keys_are_for_good(name):
    subjects = ["casme2/sub01", "samm/006"]
    keys = [stage_key(reads, make_config(GOLDEN[name]), 3, subjects).tobytes().hex() for reads in STAGES]
    assert keys == KEYS[name]


def test_what_was_rcn_a_keeps_its_randomness_and_its_hash_and_the_network_of_that_name_has_another():
    data, subjects = experiment_of(flow_images()), ["casme2/sub00", "casme2/sub02", "casme2/sub03"]
    before, after = (make_config({"method": name}) for name in ("rcn_a", "rcn_a_merjax"))
    (kept,), (new,) = (flow_networks.identities(data, RunId(config, 3, 1)) for config in (after, before))
    assert (kept.key == stage_key(FLOW, before, 3, subjects)).all()
    target_N, _ = training_labels(data, RunId(before, 3, 1))
    assert kept.hash == make_job(FLOW, data, before, 3, 1, target_N).hash != new.hash
    assert stage_name(after) == "rcn_a"


def test_a_setting_that_is_added_changes_no_identity_until_it_differs_from_before(monkeypatch):
    marked = added("new", before="old")
    monkeypatch.setattr("merjax.system.settings.marked", lambda config, mark: {"loss.gamma": marked.metadata[mark]})
    monkeypatch.setattr("merjax.system.settings.flatten", lambda config: {"loss.gamma": config, "loss.alpha": "none"})
    assert identity("old", ["loss.gamma", "loss.alpha"]) == {"loss.alpha": "none"}
    assert identity("new", ["loss.gamma", "loss.alpha"]) == {"loss.alpha": "none", "loss.gamma": "new"}


def test_an_identity_does_not_depend_on_the_order_of_declarations():
    one, other = (identity(Config(), keys) for keys in (SPATIAL.settings, SPATIAL.settings[::-1]))
    assert json.dumps(one) == json.dumps(other)
    assert with_only(make_config("loss.gamma=1"), SPATIAL.settings[::-1]).loss.gamma == 1


SPEC = RunId(make_config(BASE), 0, 1)


def test_a_key_comes_from_seed_stage_settings_and_training_subjects_alone():
    data = small_experiment()
    job, temporal = local_regions.identities(data, SPEC)
    test_N = data.folds[1].test_N
    altered = replace(
        data,
        store=replace(data.store, meta=data.store.meta | {"hash": "another"}),
        target_N=(data.target_N + 1) % 3,
    )
    held_out = replace(data, target_N=np.where(test_N, 0, data.target_N))
    for other in (altered, held_out):
        assert (local_regions.identities(other, SPEC)[0].key == job.key).all()
    assert local_regions.identities(altered, SPEC)[0].hash != job.hash
    assert [j.hash for j in local_regions.identities(held_out, SPEC)] == [job.hash, temporal.hash]
    renamed = replace(data, folds=tuple(replace(fold, name=f"another {fold.name}") for fold in data.folds))
    assert (local_regions.identities(renamed, SPEC)[0].key == job.key).all()
    keys = {
        local_regions.identities(data, SPEC._replace(seed=s, fold=f))[0].key.tobytes()
        for s in (0, 1)
        for f in (0, 1, 2)
    }
    assert len(keys | {temporal.key.tobytes()}) == 7


def test_a_hash_changes_with_the_clips_that_are_trained_on_and_with_the_stages_version(monkeypatch):
    data = small_experiment()
    job, temporal = local_regions.identities(data, SPEC)
    fewer_N = data.folds[1].train_N.copy()
    fewer_N[np.flatnonzero(fewer_N)[0]] = False  # of a subject with other clips
    folds = (data.folds[0], replace(data.folds[1], train_N=fewer_N), *data.folds[2:])
    other = local_regions.identities(replace(data, folds=folds), SPEC)[0]
    assert other.hash != job.hash
    assert (other.key == job.key).all()
    renamed = replace(data, index=data.index.assign(clip=data.index["clip"] + "b"))  # others of the same store
    assert local_regions.identities(renamed, SPEC)[0].hash != job.hash
    assert local_regions.identities(replace(data, row_S=data.row_S[::-1]), SPEC)[0].hash != job.hash
    monkeypatch.setattr(local_regions, "SPATIAL", SPATIAL._replace(version=2))
    newer = local_regions.identities(data, SPEC)
    assert newer[0].hash != job.hash
    assert newer[1].hash != temporal.hash  # it takes what the other gives
    assert (newer[0].key == job.key).all()


def test_trials_with_a_common_stage_have_the_same_job():
    data = small_experiment()
    job = local_regions.identities(data, SPEC)[0]
    for line in ("temporal.units=8", "temporal.learning_rate=1e-2", "regions=[mouth]", "selection.looks=3"):
        assert local_regions.identities(data, SPEC._replace(config=make_config(BASE, line)))[0].hash == job.hash
    for line in ("spatial.learning_rate=1e-2", "loss.gamma=1", "data.standardise=true"):
        other = local_regions.identities(data, SPEC._replace(config=make_config(BASE, line)))[0]
        assert other.hash != job.hash
        assert (other.key != job.key).any()


def test_a_region_that_diverges_does_not_reach_a_trial_without_it():
    data = small_experiment()
    features_SxRxD = np.ones((len(data.row_S), 2, 20), np.float32)
    features_SxRxD[:, 0] = np.nan
    seen = local_regions.temporal_numbers(data, SPEC._replace(config=make_config("regions=[mouth]")), features_SxRxD)
    assert (seen.features_SxRxD[:, 0] == 0).all()
    assert (seen.features_SxRxD[:, 1] == 1).all()


# the mean of the stages' outputs after a few steps of the paper's networks, with their declared versions
OUTPUTS = {("spatial", 1): 0.11798848, ("temporal", 1): 0.06595984}


@pytest.mark.long
def test_the_mathematics_of_a_stage_belong_to_its_version():
    """If this fails because a stage computes something else now, raise `version` in its `StageReads` and pin the new number;
    kept features of the version before are then no longer taken for the same."""
    with networks_in_use("paper"):
        data, found = small_experiment(), {}
        visit = train(Engine("map", 2, jax.devices()[:1]), seed=0)

        def noting(job) -> StageResult:
            result = visit(job)
            reads: StageReads = {"spatial": SPATIAL, "temporal": TEMPORAL}[job.stage.name]
            found[reads.stage, reads.version] = float(np.abs(result.outputs).mean())
            return result

        steps = local_regions.jobs(data, [SPEC])
        job = next(steps)
        job = steps.send(noting(job))
        noting(job)
    assert found == pytest.approx(OUTPUTS, rel=1e-3)
