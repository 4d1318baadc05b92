"""`merjax sweep`, and `python -m merjax.sweep`: train a sweep and print its scores."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from merjax.cli.parser import Parser, is_setting, whole_number
from merjax.system import values
from merjax.system.accelerators import ACCELERATORS, Machine, is_machine, read_machine
from merjax.system.at_work import at_work
from merjax.system.console import TextConsole, say
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import user_path
from merjax.system.settings import split_word

if TYPE_CHECKING:
    from merjax.sweeps.running.shards import Shard
    from merjax.sweeps.sweep_file import SweepFile

QUICKSTART = "quickstart"
SCALES = ("full", "small")
LOGS = ("jsonl", "tensorboard")
_FLAGS_WITH_VALUES = ("out", "scale", "sort", "shard", "log", "slurm", "show", "for")  # which people write as settings

_ABOUT = "Train the trials of a sweep file over all folds and seeds, and print their pooled scores."
_EPILOG = """\
examples:
  python -m merjax.sweep                                   the demo: makes its own clips, trains two trials, prints scores
  python -m merjax.sweep sweeps/mine.yaml                  a sweep of your own
  python -m merjax.sweep sweeps/mine.yaml loss.gamma=1.5   with one setting of its base changed
  python -m merjax.sweep sweeps/mine.yaml --plan           what it would do
  python -m merjax.sweep sweeps/mine.yaml --plan --for 4xa100   and what it would take on four GPUs that are not here
  python -m merjax.sweep table7_loss data.store=stores/all a table of the paper, on your own store
  python -m merjax.sweep table7_loss --scale small         the same on made clips, in minutes
  python -m merjax.sweep --list                            the sweeps in sweeps/ and those that come with merjax
  python -m merjax.sweep --show quickstart > mine.yaml     one of them, to start your own from

`merjax sweep` is the same program. A sweep that was stopped goes on where it stopped when the same line is run again; a
finished one only prints its table. merjax/config.py lists all settings with their defaults and reasons. Clip stores are
made with `merjax prepare`.

a sweep file (merjax/sweeps/sweep_file.py describes all keys; `--list` shows examples):
  base: ../configs/quickstart.yaml          a config file, or settings themselves: {data: {store: stores/all}}
  trials:                                   named points ...
    focal: {loss.gamma: 2, loss.alpha: inverse}
    cross-entropy: {loss.gamma: 0, loss.alpha: none}
  axes:                                     ... times every combination of these
    data.input: [gray, difference]              a list of values
    spatial.epochs: {range: [5, 15, 5]}         5, 10, 15
    spatial.learning_rate: {log: [1e-4, 1e-2, 3]}   three values, evenly spaced in the logarithm
  combine: zip                              the axes side by side in place of every combination
  seeds: 3                                  or a list of them
  search: {sampler: tpe, trials: 40, metric: UF1, space: {loss.gamma: {low: 0, high: 5}, temporal.units: [32, 64]}}
                                            in place of trials and axes; needs pip install 'merjax[search]'

several machines: run the same line with `--shard 1/3`, `--shard 2/3`, `--shard 3/3`, on one folder or on several; then
`merjax merge FILE DIR ...` puts the results into one folder and prints the scores. `--slurm 3` submits the three to Slurm
(needs pip install 'merjax[slurm]'; `--slurm-set timeout_min=60 slurm_partition=gpu`).

