"""`merjax doctor`: whether this machine, or a folder that merjax wrote, is in order."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from merjax.cli.parser import Parser
from merjax.system.at_work import at_work
from merjax.system.console import TextConsole, say
from merjax.system.errors import MerjaxError, command, visible
from merjax.system.paths import is_file, lacks_folder, user_path

if TYPE_CHECKING:
    from merjax.system.health import Finding

_ABOUT = """\
Check whether all that merjax needs is on this machine: packages, devices, the landmark model, memory, disk; or, with a folder,
whether the clip store, motion store, sweep or saved model in it is whole. For everything that is wrong, it says what to do."""

_EPILOG = """\
examples:
  merjax doctor
        is everything installed, and what does JAX find to train on?
  merjax doctor stores/all
        a clip store: are all its files there, with as many frames as the index says?
  merjax doctor stores/all --full
        also read every pixel: is the content hash the one that the store was made with?
  merjax doctor stores/long
        a motion store of long videos: the same of their motion
  merjax doctor runs/mine
        a sweep's folder: which chunks are finished, can their predictions be read?
  merjax doctor stages
        a folder in which sweeps share what stages gave (engine.stages): what is in it, and can it be used?
  merjax doctor runs/mine/models/focal/seed0/casme2-sub01
        a saved model: what is it, and do its parameters load?
  merjax doctor models/mine
        a model of `merjax train`: the same of each of its members

The exit code is 0 if all that is needed is there, and 2 otherwise.
"""


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    asked = _parser().read(argv)
    findings = _machine(asked.landmark_model) if asked.folder is None else _folder(asked.folder, asked.full)
    console = TextConsole()
    with at_work("examining", asked.folder or "this machine"):
        failed = print_findings(findings, console)
    if failed:
        say(console, f"{failed} of these need something to be done; the lines with an arrow say what")
        sys.exit(2)
    say(console, "all that is needed is there")


def print_findings(findings: "Iterable[Finding]", console: Console) -> int:
    """Print each finding as soon as it is known; returns how many of them fail."""
    failed = 0
    for finding in findings:
        failed += finding.fails
        mark, style = ("x", "bold red") if finding.fails else ("!", "yellow") if finding.todo else ("+", "green")
        line = Text.assemble((mark, style), visible(f" {finding.what:<14} {finding.found}"))
        if finding.todo:
            line.append(visible(f"\n  {'->':>14} {finding.todo}"), style)
        console.print(line, soft_wrap=True)
    return failed


def _machine(landmark_model: Path | None) -> "Iterator[Finding]":
    from merjax.system.health import examine_machine

    yield from examine_machine()
    yield _landmarks(landmark_model)


def _landmarks(path: Path | None) -> "Finding":
    from merjax.system.health import Finding

    try:
        from merjax.faces.landmarks import find_model
    except ImportError as error:
        reason = f"not looked for, since a package does not load ({' '.join(str(error).split())})"
        return Finding("landmark model", reason, "pip install numpy dlib-bin opencv-python-headless")
    try:
        return Finding("landmark model", f"{find_model(path)}, checksum as published")
    except MerjaxError as error:
        where, _, fix = str(error).rpartition("; ")
        return Finding("landmark model", str(error), fix) if not where else Finding("landmark model", where, fix)


def _folder(folder: Path, full: bool) -> "Iterator[Finding]":
    """The findings in a folder, whose kind is known by the file that each kind has."""
    if lacking := lacks_folder(folder):
        raise MerjaxError(f"{folder} {lacking}; name a clip store, a sweep's folder or a saved model")
    if is_file(folder / "store.json"):
        from merjax.stores.health import examine_store

        yield from examine_store(folder, full=full)
    elif is_file(folder / "motion.json"):
        from merjax.stores.motion_health import examine_motion_store

        yield from examine_motion_store(folder, full=full)
    elif is_file(folder / "plan.json"):
        from merjax.sweeps.health import examine_sweep

        yield from examine_sweep(folder)
    elif is_file(folder / "model.json"):
        from merjax.models.health import examine_final_model

        yield from examine_final_model(folder)
    elif is_file(folder / "card.json"):
        from merjax.models.health import examine_model

        yield from examine_model(folder)
    elif any(folder.glob("*/entry.json")) or is_file(folder / "stages.json"):
        from merjax.sweeps.stage_library import examine_stages

        yield from examine_stages(folder)
    else:
        raise MerjaxError(
            f"{folder} is neither a finished clip store (it has no store.json), nor a motion store (no motion.json), nor a "
            "sweep's folder (no plan.json), nor a model (no model.json or card.json), nor a folder of stages (no stages.json)"
            + _nearby(folder)
        )


def _nearby(folder: Path) -> str:
    """Where to look instead: the folder of a search, or of several sweeps or stores, holds them one level below."""
    inside = [
        path.parent
        for name in ("store.json", "motion.json", "plan.json", "model.json", "card.json")
        for path in folder.glob(f"*/{name}")
    ]
    return f"; look at {', '.join(str(path) for path in sorted(inside)[:5])}" if inside else ""


def _parser() -> Parser:
    parser = Parser("merjax doctor", _ABOUT, _EPILOG)
    parser.add_argument(
        "folder",
        nargs="?",
        type=user_path,
        metavar="FOLDER",
        help="a clip store, a motion store, a sweep's folder or a model",
    )
    parser.add_argument("--full", action="store_true", help="for a store: read all of it and compare its hash")
    parser.add_argument(
        "--landmark-model", type=user_path, metavar="FILE", help="dlib's 68-point model (default: found)"
    )
    return parser
