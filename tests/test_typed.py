"""What merjax promises to a user's type checker."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.places import CHECKOUT

import merjax

SCRIPT = CHECKOUT / "tests" / "typed" / "user_script.py"


def strictly_checked(*paths: Path) -> list[str]:
    """What strict mypy says about scripts; it sees the same of merjax as a user's mypy."""
    how = [
        "--strict",
        "--follow-imports=silent",
        "--config-file=",
        "--cache-dir",
        ".mypy_cache/strict",
        "--no-error-summary",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *how, *map(str, paths)],
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


def test_a_users_script_passes_a_strict_type_checker_and_a_wrong_one_does_not(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import merjax\n\n"
        'merjax.prepare_store("data/casme2", "stores/mine", colour="grey")\n'
        "result: int = merjax.open_store(3)\n"
        "merjax.read_casme3\n"
    )
    said = strictly_checked(SCRIPT, wrong)
    assert not [line for line in said if SCRIPT.name in line]
    for number, part in ((3, "Release"), (3, "grey"), (4, '"int"'), (4, "Store"), (5, "read_casme3")):
        assert any(f"wrong.py:{number}:" in line and part in line for line in said), (part, said)
