"""`merjax train`: the final model of a trial of a finished sweep, trained on all subjects."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from merjax.cli.parser import Parser
from merjax.cli.sweep import SCALES
from merjax.system.at_work import at_work
from merjax.system.console import TextConsole, say
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import lacks_folder, refuse_taken, user_path

if TYPE_CHECKING:
    from merjax.models.final_model import FinalModel
    from merjax.sweeps.result import SweepResult

_ABOUT = "Train the final model of a finished sweep's trial, on all subjects, for recordings that the sweep never saw."
_EPILOG = """\
examples:
  merjax train sweeps/mine.yaml --trial focal --out models/mine    after `merjax sweep sweeps/mine.yaml`
  merjax train runs/mine --trial focal --out models/mine           the same, by the folder of the sweep's results
  merjax train sweeps/mine.yaml --ensemble                         a model for each seed; their mean answers

The model is trained with the trial's settings, for as long as the sweep chose without its test subjects: the whole budget, or
under selection.rules [inner] the median of what the folds chose. card.md in its folder says what to expect of it on new
people. A training that was stopped goes on when the same line is run again.
"""


@command(stopped="stopped; what was finished is kept, and the same line goes on from there")
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    typed = list(sys.argv[1:] if argv is None else argv)
    asked, console = _parser().read(typed), TextConsole()

    from merjax.sweeps.final_recipe import recipe_of
    from merjax.sweeps.running.train_final import train_final
    from merjax.system.signals import Interrupted, stop_requests

    if asked.out:
        refuse_taken(asked.out)
    with at_work("reading", asked.sweep):
        result = _results(asked)
        recipe = recipe_of(result, asked.trial, ensemble=asked.ensemble)
    with stop_requests() as stop:
        try:
            model = train_final(recipe, asked.out or Path("models") / result.name, console, stop)
        except Interrupted:
            say(console, "stopped; all is saved, and the same line goes on from there:")
            say(console, f"  merjax train {shlex.join(typed)}")
            sys.exit(stop.exit_code)
    _print(model, asked.out or Path("models") / result.name, console)


def _results(asked: argparse.Namespace) -> "SweepResult":
    """The results of the sweep that is meant: of its folder, or of what its file says."""
    from merjax.sweeps.result import open_sweep
    from merjax.sweeps.same_sweep import refuse_other_trials
    from merjax.sweeps.sweep_file import read_sweep

    place = user_path(asked.sweep)
    if place.is_dir():
        if asked.settings:
            raise MerjaxError(f"{place} holds results, whose settings are known; leave {asked.settings[0]} out")
        return open_sweep(place)
    sweep = read_sweep(place, asked.settings, asked.scale)
    folder = Path("runs") / sweep.name
    if lacks_folder(folder) == "does not exist":
        line = shlex.join(
            ["merjax", "sweep", asked.sweep, *asked.settings, *(["--scale", "small"] if sweep.small else [])]
        )
        raise MerjaxError(
            f"{folder} does not exist, so nothing says what to expect of a model; run `{line}` first, or name the folder of "
            "its results in place of the file"
        )
    result = open_sweep(folder)
    if not sweep.search:  # whose trials are what its folds chose
        not_run = {absent.trial for absent in result.plan.not_run}
        try:
            refuse_other_trials(result.plan, [t for t in sweep.trials if t.name not in not_run], sweep.seeds, folder)
        except MerjaxError as error:
            what, _, _ = str(error).rpartition("; ")
            raise MerjaxError(f"{what}; run the sweep again, or name the folder in place of the file") from None
    return result


def _print(model: "FinalModel", out: Path, console: Console) -> None:
    """Say what was made, and what to expect of it."""
    members = len(model.members)
    say(
        console,
        f"{'one model' if members == 1 else f'{members} models, whose mean answers'}: {out}; read {out / 'card.md'}",
    )
    say(console, f"{model.expectation}.")
    if model.chance_inside:
        say(
            console,
            "That interval does not exclude chance, so what the model says of a recording may mean nothing; first run a "
            "sweep with more people, or with other settings.",
            "bold yellow",
        )
    say(console, model.card["data"]["statement"], "yellow")


def _parser() -> Parser:
    parser = Parser("merjax train", _ABOUT, _EPILOG)
    parser.add_argument(
        "sweep", metavar="FILE|RUN", help="the sweep's file or name, as for `merjax sweep`, or its results' folder"
    )
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="the settings that were given to `merjax sweep`"
    )
    parser.add_argument("--trial", default="", metavar="NAME", help="the trial to train (default: the only one)")
    parser.add_argument(
        "--out",
        type=user_path,
        metavar="DIR",
        help="folder of the model, which must not exist (default: models/NAME of the sweep)",
    )
    parser.add_argument(
        "--ensemble", action="store_true", help="train a model for each seed of the sweep, not only for the first"
    )
    parser.add_argument(
        "--scale", choices=SCALES, default="full", help="small: the results of `merjax sweep FILE --scale small`"
    )
    return parser
