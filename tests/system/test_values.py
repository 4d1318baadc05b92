"""Values of YAML files and of key=value words: each means what its place says, and a file that cannot be read is a sentence."""

import math

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.places import CHECKOUT

from merjax.system.errors import MerjaxError
from merjax.system.values import (
    LARGEST,
    Plain,
    flag,
    is_nothing,
    number,
    parse,
    plain,
    read_text,
    read_yaml,
    text,
    whole,
)


@pytest.mark.parametrize(
    "written", ["on", "off", "yes", "010", "1e3", "1.0", "null", "~", "0x1F", "1_000", "12:30", "2026-11-27"]
)
def test_names_and_text_keep_the_letters_that_were_written(written):
    (name, value), *_ = parse(f"{written}: {written}", "f").items()
    assert name == written
    assert type(name) is str
    assert text(value) == written
    assert type(text(value)) is str


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("00057", 57),
        ("010", 10),
        ("-007", -7),
        ("+3", 3),
        ("1e-4", 1e-4),
        ("1E-4", 1e-4),
        (".5", 0.5),
        ("5.", 5.0),
        ("010.50", 10.5),
    ],
)
def test_numbers_are_decimal_and_keep_their_kind(written, value):
    assert (number(Plain(written)), type(number(Plain(written)))) == (value, type(value))
    assert number(written) == value  # in quotes too, where a number is wanted
    if isinstance(value, int):
        assert whole(Plain(written)) == value
    else:
        with pytest.raises(ValueError, match="whole number"):
            whole(Plain(written))


@pytest.mark.parametrize(
    "written",
    ["0x10", "0o17", "1_000", "12:30", ".inf", "-.INF", ".nan", "inf", "nan", "Infinity", "1e999", "1e39", "1e-60", ""]
    + ["one", "true", "null", "1 2", "٣", "9" * 5000, "--1", "1e", ".", "1,5"]
    + [math.inf, math.nan, True, None, [1], {}, np.bool_(True)],
)  # fmt: skip
def test_what_is_not_a_finite_decimal_number_is_refused(written):
    for read in (number, whole):
        with pytest.raises(ValueError, match="^write"):
            read(Plain(written) if isinstance(written, str) else written)


def test_whole_numbers_end_where_a_tables_column_ends():
    assert whole(Plain(str(LARGEST))) == np.iinfo(np.int64).max
    with pytest.raises(ValueError, match="64 bits"):
        whole(Plain(str(LARGEST + 1)))


def test_only_true_and_false_are_flags():
    assert [flag(Plain(w)) for w in ("true", "False")] == [True, False]
    assert flag(np.bool_(True)) is True
    for written in (Plain("yes"), Plain("on"), Plain("1"), 1, None):
        with pytest.raises(ValueError, match="write true or false"):
            flag(written)


def test_numbers_of_numpy_are_numbers():
    assert (number(np.float32(0.5)), whole(np.int64(3)), text(0.5)) == (0.5, 3, "0.5")


def test_quotes_make_text_and_nothing_is_only_what_has_no_quotes():
    content = parse("{a: null, b: 'null', c: , d: '010', e: 010, f: [on, 1e1, true]}", "f")
    assert [key for key in content if is_nothing(content[key])] == ["a", "c"]
    assert plain(content) == {"a": None, "b": "null", "c": None, "d": "010", "e": 10, "f": ["on", 10.0, True]}


@pytest.mark.parametrize(
    "path", sorted([*CHECKOUT.glob("sweeps/*.yaml"), *CHECKOUT.glob("configs/*.yaml")]), ids=lambda p: p.stem
)
def test_files_that_come_with_merjax_hold_what_pyyaml_reads(path):
    def mended(value):
        """PyYAML takes 1e-4 for text."""
        if isinstance(value, dict):
            return {str(key): mended(inside) for key, inside in value.items()}
        if isinstance(value, list):
            return [mended(inside) for inside in value]
        try:
            return float(value) if isinstance(value, str) and "e-" in value else value
        except ValueError:
            return value

    assert repr(plain(read_yaml(path))) == repr(mended(yaml.safe_load(path.read_text())))


