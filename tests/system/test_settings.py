"""Every setting in many spellings, in files and on the command line: what was meant is read, or a sentence says why not."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merjax.config import Config, make_config, read_settings
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten, read_as, settings_in
from merjax.system.values import parse

DEFAULTS = flatten(Config())
KINDS = {key: setting.kind for key, setting in settings_in(Config).items()}
# Text that no YAML file can hold without quotes is written in them.
NAMES = (
    "on",
    "off",
    "yes",
    "no",
    "y",
    "N",
    "010",
    "1e3",
    "1_000",
    "0x1F",
    "null",
    "~",
    "true",
    "False",
    "1.0",
    ".inf",
    "12:30",
)
NAMES += ("2026-11-27", "a=b", "stores/all", "C:\\data", "é", "x#y", "-", "=", "<<", "${nothing.here}", "$HOME", "+1")


def test_settings_are_all_there_with_their_defaults():
    assert {key: setting.default for key, setting in settings_in(Config).items()} == DEFAULTS


@dataclass(frozen=True)
class Written:
    """A spelling of a setting: its text behind `key: ` and behind `key=`, and the value that is meant or None."""

    key: str
    in_file: str
    in_word: str
    value: Any = None


def spellings_of_a_whole_number(value: int) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(["", "+"]), st.integers(0, 4)).map(lambda how: f"{how[0]}{'0' * how[1]}{value}")


@st.composite
def whole_numbers(draw, key):
    value = draw(st.integers(1, 2**31 - 1))
    written = draw(spellings_of_a_whole_number(value))
    return Written(key, *draw(st.sampled_from([(written, written), (f"'{written}'", f"'{written}'")])), value)


@st.composite
def decimals(draw, key):
    digits, places = draw(st.integers(0, 9999)), draw(st.integers(0, 6))
    value = digits / 10**places
    zeros, plus = "0" * draw(st.integers(0, 3)), draw(st.sampled_from(["", "+"]))
    letter = draw(st.sampled_from("eE"))
    plain = f"{digits / 10**places:.{places}f}"
    written = draw(st.sampled_from([f"{plus}{zeros}{plain}", f"{plus}{zeros}{digits}{letter}-{places}", repr(value)]))
    if "0." in plain[:2] and draw(st.booleans()):
        written = plain[1:]
    return Written(key, written, written, value)


@st.composite
def texts(draw, key):
    value = draw(st.one_of(st.sampled_from(NAMES), st.from_regex(r"[a-zA-Z0-9_./+-]{1,8}", fullmatch=True)))
    quoted = draw(st.booleans())
    bare = value not in ("-", "=", "<<", "~x") and not value.startswith(("- ", "*", "&", "---", "..."))
    return Written(
        key, value if bare and not quoted else json.dumps(value), json.dumps(value) if quoted else value, value
    )


@st.composite
def lists(draw, key):
    value = draw(
        st.lists(st.from_regex(r"[a-z0-9_.]{1,6}", fullmatch=True) | st.sampled_from(["on", "010", "null"]), max_size=4)
    )
    gap = draw(st.sampled_from(["", " "]))
    written = f"[{f',{gap}'.join(value)}]"
    return Written(key, written, written, tuple(value))


def flags(key):
    return st.sampled_from(["true", "false", "True", "False", "TRUE"]).map(
        lambda w: Written(key, w, w, w.lower() == "true")
    )


def wrong(key):
    """What is no value of the setting."""
    kind = KINDS[key]
    hopeless = ["", "[]x", "{a: 1}"] if kind is not str else [""]
    if kind in (int, float):
        hopeless += [
            ".inf",
            "-.inf",
            ".nan",
            "nan",
            "inf",
            "1e999",
            "yes",
            "true",
            "null",
            "~",
            "0x10",
            "1_0",
            "1,5",
            "12:30",
            "[1]",
        ]
    if kind is int:
        hopeless += ["1.5", "1.0", "1e3", "9" * 30, str(2**31)]
    if kind is bool:
        hopeless += ["yes", "no", "on", "off", "1", "0", "y", "null", "[true]"]
    if kind not in (int, float, bool, str):
        hopeless += ["eyes,nose", "none of them"]
    return st.sampled_from(hopeless).map(lambda w: Written(key, w, w, None))


def right(key):
    kind = KINDS[key]
    if kind in (int, float, bool, str):
        return {int: whole_numbers, float: decimals, bool: flags, str: texts}[kind](key)
    if str(kind).startswith("tuple"):
        return lists(key)
    return st.sampled_from(kind.__args__).map(lambda w: Written(key, w, w, w))


SPELLINGS = st.sampled_from(sorted(KINDS)).flatmap(lambda key: st.one_of(right(key), right(key), wrong(key)))


def read(layer) -> Any:
    try:
        ((_, value),) = read_settings(layer, "f.yaml").items()
    except MerjaxError as error:
        return error
    return value


def in_a_file(said: Written) -> list[Any]:
    """The setting as a file gives it, dotted and nested."""
    section, _, name = said.key.rpartition(".")
    dotted = f"{said.key}: {said.in_file}"
    found = []
    for lines in (dotted, f"{section}:\n  {name}: {said.in_file}" if section else dotted):
        try:
            found.append(read(parse(lines, "f.yaml")))
        except MerjaxError as error:
            found.append(error)
    return found


def means_what_was_written(said: Written) -> None:
    results = [*in_a_file(said), read(f"{said.key}={said.in_word}"), read(f" {said.key} = {said.in_word} ")]
    if said.value is None:
        for result in results:
            if KINDS[said.key] is int and said.in_file == str(2**31):
                with pytest.raises(MerjaxError, match="must be below"):
                    make_config({said.key: result})
                continue
            assert isinstance(result, MerjaxError), (said, result)
            assert len(str(result).splitlines()) == 1
            assert said.key in str(result) or "YAML" in str(result)
        return
    for result in results:
        assert not isinstance(result, Exception), (said, str(result))
        assert type(result) in (list, int, float, bool, str)  # never a Plain
        assert (tuple(result) if isinstance(result, list) else result) == said.value, (said, result)


@settings(max_examples=150, deadline=None)
@given(said=SPELLINGS)
def test_a_setting_means_what_was_written_both_ways_in(said):
    means_what_was_written(said)


@pytest.mark.long
@settings(max_examples=4000, deadline=None)
@given(said=SPELLINGS)
def test_very_many_spellings_mean_what_was_written(said):
    means_what_was_written(said)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("regions=eyes,nose", "regions is eyes,nose; write regions=[eyes,nose]"),
        ("regions=eyes", "regions is eyes; write regions=[eyes]"),
        ("regions=[eyes,nose", "regions is [eyes,nose; write regions=[eyes,nose]"),
        ("selection.rules=(inner oracle)", "write selection.rules=[inner,oracle]"),
        ("data.store=", "data.store has no value (an unset variable?)"),
        ("loss.gamma= ", "loss.gamma has no value (an unset variable?)"),
        ("data.store", "`data.store` is not a setting"),
        ("=2", "`=2` names no setting"),
        ("loss.gamma:2", "write settings as loss.gamma=2"),
        ("loss.gamma:=2", "no setting `loss.gamma:`; did you mean loss.gamma?"),
        ("loss.gamma=1,5", "loss.gamma is 1,5; write 1.5, with a point"),
        ("spatial.batch=1e1", "spatial.batch is 1e1; write a whole number, in digits alone"),
        ("loss.gamma=.inf", "loss.gamma is .inf; write a finite number"),
        ("loss.gamma=two", "loss.gamma is two; write a number, such as 2"),
        ("temporal.mask=yes", "temporal.mask is yes; write true or false"),
        ("data.input=Gray", "data.input is Gray; write one of gray, difference, flow"),
        ("loss={gamma: 1, gamma: 2}", "has the key `gamma` for a second time"),
        ("engine.workers=-1", "engine.workers is -1, it must not be negative"),
    ],
)
def test_words_that_do_not_fit_say_what_to_write(word, sentence):
    with pytest.raises(MerjaxError) as refusal:
        make_config(word)
    assert sentence in str(refusal.value)


def test_quotes_that_are_part_of_a_text_stay():
    assert [read(f"data.store={w}") for w in ("'010'", '"a b"', "it's", "'tis", "[old] 'x'", "'a', 'b'")] == [
        "010",
        "a b",
        "it's",
        "'tis",
        "[old] 'x'",
        "'a', 'b'",
    ]


def test_a_setting_twice_in_one_layer_is_refused():
    with pytest.raises(MerjaxError, match="loss.gamma stands there twice"):
        make_config({"loss": {"gamma": 1}, "loss.gamma": 2})


def test_values_from_python_are_read_alike():
    assert read_as(tuple[str, ...], ("eyes", "nose")) == ["eyes", "nose"]
    for value in (None, True, [1], {}):
        with pytest.raises(MerjaxError, match="data.store is"):
            make_config({"data.store": value})
    with pytest.raises(MerjaxError, match="loss.gamma is True; write a number"):
        make_config({"loss.gamma": True})


def sweep(written: str, *words: str):
    return make_sweep(parse(written, "f.yaml"), "f", words, source="f.yaml")


def test_trials_keep_their_names_and_axes_their_texts():
    got = sweep(
        "trials: {on: {loss.gamma: 1}, off: {loss.gamma: 2}, 010: {loss.gamma: 3}, 1.0: {loss.gamma: 4}, null: {loss.gamma: 5}}"
    )
    assert [trial.name for trial in got.trials] == ["on", "off", "010", "1.0", "null"]
    got = sweep("axes: {data.store: [010, 1e3, yes], spatial.epochs: [010]}\nseeds: [01, 010]", "loss.alpha=0.50")
    assert [trial.name for trial in got.trials] == [
        "store=010, epochs=10",
        "store=1e3, epochs=10",
        "store=yes, epochs=10",
    ]
    assert [trial.config.data.store for trial in got.trials] == ["010", "1e3", "yes"]
    assert {(trial.config.spatial.epochs, trial.config.loss.alpha) for trial in got.trials} == {(10.0, "0.50")}
    assert got.seeds == (1, 10)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("seeds: [9223372036854775808]", "from 0 to 9223372036854775807"),
        ("seeds: [-1]", "from 0 to"),
        ("seeds: 20261127", "which says how many; for this one seed write [20261127]"),
        ("seeds: 2.0", "write how many, or a list"),
        ("seeds: ", "write how many, or a list"),
        ("search: ", "write space and trials"),
        ("axis: ", "there is no key `axis`"),
        ("base: {seeds: 3}", "`seeds` is not a setting; it belongs at the top of the sweep file"),
        ("loss.gamma: 3", "`loss.gamma` is a setting, not a key of a sweep file; write it below base, trials or axes"),
        ("base: {spatial: {learning_rate: .inf}}", "spatial.learning_rate is .inf; write a finite number"),
        ("axes: {loss.gamma: {range: [0, 1e9, 1]}}", "write at most 10000"),
        ("axes: {loss.gamma: {range: [0, .inf, 1]}}", "write a list of values"),
        ("axes: {loss.gamma: }", "the axis loss.gamma is empty"),
        ("search: {space: {loss.gamma: [.nan]}, trials: 2}", "loss.gamma is .nan; write a finite number"),
        ("base: {spatial: 3}", "spatial is 3, but it is a section"),
    ],
)
def test_sweep_files_that_do_not_fit_say_what_to_write(written, sentence):
    with pytest.raises(MerjaxError) as refusal:
        sweep(written)
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith("f.yaml: ")
