"""What the project promises: its README, its continuous integration, and the files that it includes."""

import re
import subprocess

import pytest
from support.places import CHECKOUT

import merjax
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.values import read_yaml


def readme_lines() -> list[str]:
    return [
        line
        for block in re.findall(r"```sh[^\n]*\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.S)
        for line in block.splitlines()
    ]


def test_continuous_integration_runs_the_readmes_test_line():
    line = next(line for line in readme_lines() if line.endswith("-m pytest"))
    assert line in (CHECKOUT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("path", sorted((CHECKOUT / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sweep_file_is_valid_and_says_how_it_is_run_and_what_came_out(path):
    sweep = read_sweep(path)
    assert sweep.trials
    header = path.read_text().split("\nbase:")[0]
    assert "python -m merjax.sweep" in header
    assert "Score:" in header


@pytest.mark.parametrize("path", sorted((CHECKOUT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_file_has_a_header(path):
    assert read_yaml(path)
    assert path.read_text().startswith("# ")


def test_the_changelog_knows_the_version_or_is_unreleased():
    text = (CHECKOUT / "CHANGELOG.md").read_text()
    assert merjax.__version__ in text or "Unreleased" in text


def test_nothing_heavy_and_no_data_is_tracked():
    try:
        tracked = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    for name in tracked.splitlines():
        path = CHECKOUT / name
        assert not path.is_file() or path.stat().st_size < 500_000, name
        assert path.suffix.lower() not in {".jpg", ".jpeg", ".bmp", ".xlsx", ".npy", ".dat"}, name