memory: engine.chunk=8 puts at most 8 runs on the devices together; without it, as many as the memory of a GPU or TPU allows.
"""


@command(stopped="stopped; what was finished is kept, and the same line goes on from there")
def main(argv: Sequence[str] | None = None, prog: str = "merjax sweep") -> None:
    """Run the command line; without `argv`, the process's own. `prog` is the program's name in its help."""
    typed = list(sys.argv[1:] if argv is None else argv)
    asked = _parser(prog).read(typed)
    machine = _machine(asked)
    file = QUICKSTART if not asked.words or is_setting(asked.words[0]) else asked.words.pop(0)
    for word in asked.words:
        key, value = split_word(word)
        if key in _FLAGS_WITH_VALUES:
            raise MerjaxError(f"{key} is a flag, not a setting; write --{key} {value}")
    if asked.merge:
        raise MerjaxError(f"--merge is now a word of its own; write: merjax merge {_line(file, asked, asked.merge)}")
    if asked.list:
        _print_list(TextConsole())
    elif asked.show:
        _show(asked.show)
    else:
        _run(file, asked, machine, typed, TextConsole())


def _machine(asked: argparse.Namespace) -> Machine | None:
    """The machine to plan for, if it is not this one."""
    if not asked.machines:
        return None
    machine = read_machine(",".join([*asked.machines, *filter(is_machine, asked.words)]))
    if not asked.plan:
        raise MerjaxError(
            f"--for {asked.machines[0]} plans for a machine that is not here and trains nothing; add --plan, or leave it out"
        )
    return machine


def _run(file: str, asked: argparse.Namespace, machine: Machine | None, typed: Sequence[str], console: Console) -> None:
    shard = _shard(asked, console)

    from merjax.cli.scores import refuse_unknown
    from merjax.cli.terminal import print_result, print_shard
    from merjax.sweeps.running.run import make_missing_store, train_sweep
    from merjax.sweeps.sweep_file import read_sweep
    from merjax.system.jax_setup import prepare_backend
    from merjax.system.signals import Interrupted, stop_requests

    with at_work("reading the sweep file", file):
        sweep = read_sweep(user_path(file), asked.words, asked.scale)
    refuse_unknown(asked.sort, sweep.trials)
    folder = asked.out or Path("runs") / sweep.name
    if asked.plan:
        _print_plan(sweep, folder, shard, machine, console)
    elif asked.slurm is not None:
        _submit(sweep, file, asked, folder, console)
    else:
        prepare_backend()
        make_missing_store(sweep, console)  # before the requests, which training looks for: Ctrl-C ends this at once
        with stop_requests() as stop:
            try:
                result = train_sweep(sweep, folder, shard, asked.log, console, stop)
            except Interrupted:
                say(console, f"stopped; all is saved in {folder}. The same line goes on from there:")
                say(console, f"  python -m merjax.sweep {shlex.join(typed)}")
                sys.exit(stop.exit_code)
        if result.missing:
            print_shard(result, shard, _line(file, asked, [str(folder), "..."]), console)
        else:
            print_result(result, console, asked.sort)


def _shard(asked: argparse.Namespace, console: Console) -> "Shard":
    from merjax.sweeps.running.shards import array_shard, own_shard, parse_shard

    if asked.shard:
        return parse_shard(asked.shard)
    if asked.plan or asked.slurm is not None:  # only who trains looks for the other processes of a cluster
        return array_shard()
    return own_shard(say=lambda sentence: say(console, sentence))


def _print_plan(sweep: "SweepFile", folder: Path, shard: "Shard", machine: Machine | None, console: Console) -> None:
    from merjax.cli.terminal import print_plan, print_scale, print_search_plan
    from merjax.sweeps.kept_stages import is_there, stages_of
    from merjax.sweeps.running.planned import batch_of, memory_of, planned
    from merjax.sweeps.running.pool import worker_count
    from merjax.sweeps.running.run import make_missing_store
    from merjax.sweeps.stage_library import open_library
    from merjax.system.jax_setup import prepare_backend

    if machine:
        from merjax.engine.topology import allow_absent

        allow_absent(machine.accelerator)
    prepare_backend()
    make_missing_store(sweep, console)
    with at_work("planning the sweep in", folder):
        plan, finished = planned(sweep, shard, folder)
        workers = worker_count(sweep.trials[0].config.engine.workers)
        memory = [memory_of(plan, group) for group in range(len(plan.groups))]
    if sweep.search:
        print_search_plan(sweep, plan, batch_of(sweep), folder, console)
    library = open_library(plan.trials[0].config.engine, lambda sentence: say(console, sentence))

    def is_ready(entry: str) -> bool:
        return is_there(stages_of(folder), entry) or library.holds(entry)

    print_plan(plan, shard, workers, memory, console, finished, is_ready)
    print_scale(sweep, console)
    if machine:
        _print_elsewhere(sweep, machine, console)


def _print_elsewhere(sweep: "SweepFile", machine: Machine, console: Console) -> None:
    from merjax.cli.elsewhere import print_elsewhere
    from merjax.methods.absent import AbsentMachine
    from merjax.sweeps.running.elsewhere import sweep_here, sweep_there

    absent = AbsentMachine(machine)
    if not absent.lacking:
        say(console, f"compiling the programs for {machine}, which takes minutes ...")
    with at_work("planning for", str(machine)):
        print_elsewhere(sweep_there(sweep, absent), sweep_here(sweep), absent, console)


def _submit(sweep: "SweepFile", file: str, asked: argparse.Namespace, folder: Path, console: Console) -> None:
    from merjax.cli.slurm import check, submit
    from merjax.sweeps.running.run import make_missing_store

    parameters = _parameters(asked.slurm_set)
    make_missing_store(sweep, console)
    words = [file, *asked.words, *_scale(asked), "--out", str(folder), *(["--log", asked.log] if asked.log else [])]
    with at_work("submitting the shards of", folder):
        check(sweep, asked.slurm, folder, asked.log)
        jobs = submit(words, asked.slurm, folder / "slurm", parameters)
    numbers = ", ".join(job.job_id for job in jobs)
    say(console, f"submitted {len(jobs)} shards: {numbers}; when all are finished,")
    say(console, f"  merjax merge {_line(file, asked, [str(folder)])}")


def _print_list(console: Console) -> None:
    from merjax.sweeps.shipped import about, named_sweeps

    found = named_sweeps()
    width = max(map(len, found))
    for name, path in found.items():
        say(console, f"{name:<{width}}  {about(path)}")
    say(
        console,
        "\n`merjax sweep NAME` runs one; `merjax sweep --show NAME > mine.yaml` prints one to start your own from.",
    )


def _show(name: str) -> None:
    from merjax.sweeps.shipped import find_sweep

    print(values.read_text(find_sweep(user_path(name))), end="")


def _line(file: str, asked: argparse.Namespace, folders: Sequence[str | Path]) -> str:
    """The arguments of `merjax merge` for the shards of a line: its file, settings, folders, scale and output."""
    out = ["--out", str(asked.out)] if asked.out else []
    return shlex.join([file, *asked.words, *map(str, folders), *_scale(asked), *out])


def _scale(asked: argparse.Namespace) -> list[str]:
    return ["--scale", asked.scale] if asked.scale != "full" else []


def _parameters(words: list[str]) -> dict[str, Any]:
    """`timeout_min=60 slurm_partition=gpu` in the form that submitit takes."""
    found: dict[str, Any] = {}
    for word in words:
        if not word.partition("=")[0].strip() or "=" not in word:
            raise MerjaxError(
                f"--slurm-set {word}: write the name of a parameter and its value, such as timeout_min=60"
            )
    for key, written in map(split_word, words):
        value = values.plain(values.parse(written, f"--slurm-set {key}"))
        # Slurm's names of accounts and partitions keep their letters, so 010 is not the number 10
        found[key] = (
            written if isinstance(value, int | float) and str(value) not in (written, written.capitalize()) else value
        )
    return found


def add_sweep_flags(parser: Parser) -> None:
    """The flags that say which sweep is meant, where its results lie and how they are printed: of `sweep` and `merge`."""
    parser.add_argument("--out", type=user_path, metavar="DIR", help="folder of the results (default: runs/NAME)")
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="full",
        help="small: apply the file's `small` section (made clips, few people, short budgets), to try the sweep on two cores"
        " in minutes; its store and results have folders of their own (default: %(default)s)",
    )
    parser.add_argument(
        "--sort",
        default="",
        metavar="SCORE",
        help="print the trials with the highest UF1, UAR or accuracy (of spotters: precision, recall or F1) first (default: in"
        " the sweep's order)",
    )


def _parser(prog: str) -> Parser:
    parser = Parser(prog, _ABOUT, _EPILOG)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FILE key=value",
        help="the sweep file, or the name of one of --list (default: quickstart), then settings of its base to change",
    )
    add_sweep_flags(parser)
    parser.add_argument("--list", action="store_true", help="print the sweeps that can be called by name, a line each")
    parser.add_argument("--show", metavar="NAME", help="print the sweep file of that name, to start your own from")
    parser.add_argument("--slurm", type=whole_number, metavar="N", help="submit N shards to Slurm, and do nothing here")
    parser.add_argument(
        "--slurm-set", nargs="+", default=[], metavar="key=value", help="parameters of submitit, such as timeout_min=60"
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print what would be done, and train nothing; this makes the clips of a sweep that makes its own, and compiles the"
        " programs to measure their memory (the sweep then finds them compiled)",
    )
    parser.add_argument(
        "--for",
        dest="machines",
        action="append",
        metavar="MACHINE",
        help=f"with --plan: also for a machine that is not here, {', '.join(ACCELERATORS)} or a number of them as 4xa100: its"
        " program memory, chunks and time, all estimated",
    )
    parser.add_argument(
        "--shard",
        metavar="I/N",
        help="do one of N equal shares, from 1/N to N/N (default: all, or the share of a Slurm array's task)",
    )
    parser.add_argument(
        "--log", choices=LOGS, help="write training curves for other tools too, into logs/ of the results"
    )
    parser.add_argument("--merge", nargs="+", type=user_path, help=argparse.SUPPRESS)  # answers with the word
    return parser
