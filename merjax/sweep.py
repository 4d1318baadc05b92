"""Train a sweep and print its scores: `python -m merjax.sweep [FILE] [key=value ...] [--out DIR]`."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from rich.console import Console

from merjax.cluster import own_shard
from merjax.demo import make_demo_store
from merjax.errors import command
from merjax.interruption import Interrupted, stop_requests
from merjax.logs import LOGS
from merjax.printing import print_plan, print_scale, print_scores, print_search, print_shard
from merjax.running import worker_count
from merjax.shards import array_shard, parse_shard
from merjax.slurm import check, submit
from merjax.sweeping import memory_of, merge_sweep, planned, train_sweep
from merjax.trials import SCALES, read_sweep

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
All settings with their defaults and reasons stand in merjax/config.py. Clip stores are made with `python -m merjax.prepare`.
"""


@command
def main() -> None:
    arguments = _parser().parse_args()
    console = Console()
    words = arguments.words
    file = QUICKSTART if not words or "=" in words[0] else Path(words.pop(0))
    asked = [str(file), *words, *(["--scale", arguments.scale] if arguments.scale != "full" else [])]
    line = shlex.join(asked)
    sweep = read_sweep(file, words, arguments.scale)
    folder = arguments.out or Path("runs") / sweep.name
    trains = not (arguments.merge or arguments.plan or arguments.slurm is not None)
    # only who trains looks for the other processes of a cluster
    shard = parse_shard(arguments.shard) if arguments.shard else own_shard() if trains else array_shard()
    if arguments.merge:
        result = merge_sweep(sweep, arguments.merge, folder)
    elif arguments.plan:
        make_demo_store(sweep, console)
        plan = planned(sweep, shard)
        workers = worker_count(sweep.trials[0].config.engine.workers)
        print_plan(plan, shard, workers, [memory_of(plan, g) for g in range(len(plan.data))], console)
        print_scale(sweep, console)
        return
    elif arguments.slurm is not None:
        make_demo_store(sweep, console)
        check(sweep, arguments.slurm, folder, arguments.log)
        jobs = submit(
            [*asked, "--out", str(folder), *(["--log", arguments.log] if arguments.log else [])],
            arguments.slurm,
            folder / "slurm",
            _parameters(arguments.slurm_set),
        )
        console.print(f"submitted {len(jobs)} shards: {', '.join(job.job_id for job in jobs)}; when all are finished,")
        console.print(f"  python -m merjax.sweep {line} --merge {folder}", soft_wrap=True, highlight=False)
        return
    else:
        with stop_requests() as stop:
            try:
                result = train_sweep(sweep, folder, shard, arguments.log, console, stop)
            except Interrupted:
                console.print(f"stopped; all is saved in {folder}. The same line goes on from there:", soft_wrap=True)
                console.print(f"  python -m merjax.sweep {shlex.join(sys.argv[1:])}", soft_wrap=True, highlight=False)
                sys.exit(stop.exit_code)
    if result.missing:
        print_shard(result, shard, line, console)
    else:
        if result.tried is not None:
            print_search(result.tried, console)
        print_scores(result.plan, result.scores, console)
        console.print(f"predictions per clip, plan and scores: [bold]{result.folder}[/bold]", soft_wrap=True)


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
    parser.add_argument("--plan", action="store_true", help="print what would be done, and do nothing")
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


if __name__ == "__main__":
    main()
