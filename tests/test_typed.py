"""What merjax promises to a user's type checker."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.places import CHECKOUT

import merjax

SCRIPT = CHECKOUT / "tests" / "typed" / "user_script.py"


# without numpy, pandas and JAX, whose types mypy reads for a quarter of a minute; a user has them
ALONE = ("--no-site-packages", "--disable-error-code=import-untyped", "--disable-error-code=import-not-found")


def strictly_checked(flags: Sequence[str], *paths: Path) -> list[str]:
    """What strict mypy says about scripts; it sees the same of merjax as a user's mypy."""
    how = ["--strict", "--follow-imports=silent", "--config-file=", "--no-error-summary", *flags]
    cache = ".mypy_cache/strict-alone" if flags else ".mypy_cache/strict"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *how, "--cache-dir", cache, *map(str, paths)],
        cwd=CHECKOUT,
        env=os.environ | {"MYPYPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_the_script_uses_every_public_name():
    text = SCRIPT.read_text()
    for name in merjax.__all__:
        assert re.search(rf"\b{name}\b", text.split("\n\n\n", 1)[1]), name


@pytest.mark.parametrize("flags", [ALONE, pytest.param((), marks=pytest.mark.long)], ids=["alone", "with its packages"])
def test_a_users_script_passes_a_strict_type_checker_and_a_wrong_one_does_not(flags, tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import merjax\n\n"
        'merjax.prepare_store("data/casme2", "stores/mine", colour="grey")\n'
        "result: int = merjax.open_store(3)\n"
        "merjax.read_casme9\n"
    )
    said = strictly_checked(flags, SCRIPT, wrong)
    assert not [line for line in said if SCRIPT.name in line]
    for number, part in ((3, "Release"), (3, "grey"), (4, '"int"'), (4, "Store"), (5, "read_casme9")):
        assert any(f"wrong.py:{number}:" in line and part in line for line in said), (part, said)
