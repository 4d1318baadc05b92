"""Configs and sweep files: types, errors that say what to write, and which settings share compiled programs."""

import pytest

from merjax.config import Config, flatten, group_key, identity, make_config, traced_keys
from merjax.errors import MerjaxError
from merjax.trials import read_sweep


def test_layers_override_each_other_nested_or_dotted():
    config = make_config({"loss": {"gamma": 1}, "spatial.batch": 16}, "loss.gamma=0.5", "regions=[eyes,mouth]")
    assert config.loss.gamma == 0.5
    assert config.spatial.batch == 16
    assert config.regions == ("eyes", "mouth")
    assert config.temporal == Config().temporal


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("loss.gama=1", "Did you mean: 'gamma'"),
        ("spatial.batch=many", "spatial.batch"),
        ("data.input=raw", r"expected one of \['gray', 'difference', 'flow'\]"),
        ("spatial.dropout=1.5", r"spatial.dropout is 1.5, it must lie in \[0, 1\)"),
        ("temporal.epochs=0", "temporal.epochs is 0.0, it must be above 0"),
        ("loss.gamma=-1", "loss.gamma is -1.0, it must not be negative"),
        ("loss=3", "LossConfig"),
    ],
)
def test_wrong_settings_are_named(line, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        make_config(line)


def test_traced_numbers_share_a_group_and_shapes_split_it():
    base = make_config()
    for line in ("loss.gamma=0", "spatial.learning_rate=1e-3", "regions=[eyes]", "loss.alpha=none", "engine.chunk=3"):
        assert group_key(make_config(line)) == group_key(base), line
    for line in ("temporal.units=32", "spatial.batch=32", "data.frames=count:8", "data.whole_face=true"):
        assert group_key(make_config(line)) != group_key(base), line
    assert traced_keys() <= set(flatten(base))


def test_identity_ignores_where_and_how_but_nothing_else():
    base = make_config()
    assert identity(make_config("data.store=elsewhere", "engine.workers=7")) == identity(base)
    for line in ("loss.gamma=0", "data.frames=count:8", "temporal.units=32"):
        assert identity(make_config(line)) != identity(base)


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
        ("axes: {loss.gama: [1]}", "Did you mean: 'gamma'"),
        ("axes: {loss.gamma: [1, 1.0]}", "same settings"),
        ("seeds: 0", "write how many"),
        ("combine: zip\naxes: {loss.gamma: [1], spatial.epochs: [1, 2]}", "equally long"),
        ("base: nowhere.yaml", "does not exist"),
        ("a: [1", "not a readable YAML"),
    ],
)
def test_wrong_sweep_files_get_a_sentence(tmp_path, text, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        sweep(tmp_path, text)
