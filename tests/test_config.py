"""Configs and sweep files: types, errors that say what to write, and which settings share compiled programs."""

import pytest
from support.places import CHECKOUT

from merjax.config import Config, make_config, program_group, traced_keys, trained_settings
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten, identity


def test_layers_override_each_other_nested_or_dotted():
    config = make_config({"loss": {"gamma": 1}, "spatial.batch": 16}, "loss.gamma=0.5", "regions=[eyes,mouth]")
    assert config.loss.gamma == 0.5
    assert config.spatial.batch == 16
    assert config.regions == ("eyes", "mouth")
    assert config.temporal == Config().temporal


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("loss.gama=1", r"no setting `loss.gama`; did you mean loss.gamma\?"),
        ("spatial.batch=many", "spatial.batch"),
        ("data.input=raw", "data.input is raw; write one of gray, difference, flow"),
        ("spatial.dropout=1.5", r"spatial.dropout is 1.5, it must lie in \[0, 1\)"),
        ("temporal.epochs=0", "temporal.epochs is 0.0, it must be above 0"),
        ("loss.gamma=-1", "loss.gamma is -1.0, it must not be negative"),
        ("temporal.length=-1", "temporal.length is -1, it must not be negative"),
        ("temporal.l1=-1", "temporal.l1 is -1.0, it must not be negative"),
        ("spatial.epsilon=0", "spatial.epsilon is 0.0, it must be above 0"),
        ("spatial.patches=5", "spatial.patches is 5; write 4, 9 or 16"),
        ("temporal.padding=in front", "needs temporal.mask: false and a temporal.length"),
        ("loss=3", "loss is 3, but it is a section; write loss.gamma, "),
        (
            "learning_rate=1",
            "write spatial.learning_rate, temporal.learning_rate, peer.learning_rate, spotter.learning_rate ",
        ),
        ("spatial.units=1", r"no setting `spatial.units`; write temporal.units \("),
        ("loss.temporal_units=1", "no setting `loss.temporal_units`; did you mean temporal.units"),
        ("loss.focus=2", "write loss.gamma, loss.alpha, loss.label_smoothing "),
        (
            "cnn=2",
            "write method, data, regions, loss, spatial, temporal, peer, svm, spotter, control, selection, engine ",
        ),
    ],
)
def test_wrong_settings_are_named(line, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        make_config(line)


def test_padding_in_front_needs_a_length_and_no_mask():
    asked = {"temporal": {"padding": "in front", "mask": False, "length": 250}}
    assert make_config(asked).temporal.length == 250
    for line in ("temporal.mask=true", "temporal.length=0"):
        with pytest.raises(MerjaxError, match=r"temporal\.padding: in front needs"):
            make_config(asked, line)


def test_symmetric_scaling_is_for_frames_as_they_are():
    assert make_config("data.scaling=symmetric").data.scaling == "symmetric"
    for line in ("data.input=difference", "data.input=flow", "data.standardise=true"):
        with pytest.raises(
            MerjaxError, match=r"data\.scaling: symmetric needs data.input: gray and data.standardise: false"
        ):
            make_config("data.scaling=symmetric", line)


def test_traced_numbers_share_a_group_and_shapes_split_it():
    base = make_config()
    for line in ("loss.gamma=0", "spatial.learning_rate=1e-3", "regions=[eyes]", "loss.alpha=none", "engine.chunk=3"):
        assert program_group(make_config(line)) == program_group(base), line
    for line in ("temporal.units=32", "spatial.batch=32", "data.frames=count:8", "data.whole_face=true"):
        assert program_group(make_config(line)) != program_group(base), line
    assert traced_keys() <= set(flatten(base))


def test_trials_are_told_apart_by_all_settings_but_where_and_how():
    def told(*lines):
        return identity(make_config(*lines), trained_settings())

    assert told("data.store=elsewhere", "engine.workers=7", "selection.looks=3") == told()
    for line in ("loss.gamma=0", "data.frames=count:8", "temporal.units=32", "svm.cost=2"):
        assert told(line) != told()


def sweep(tmp_path, text, *overrides):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return read_sweep(path, overrides)


def test_axes_multiply_and_trials_are_named_by_what_sets_them_apart(tmp_path):
    text = "axes:\n  loss.gamma: [0, 2]\n  spatial.learning_rate: {log: [1e-4, 1e-2, 3]}\nseeds: 3\n"
    got = sweep(tmp_path, text, "temporal.units=32")
    assert len(got.trials) == 6
    assert got.seeds == (0, 1, 2)
    assert {t.config.spatial.learning_rate for t in got.trials} == {1e-4, 1e-3, 1e-2}
    assert got.trials[0].name == "gamma=0, learning_rate=0.0001"
    assert all(t.config.temporal.units == 32 for t in got.trials)


def test_zip_and_named_trials(tmp_path):
    text = (
        "trials:\n  plain: {}\n  smooth: {loss.label_smoothing: 0.1}\n"
        "combine: zip\naxes:\n  loss.gamma: {range: [0, 2, 1]}\n  spatial.epochs: [5, 6, 7]\n"
    )
    got = sweep(tmp_path, text)
    assert [(t.config.loss.gamma, t.config.spatial.epochs) for t in got.trials[:3]] == [(0, 5), (1, 6), (2, 7)]
    assert got.trials[3].name == "smooth, gamma=0, epochs=5"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("axis: {}", "there is no key `axis`"),
        ("axes: {loss.gamma: []}", "write a list of values"),
        ("axes: {loss.gamma: {log: [0, 1, 3]}}", "0 < first < last"),
        ("axes: {loss.gamma: {range: [0, 1, 0]}}", "step above 0"),
        ("axes: {loss.gama: [1]}", r"no setting `loss.gama`; did you mean loss.gamma\?"),
        ("axes: {loss.gamma: [1, 1.0]}", "same settings"),
        ("trials: {a/b: {loss.gamma: 1}, a-b: {loss.gamma: 2}}", '"a/b" and "a-b" would share the files called "a-b"'),
        ("trials: {'?': {loss.gamma: 1}}", 'the trial "\\?" has neither a letter nor a digit'),
        ("seeds: 0", "write how many"),
        ("combine: zip\naxes: {loss.gamma: [1], spatial.epochs: [1, 2]}", "equally long"),
        ("base: nowhere.yaml", "does not exist"),
        ("a: [1", "not a readable YAML"),
        ("axes: [loss.gamma]", r"write `key: \[values\]` lines"),
        ("base: 3", "3 does not exist"),
        ("base: [3]", "write a config file's path, or settings"),
        ("trials: {a: 3}", "write `name: {key: value}` lines"),
        ("trials: [a]", "write `name: {key: value}` lines"),
        ("axes: {loss.gamma: {range: [5, 1, 1]}}", r"goes down from 5 to 1; write {range: \[1, 5, 1\]}"),
        ("axes: {loss.gamma: {log: [1, 0.1, 3]}}", r"write {log: \[0.1, 1, 3\]}"),
        ("axes: {loss.gamma: {log: [1, 2, 3.7]}}", "two values or more"),
        ("seeds: [0, 0]", "each seed once"),
        ("seeds: true", "write how many"),
        ("seeds: [true]", "write how many"),
        ("search: {space: {loss.gamma: [1]}, trials: 2, inner: 0.7}", "inner is 0.7; write a share"),
        ("search: {space: {loss.gamma: [1]}, trials: 2, metric: [UF1]}", r"metric is \[UF1\]; write any of"),
        ("search: {space: {loss.gamma: [1]}, trials: true}", "trials is true; write how many"),
        ("search: {space: {loss.gamma: [1]}, trials: 2, storage: 3}", "write a URL"),
        ("search: {space: {loss.gamma: [1]}, trials: 2, sampler: best}", "write tpe, random, or one of"),
        ("trials: {a: {loss.gamma: 1}, b: {engine.precision: high}}", "trials differ in engine.precision"),
        ("search: {space: {engine.chunk: [1, 2]}, trials: 2}", "engine.chunk does not change the training"),
        ("search: {space: {data.folds: [loso]}, trials: 2}", "data.folds does not change the training"),
        ("search: {space: {temporal.mask: {low: 0, high: 1}}, trials: 2}", r"write temporal.mask: \[true, false\]"),
        ("search: {space: {temporal.units: {low: 4.0, high: 8}}, trials: 2}", "whole numbers"),
    ],
)
def test_wrong_sweep_files_get_a_sentence(tmp_path, text, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        sweep(tmp_path, text)


def test_ranges_are_the_numbers_that_people_mean(tmp_path):
    text = "axes: {loss.gamma: {range: [0.1, 0.5, 0.1]}}"
    assert [trial.config.loss.gamma for trial in sweep(tmp_path, text).trials] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert sweep(tmp_path, text).trials[2].config == make_config("loss.gamma=0.3")


def test_axes_whose_keys_end_alike_are_called_by_the_whole_of_them(tmp_path):
    text = "axes: {spatial.learning_rate: [1e-4], temporal.learning_rate: [1e-3], loss.gamma: [0]}"
    (trial,) = sweep(tmp_path, text).trials
    assert trial.name == "spatial.learning_rate=0.0001, temporal.learning_rate=0.001, gamma=0"


# what the code published in 2022 sets, where merjax's default is another
AUTHORS = {
    "data.geometry": "authors",
    "data.colour": "rgb",
    "data.protocol": "au5",
    "data.scaling": "symmetric",
    "data.class_iv": "eyes+nose",
    "data.store": "stores/authors",
    "loss.alpha": "none",
    "spatial.network": "patches",
    "spatial.pooling": "ceil",
    "spatial.initial": "normal",
    "spatial.epochs": 60,
    "spatial.batch": 32,
    "spatial.epsilon": 1e-7,
    "spatial.drop_features": True,
    "temporal.mask": False,
    "temporal.length": 250,
    "temporal.padding": "in front",
    "temporal.integer_features": True,
    "temporal.gates": "hard sigmoid",
    "temporal.region_gate": True,
    "temporal.initial": "normal",
    "temporal.loss": "binary focal",
    "temporal.l1": 1e-5,
    "temporal.epochs": 250,
    "temporal.batch": 128,
    "temporal.epsilon": 1e-7,
}


def test_the_authors_config_sets_what_their_code_sets(tmp_path):
    (trial,) = sweep(tmp_path, f"base: {CHECKOUT / 'configs' / 'authors.yaml'}").trials
    settings, default = flatten(trial.config), flatten(Config())
    assert {key: value for key, value in settings.items() if value != default[key]} == AUTHORS
    assert (trial.config.spatial.learning_rate, trial.config.temporal.learning_rate, trial.config.loss.gamma) == (
        1e-4,
        1e-4,
        2,
    )
