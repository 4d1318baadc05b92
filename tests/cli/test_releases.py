"""The table of databases on the command line: each row agrees with its reader and with what the database is called."""

import inspect
from typing import get_args

import pytest

from merjax import datasets
from merjax.cli.parser import Parser
from merjax.cli.releases import DATABASES, add_release_flags, read_releases
from merjax.datasets.clip import database_of
from merjax.system.errors import MerjaxError


def asked(*words: str):
    parser = Parser("merjax check", "", "")
    add_release_flags(parser)
    return parser.read(list(words))


@pytest.mark.parametrize("row", DATABASES, ids=lambda row: row.name)
def test_a_row_agrees_with_its_reader(row):
    assert row.title == database_of(row.name).title
    first, *others = inspect.signature(getattr(datasets, f"read_{row.name}")).parameters.values()
    assert first.kind is not first.KEYWORD_ONLY
    assert {p.name for p in others} == row.arguments(asked()).keys()
    for other in others:
        if other.name in row.rules:
            values, _ = row.rules[other.name]
            assert values == get_args(other.annotation)
            assert values[0] == other.default


def test_a_reader_is_called_with_what_its_flags_name(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(datasets, "read_samm", lambda root, **named: called.append((root, named)))
    read_releases(asked("--samm", str(tmp_path), "--samm-annotations", "codes.xlsx"))
    [(root, named)] = called
    assert (root, named["annotations"].name, named["overrides"]) == (tmp_path, "codes.xlsx", None)


def test_expressions_of_a_kind_are_only_asked_of_databases_that_hold_both():
    with pytest.raises(MerjaxError, match="--kind concerns databases that hold macro-expressions as well"):
        read_releases(asked("--samm", "x", "--kind", "macro"))
