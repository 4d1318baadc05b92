"""Train a sweep and print its scores: `python -m merjax.sweep [FILE] [key=value ...] [--out DIR]`."""

import argparse
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from merjax.errors import MerjaxError, command
from merjax.interruption import Interrupted, stop_requests
from merjax.plan import Plan, make_plan
from merjax.progress import SweepProgress
from merjax.report.scores import control_table, score_table
from merjax.results import is_finished, open_folder, read_predictions
from merjax.running import carry_out, worker_count
from merjax.trials import SweepFile, read_sweep

QUICKSTART = Path("sweeps/quickstart.yaml")

_EPILOG = """\
examples:
  python -m merjax.sweep                                   the demo: makes its own clips, trains two trials, prints scores
  python -m merjax.sweep sweeps/mine.yaml                  a sweep of your own
  python -m merjax.sweep sweeps/mine.yaml loss.gamma=1.5   with one setting of its base changed
  python -m merjax.sweep sweeps/mine.yaml --plan           what it would do

A sweep that was stopped goes on where it stopped when the same line is run again; a finished one only prints its table.
All settings with their defaults and reasons stand in merjax/config.py. Clip stores are made with `python -m merjax.prepare`.
"""


@command
def main() -> None:
    arguments = _parser().parse_args()
    console = Console()
    words = arguments.words
    file = QUICKSTART if not words or "=" in words[0] else Path(words.pop(0))
    sweep = read_sweep(file, words)
    folder = arguments.out or Path("runs") / sweep.name
    if sweep.synthesize is not None:
        make_demo_store(sweep, console)
    workers = worker_count(sweep.trials[0].config.engine.workers)
    plan = make_plan(sweep, workers)
    if arguments.plan:
        print_plan(plan, workers, console)
        return
    plan = open_folder(folder, plan)
    finished = [chunk.number for chunk in plan.chunks if is_finished(folder, chunk)]
    with stop_requests() as stop:
        try:
            with SweepProgress(plan, finished, console) as progress:
                carry_out(folder, plan, workers, progress.hear, stop)
        except Interrupted:
            console.print(f"stopped; all is saved in {folder}. The same line goes on from there:", soft_wrap=True)
            console.print(f"  python -m merjax.sweep {shlex.join(sys.argv[1:])}", soft_wrap=True, highlight=False)
            sys.exit(stop.exit_code)
    predictions = read_predictions(folder, plan)
    scores = pd.concat([score_table(plan, predictions), control_table(plan, predictions)], ignore_index=True)
    scores.to_csv(folder / "scores.csv", index=False)
    print_scores(plan, scores, console)
    console.print(f"predictions per clip, plan and scores: [bold]{folder}[/bold]", soft_wrap=True)


def make_demo_store(sweep: SweepFile, console: Console) -> None:
    """Synthesise and prepare the clips of a sweep that brings its own, where its store does not exist yet."""
    from merjax.datasets import read_casme2
    from merjax.preparation import prepare_store
    from merjax.progress import counted
    from merjax.synthesis import default_portraits, synthesize_release

    settings: dict[str, Any] = dict(sweep.synthesize or {})
    stores = {trial.config.data.store for trial in sweep.trials}
    if len(stores) > 1:
        raise MerjaxError(f"{sweep.name}: with `synthesize`, all trials must use one data.store, not {sorted(stores)}")
    store = Path(stores.pop())
    if (store / "store.json").is_file():
        return
    release = store.with_name(store.name + "-release")
    if not (release / "SYNTHETIC.json").is_file():
        shutil.rmtree(release, ignore_errors=True)
        with counted("synthesising clips", console) as progress:
            synthesize_release(default_portraits(), release, progress=progress, **settings)
    with counted("preparing clips", console) as progress:
        prepare_store([read_casme2(release)], store, progress=progress)


def print_scores(plan: Plan, scores: pd.DataFrame, console: Console) -> None:
    """The table of scores, with what is to be known about the data."""
    data = plan.data[0]
    title = (
        f"{plan.name}: {data['protocol']}, {data['clips']} clips of {data['subjects']} subjects, {len(data['folds'])} folds"
        + (f", {len(plan.seeds)} seeds" if len(plan.seeds) > 1 else "")
    )
    table = Table(title=title, title_justify="left")
    table.add_column("trial")
    for name in ("UF1", "UAR", "accuracy"):
        table.add_column(name, justify="right")
    for i, row in enumerate(scores.to_dict("records")):
        sd = [row.get(f"{name}_sd") for name in ("UF1", "UAR", "accuracy")]
        cells = [
            f"{row[name]:.3f}" + (f" ± {s:.3f}" if s is not None and s == s else "")
            for name, s in zip(("UF1", "UAR", "accuracy"), sd, strict=True)
        ]
        note = f" ({row['diverged']:.0f} runs diverged)" if row.get("diverged", 0) > 0 else ""
        table.add_row(row["trial"] + note, *cells, end_section=i == len(plan.trials) - 1)
    console.print(table)
    for group in plan.data:
        if group["statement"]:
            console.print(f"[yellow]{group['statement']}[/yellow]")
        for clip in group["dropped"]:
            console.print(f"dropped {clip['database']}/{clip['subject']}/{clip['clip']}: {clip['reason']}")
        if group["left_out"]:
            console.print(f"{len(group['left_out'])} clips of the store are not in {group['protocol']} (see plan.json)")


def print_plan(plan: Plan, workers: int, console: Console) -> None:
    """What a sweep would do."""
    table = Table(title=f"{plan.name}: {plan.runs} runs in {len(plan.chunks)} chunks, {workers} worker(s)")
    for column in ("trial", "group", "sets"):
        table.add_column(column)
    for trial, group in zip(plan.trials, plan.group_of_trial, strict=True):
        table.add_row(trial.name, str(group), ", ".join(f"{k}={v}" for k, v in trial.overrides.items()))
    console.print(table)
    for g, data in enumerate(plan.data):
        runs = sum(len(chunk.runs) for chunk in plan.chunks if chunk.group == g)
        console.print(
            f"group {g}: {runs} runs, {len(data['folds'])} folds, {data['clips']} clips, {data['frames']} frames"
        )


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
    parser.add_argument("--plan", action="store_true", help="print what would be done, and do nothing")
    return parser


if __name__ == "__main__":
    main()
