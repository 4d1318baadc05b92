"""Final models over the small experiment: what all subjects teach, whole or in pieces, alone or with other seeds."""

import json
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
from rich.console import Console
from support.fake_runs import write_fake_run
from support.small_experiment import BASE, networks_in_use, small_experiment

import merjax
import merjax.models.model
import merjax.sweeps.plan
from merjax.cli import train as cli
from merjax.config import make_config
from merjax.engine import train, walk
from merjax.methods.registry import method_of
from merjax.methods.runs import RunId, engine_of
from merjax.models.health import examine_final_model
from merjax.models.learned import by_name, remember
from merjax.protocols import Fold, make_folds
from merjax.sweeps.final_recipe import recipe_of
from merjax.sweeps.result import open_sweep
from merjax.sweeps.running import train_chunk
from merjax.sweeps.running import train_final as train_final_module
from merjax.sweeps.running.train_final import train_final
from merjax.system.errors import MerjaxError
from merjax.system.signals import Interrupted

QUIET = Console(quiet=True)
SETTINGS = BASE | {
    "data": {"folds": "group:2"},
    "spatial": BASE["spatial"] | {"epochs": 2},
    "temporal": BASE["temporal"] | {"epochs": 3},
    "engine": {"steps_per_call": 2, "workers": 1},
}
PROBABILITIES = ["p_negative", "p_positive", "p_surprise"]


@pytest.fixture(scope="module")
def engine():
    """One for all trainings, on one device, so that each program is compiled once."""
    return engine_of(make_config(SETTINGS), jax.local_devices()[:1])


