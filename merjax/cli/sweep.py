"""Train a sweep and print its scores: `python -m merjax.sweep [FILE] [key=value ...] [--out DIR]`."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from rich.console import Console
from rich.markup import escape

from merjax.cli.slurm import check, submit
from merjax.cli.terminal import (
    missing_sentence,
    print_diverged,
    print_plan,
    print_scale,
    print_scores,
    print_search,
    print_search_plan,
    print_shard,
)
from merjax.sweeps.running.curve_logs import LOGS
from merjax.sweeps.running.planned import batch_of, memory_of, planned
from merjax.sweeps.running.pool import worker_count
from merjax.sweeps.running.run import make_missing_store, merge_sweep, train_sweep
from merjax.sweeps.running.shards import Shard, array_shard, own_shard, parse_shard
from merjax.sweeps.sweep_file import SCALES, SweepFile, read_sweep
from merjax.system.errors import MerjaxError, command
from merjax.system.signals import Interrupted, stop_requests

QUICKSTART = Path("sweeps/quickstart.yaml")

_EPILOG = """\
examples:
  python -m merjax.sweep                                   the demo: makes its own clips, trains two trials, prints scores
  python -m merjax.sweep sweeps/mine.yaml                  a sweep of your own
  python -m merjax.sweep sweeps/mine.yaml loss.gamma=1.5   with one setting of its base changed
  python -m merjax.sweep sweeps/mine.yaml --plan           what it would do
  python -m merjax.sweep sweeps/table7_loss.yaml data.store=stores/all      a table of the paper, on your own store
  python -m merjax.sweep sweeps/table7_loss.yaml --scale small              the same on made clips, in minutes

A sweep that was stopped goes on where it stopped when the same line is run again; a finished one only prints its table.
All settings with their defaults and reasons stand in merjax/config.py. Clip stores are made with `merjax prepare`.

a sweep file (merjax/trials.py says all of it; sweeps/ holds examples):
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

several machines: start `--shard 1/3`, `--shard 2/3`, `--shard 3/3` of the same line, on one folder or on several, then add
`--merge DIR...` to the line to bring the folders together and print the scores. `--slurm 3` submits the three to Slurm (needs
pip install 'merjax[slurm]'; `--slurm-set timeout_min=60 slurm_partition=gpu`).

memory: engine.chunk=8 puts at most 8 runs on the devices together; without, as many as the memory of a GPU or TPU allows.
"""


@command
def main() -> None:
    arguments = _parser().parse_intermixed_args()
    console = Console()
    words = arguments.words
    file = QUICKSTART if not words or "=" in words[0] else Path(words.pop(0))
    asked = [str(file), *words, *(["--scale", arguments.scale] if arguments.scale != "full" else [])]
    line = shlex.join([*asked, *(["--out", str(arguments.out)] if arguments.out else [])])
    sweep = read_sweep(file, words, arguments.scale)
    folder = arguments.out or Path("runs") / sweep.name
    trains = not (arguments.merge or arguments.plan or arguments.slurm is not None)
    # only who trains looks for the other processes of a cluster
    shard = parse_shard(arguments.shard) if arguments.shard else own_shard() if trains else array_shard()
    if arguments.merge:
        result = merge_sweep(sweep, arguments.merge, folder)
        if result.missing:
            raise MerjaxError(missing_sentence(result, line))
    elif arguments.plan:
        _print_plan(sweep, folder, shard, console)
        return
    elif arguments.slurm is not None:
        make_missing_store(sweep, console)
        check(sweep, arguments.slurm, folder, arguments.log)
        jobs = submit(
            [*asked, "--out", str(folder), *(["--log", arguments.log] if arguments.log else [])],
            arguments.slurm,
            folder / "slurm",
            _parameters(arguments.slurm_set),
        )
        numbers = ", ".join(job.job_id for job in jobs)
        _say(console, f"submitted {len(jobs)} shards: {numbers}; when all are finished,")
        _say(console, f"  python -m merjax.sweep {line} --merge {shlex.quote(str(folder))}")
        return
    else:
        with stop_requests() as stop:
            try:
                result = train_sweep(sweep, folder, shard, arguments.log, console, stop)
            except Interrupted:
                _say(console, f"stopped; all is saved in {folder}. The same line goes on from there:")
                _say(console, f"  python -m merjax.sweep {shlex.join(sys.argv[1:])}")
                sys.exit(stop.exit_code)
    if result.missing:
        print_shard(result, shard, line, console)
    else:
        if result.tried is not None:
            print_search(result.tried, console)
        print_scores(result.plan, result.scores, console)
        print_diverged(result.predictions, console)
        console.print(
            f"predictions per clip, plan and scores: [bold]{escape(str(result.folder))}[/bold]", soft_wrap=True
        )


def _print_plan(sweep: SweepFile, folder: Path, shard: Shard, console: Console) -> None:
    make_missing_store(sweep, console)
    plan, finished = planned(sweep, shard, folder)
    workers = worker_count(sweep.trials[0].config.engine.workers)
    memory = [memory_of(plan, group) for group in range(len(plan.groups))]
    if sweep.search:
        print_search_plan(sweep, plan, batch_of(sweep), folder, console)
    print_plan(plan, shard, workers, memory, console, finished)
    print_scale(sweep, console)


def _say(console: Console, sentence: str) -> None:
    """Print as it is: `regions=[eyes]` is no style."""
    console.print(sentence, soft_wrap=True, highlight=False, markup=False)


def _parameters(words: list[str]) -> dict[str, Any]:
    """`timeout_min=60 slurm_partition=gpu` as submitit takes it."""
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.from_dotlist(words)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m merjax.sweep",
        description="Train the trials of a sweep file over all folds and seeds, and print their pooled scores.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FILE key=value",
        help=f"the sweep file (default: {QUICKSTART}), then settings of its base to change",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results (default: runs/NAME)")
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="full",
        help="small: lay the file's `small` section over it (made clips, few people, short budgets), to try the sweep on two"
        " cores in minutes; its store and results are other folders (default: %(default)s)",
    )
    parser.add_argument("--slurm", type=int, metavar="N", help="submit N shards to Slurm, and do nothing here")
    parser.add_argument(
        "--slurm-set", nargs="+", default=[], metavar="key=value", help="what submitit takes, such as timeout_min=60"
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print what would be done, and train nothing; it makes the clips of a sweep that makes its own, and compiles the"
        " programs to tell their memory (the sweep then finds them compiled)",
    )
    parser.add_argument(
        "--shard",
        metavar="I/N",
        help="do one of N equal shares, from 1/N to N/N (default: all, or the share of a Slurm array's task)",
    )
    parser.add_argument(
        "--merge", nargs="+", type=Path, metavar="DIR", help="bring the shards' folders together in --out, print scores"
    )
    parser.add_argument(
        "--log", choices=LOGS, help="write training curves for other tools too, into logs/ of the results"
    )
    return parser