# lists of ten lists of ten lists ...: a hundred million values in a few lines
LAUGHS = b"a: &a [1,1,1,1,1,1,1,1,1,1]\n" + b"".join(
    b"%c: &%c [%b]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in range(98, 106)
)
LINES = "name: été\nother: 1\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_encodings_with_a_mark_are_read(tmp_path, encoding, ending):
    path = tmp_path / "f.yaml"
    path.write_bytes(LINES.replace("\n", ending).encode(encoding))
    assert read_yaml(path) == {"name": "été", "other": "1"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (LINES.encode("cp1252"), "is not in UTF-8 (see line 1)"),
        (LINES.encode("utf-16-le"), "is not in UTF-8"),
        ("name: e\n".encode("utf-16-le"), "UTF-16 without its mark"),
        (b"", "is empty"),
        (b"# only this\n", "is empty"),
        (b"- a\n- b\n", "holds no `key: value` lines"),
        (b"hello\n", "holds no `key: value` lines"),
        (b"a:\n\tb: 1\n", "a tab stands where blanks should; indent with blanks (line 2)"),
        (b"a: 1\nb: 2\na: 3\n", "line 3 has the key `a` for a second time"),
        (b"a: 1\n'a': 3\n", "line 2 has the key `a` for a second time"),
        (b"a: [1\n", "not a readable YAML file"),
        (b"a: b: c\n", "mapping values are not allowed here (line 1)"),
        (b"a: \x07\n", "no text holds the character in line 1"),
        (b"a: &x [*x]\n", "holds itself"),
        (b"a: !!python/name:os.system x\n", "has the tag"),
        (b"a: !!int 010\n", "has the tag"),
        (b"? [1, 2]\n: 3\n", "has a list or a mapping as a key"),
        (b"a: {<<: 3}\n", "merges what has no keys"),
        (b'a: "\\ud800"\n', "half of a character"),
        (b"a: 1\n---\nb: 2\n", "single document"),
        (b"a: " + b"[" * 3000, "nested too deeply"),
        (LAUGHS, "more than 100000 values"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_sentence_that_names_it(tmp_path, content, sentence):
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(MerjaxError) as refusal:
        read_yaml(path)
    assert str(refusal.value).startswith(str(path))
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_folders_and_missing_files_are_told_apart(tmp_path):
    with pytest.raises(MerjaxError, match="is a folder; name a file"):
        read_text(tmp_path)
    with pytest.raises(MerjaxError, match="none.yaml does not exist"):
        read_yaml(tmp_path / "none.yaml")


def test_merged_keys_give_way_to_a_mappings_own():
    content = parse("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3, '<<': kept}", "f")
    assert content["y"] == {"a": "1", "b": "3", "<<": "kept"}


def refuses_or_reads(path, content):
    path.write_bytes(content)
    try:
        found = read_yaml(path)
    except MerjaxError as error:
        said = str(error)
        assert said.startswith(str(path)) and len(said.splitlines()) == 1, said  # noqa: PT018
        return
    assert isinstance(found, dict)
    repr(plain(found)).encode()  # there is no half of a character in it


PIECES = [
    *"ab0:-?[]{}&*!|>'\"%@#,<\t\n ",
    ": ",
    "\n  ",
    "- ",
    "<<: *a",
    "&a ",
    "*a",
    "010",
    "null",
    "é",
    "\u2028",
    "\\x",
    "---",
]
YAML_LIKE = st.lists(st.sampled_from(PIECES)).map("".join)
ENCODED = st.tuples(
    st.one_of(YAML_LIKE, st.text()), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
)
BYTES = st.one_of(st.binary(max_size=60), ENCODED.map(lambda pair: pair[0].encode(pair[1], "ignore")))


@settings(max_examples=100, deadline=None)
@given(content=BYTES)
def test_any_bytes_are_read_or_refused_in_a_sentence(tmp_path_factory, content):
    refuses_or_reads(tmp_path_factory.getbasetemp() / "any.yaml", content)


@pytest.mark.long
@settings(max_examples=4000, deadline=None)
@given(content=BYTES)
def test_very_many_bytes_are_read_or_refused_in_a_sentence(tmp_path_factory, content):
    refuses_or_reads(tmp_path_factory.getbasetemp() / "any.yaml", content)
