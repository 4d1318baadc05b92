"""The real commands over the small experiment: a `sitecustomize` module that every process of a sweep finds first."""

import os
import subprocess
import sys
from pathlib import Path

from support.commands import checkout_environment
from support.small_experiment import BASE

TRIALS = {"focal": {"loss.gamma": 2}, "cross-entropy": {"loss.gamma": 0}}
_SITE = """\
import jax
from support.quickly import compile_quickly
from support.small_experiment import use_small_experiment

compile_quickly()
use_small_experiment()
"""
_TINY = """\
from support.quickly import compile_quickly
from support.small_experiment import use_networks

compile_quickly()
use_networks()
"""


def sitecustomized(folder: Path, code: str) -> str:
    """A PYTHONPATH with which every Python process, and those that it starts, runs `code` before anything else."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(code)
    return os.pathsep.join([str(site), checkout_environment()["PYTHONPATH"]])


def tiny_networks(folder: Path) -> dict[str, str]:
    """The part of an environment in which every process trains `TinyCNN` for the paper's networks, quickly compiled."""
    return {"PYTHONPATH": sitecustomized(folder, _TINY)}


def small_environment(folder: Path) -> dict[str, str]:
    """The environment in which `python -m merjax...` works on the small experiment, whatever store a config names."""
    return checkout_environment() | {"PYTHONPATH": sitecustomized(folder, _SITE), "COLUMNS": "200"}


def small_sweep_file(folder: Path, **engine) -> Path:
    """The sweep of `small_worker.py` as a file."""
    import yaml

    path = folder / "small.yaml"
    base = BASE | {"engine": BASE["engine"] | engine}
    # in the order of `small_worker.py`, which decides how the runs are cut into chunks
    path.write_text(yaml.safe_dump({"base": base, "trials": TRIALS}, sort_keys=False))
    return path


def start_sweep(environment: dict[str, str], *words: object) -> subprocess.Popen:
    """`python -m merjax.sweep WORDS`."""
    return _start("merjax.sweep", environment, words)


def start_word(word: str, environment: dict[str, str], *words: object) -> subprocess.Popen:
    """`python -m merjax WORD WORDS`."""
    return _start("merjax", environment, (word, *words))


def _start(module: str, environment: dict[str, str], words: tuple[object, ...]) -> subprocess.Popen:
    line = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