@pytest.fixture(scope="module", autouse=True)
def experiment(engine):
    """Plans open the small experiment with the folds that a config asks for, and models all of its clips."""

    def of(data):
        whole = small_experiment()
        return replace(whole, folds=make_folds(whole.index, data.folds))

    with networks_in_use("tiny"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(merjax.sweeps.plan, "data_of", of)
        patch.setattr(merjax.models.model, "every_clip", lambda store, data: small_experiment())
        patch.setattr(train_chunk, "engine_of", lambda config: engine)
        yield of


@pytest.fixture(scope="module")
def result(experiment, tmp_path_factory):
    """A finished sweep over the small experiment, whose scores were invented."""
    whole = experiment(make_config(SETTINGS).data)
    data = {"store_hash": whole.store.hash, "label_hash": whole.label_hash, "split_hash": whole.split_hash}
    clips = whole.index.assign(label=whole.target_N)[["database", "subject", "clip", "label"]]
    folder = tmp_path_factory.mktemp("sweep") / "run"
    write_fake_run(folder, clips=clips, skills={"focal": 0.8}, seeds=(0, 1), settings=SETTINGS, data=data)
    return open_sweep(folder)


@pytest.fixture(scope="module")
def both(result, tmp_path_factory):
    """The final models of both seeds, in a folder."""
    out = tmp_path_factory.mktemp("final") / "both"
    train_final(recipe_of(result, ensemble=True), out, QUIET)
    return out


@pytest.fixture(scope="module")
def stopped(result, tmp_path_factory):
    """What lies beside the folder of a final model whose training was stopped, went on, and was killed at its very end."""
    out, calls = tmp_path_factory.mktemp("stopped") / "one", iter(range(1000))
    with pytest.raises(Interrupted):
        train_final(recipe_of(result), out, QUIET, lambda: next(calls) > 4)
    partial = out.with_name("one.partial")
    assert list((partial / "training" / "checkpoints").glob("*/*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_final_module, "write_final_card", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train_final(recipe_of(result), out, QUIET)
    assert not out.exists()
    return partial


def parameters(member) -> dict[str, np.ndarray]:
    return {f"{s}{name}": x for s, own in member.learned.items() for name, x in by_name(own.variables).items()}


def assert_same(one, other) -> None:
    one, other = parameters(one), parameters(other)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])


def test_a_member_is_what_a_plain_fit_of_all_clips_gives(both, result, engine):
    """By the engine itself, on data whose one fold was written by hand, with the trial's own settings."""
    config, data = result.plan.trials[0].config, small_experiment()
    every_N = np.ones(len(data.index), bool)
    data = replace(data, folds=(Fold("any name", every_N, ~every_N),))
    for seed, member in enumerate(merjax.load_final_model(both).members):
        learned = {}
        visit = remember(train(engine, seed), learned)
        walk(method_of(config.method).jobs(data, [RunId(config, seed, 0)]), visit)
        for stage, own in learned.items():
            fitted = by_name(jax.tree.map(lambda x: x[0], own.variables))
            for name, values in by_name(member.learned[stage].variables).items():
                np.testing.assert_allclose(values, fitted[name], atol=1e-6)
        assert member.card["held_out_subjects"] == []
        assert "was trained on all subjects" in repr(member)


def test_whoever_the_sweep_held_out_the_final_training_is_the_same(result, experiment):
    """The hash of a job covers all that reaches its training."""
    config = recipe_of(result).source.config
    hashes = set()
    for kind in ("nobody:group:2", "nobody:loso", "nobody:group:4"):
        own = replace(config, data=replace(config.data, folds=kind))
        jobs = method_of(config.method).identities(experiment(own.data), RunId(own, 0, 0))
        hashes.add(tuple(job.hash for job in jobs))
    assert len(hashes) == 1


def test_an_ensemble_gives_the_mean_of_its_members(both):
    model, store = merjax.load_final_model(both), small_experiment().store
    own = np.stack([member.probabilities_of(small_experiment(), model._engine) for member in model.members])
    assert len(own) == 2
    assert np.abs(own[0] - own[1]).max() > 1e-4
    table = model(store)
    np.testing.assert_allclose(table[PROBABILITIES], own.mean(0), atol=1e-6)
    named = np.array(model.classes)[own.mean(0).argmax(1)]
    assert table["prediction"].tolist() == named.tolist()


def test_one_that_was_stopped_and_killed_goes_on_to_the_same_model(both, stopped, result, tmp_path, monkeypatch):
    shutil.copytree(stopped, tmp_path / "one.partial")
    monkeypatch.setattr(train_final_module, "train_plan", assert_nothing_left)
    model = train_final(recipe_of(result), tmp_path / "one", QUIET)
    assert_same(model.members[0], merjax.load_final_model(both).members[0])
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["card.md", "model.json", "seed0"]
    assert not (tmp_path / "one.partial").exists()


def assert_nothing_left(folder, *_):
    assert not open_sweep(folder).missing


def test_the_card_says_what_to_expect_whom_it_saw_and_what_it_is_for(both, result):
    model = merjax.load_final_model(both)
    card, text = model.card, (both / "card.md").read_text()
    assert card["data"]["store_hash"] == result.plan.groups[0].store_hash
    assert card["data"]["split_hash"] == result.plan.groups[0].split_hash
    assert card["members"] == ["seed0", "seed1"]
    assert card["training"]["databases"] == [
        {"name": "casme2", "title": "CASME II", "clips": 12, "subjects": 4, "frames_per_second": [200.0]}
    ]
    assert card["training"]["clips_of_class"] == {"negative": 4, "positive": 4, "surprise": 4}
    assert model.members[0].card["scores"] == recipe_of(result).expected.scores != card["expected"]["scores"]
    assert f"UF1 {card['expected']['scores']['UF1']['mean']:.3f}" in model.expectation
    for said in (
        model.expectation,
        "CASME II: 12 clips of 4 subjects, 200 frames per second",
        "must not be used to judge",
    ):
        assert said in text
    assert "Trained on CASME II: whoever lent you the recordings bound you to terms" in text
    assert "It was trained on the clips of all subjects" in (both / "seed0" / "card.md").read_text()


def test_a_store_that_was_replaced_since_the_sweep_is_refused(result, tmp_path, monkeypatch):
    def other(data):
        whole = small_experiment()
        store = replace(whole.store, meta=whole.store.meta | {"hash": "other"})
        return replace(whole, store=store, folds=make_folds(whole.index, data.folds))

    monkeypatch.setattr(merjax.sweeps.plan, "data_of", other)
    with pytest.raises(MerjaxError, match=r"was replaced since .* \(its clips differ\).*; put the store back"):
        train_final(recipe_of(result), tmp_path / "one", QUIET)
    assert not (tmp_path / "one").exists()


def test_a_training_that_diverged_leaves_no_model(both, stopped, result, tmp_path, monkeypatch):
    shutil.copytree(stopped, tmp_path / "one.partial")

    def broken(place):
        model = merjax.load_final_model(both)
        spatial = model.members[0].learned["spatial"]
        lost = spatial._replace(variables=jax.tree.map(lambda x: x * np.nan, spatial.variables))
        first = replace(model.members[0], learned=model.members[0].learned | {"spatial": lost})
        return replace(model, members=(first,))

    monkeypatch.setattr(train_final_module, "load_final_model", broken)
    with pytest.raises(MerjaxError, match="the training of seed0 diverged"):
        train_final(recipe_of(result), tmp_path / "one", QUIET)
    assert not (tmp_path / "one").exists()


def test_the_word_says_what_to_expect_and_refuses_a_folder_that_is_there(stopped, result, tmp_path, capsys):
    out = tmp_path / "one"
    shutil.copytree(stopped, tmp_path / "one.partial")
    cli.main([str(result.folder), "--out", str(out)])
    said = " ".join(capsys.readouterr().out.split())
    model = merjax.load_final_model(out)
    assert model.expectation in said
    assert ("does not exclude chance" in said) == model.chance_inside
    with pytest.raises(SystemExit) as ended:
        cli.main([str(result.folder), "--out", str(out)])
    assert ended.value.code == 2
    assert f"{out} exists; remove it, or choose another --out" in capsys.readouterr().err


def test_what_is_no_final_model_or_a_damaged_one_is_refused(both, tmp_path):
    with pytest.raises(MerjaxError, match="does not exist; name a folder that `merjax train` wrote"):
        merjax.load_final_model(tmp_path / "none")
    with pytest.raises(MerjaxError, match=r"holds no final model \(no model.json\)"):
        merjax.load_final_model(tmp_path)
    with pytest.raises(MerjaxError, match="holds the model of one fold, for merjax.load_model"):
        merjax.load_final_model(both / "seed0")
    with pytest.raises(MerjaxError, match="is a final model; open it with merjax.load_final_model"):
        merjax.load_model(both)
    card = json.loads((both / "model.json").read_text())
    for changed, said in ((card | {"format": 9}, "format 9"), ({"format": 1}, "it has no sweep")):
        (tmp_path / "model.json").write_text(json.dumps(changed))
        with pytest.raises(MerjaxError, match=said):
            merjax.load_final_model(tmp_path)


def test_the_doctor_knows_a_final_model(both, tmp_path):
    found = {finding.what: finding for finding in examine_final_model(both)}
    assert not any(finding.fails for finding in found.values())
    assert found["classes"].found == "negative, positive, surprise"
    copy = shutil.copytree(both, tmp_path / "copy")
    (copy / "seed1" / "card.json").unlink()
    assert any(finding.fails for finding in examine_final_model(copy))
