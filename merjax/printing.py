"""What a sweep says in the terminal: what it would do, and what came out."""

from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from merjax.config import SelectionConfig, flatten
from merjax.estimate import duration, seconds_left
from merjax.methods import METHODS
from merjax.plan import Plan, left_out_sentences, splitting_keys
from merjax.report.entries import SELECTIONS
from merjax.report.sections import LEAKS
from merjax.selection import trains_inner, trains_outer
from merjax.shards import Shard
from merjax.sweeping import SweepResult
from merjax.trials import SweepFile

_SHOWN = 10  # of a search's proposals


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
    last = int(scores["diverged"].notna().sum()) - 1  # of the trials' rows; the controls, which train nothing, follow
    for i, row in enumerate(scores.to_dict("records")):
        sd = [row.get(f"{name}_sd") for name in ("UF1", "UAR", "accuracy")]
        cells = [
            f"{row[name]:.3f}" + (f" ± {s:.3f}" if s is not None and s == s else "")
            for name, s in zip(("UF1", "UAR", "accuracy"), sd, strict=True)
        ]
        note = f" ({row['diverged']:.0f} runs diverged)" if row.get("diverged", 0) > 0 else ""
        part = "" if row["part"] == "together" else f" [{row['part']}]"
        table.add_row(escape(row["trial"] + part) + note, *cells, end_section=i == last)
    console.print(table)
    if scores["trial"].str.contains(SELECTIONS["oracle"], regex=False).any():
        console.print(f"[yellow]{escape(LEAKS)}[/yellow]", soft_wrap=True)
    print_not_run(plan, console)
    for statement in dict.fromkeys(group["statement"] for group in plan.data if group["statement"]):
        console.print(f"[yellow]{escape(statement)}[/yellow]", soft_wrap=True)
    for sentence in left_out_sentences(plan.data):
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)


def print_not_run(plan: Plan, console: Console) -> None:
    """The trials that lack data, and what they lack."""
    for trial in plan.not_run:
        console.print(str(trial), style="bold yellow", markup=False, highlight=False, soft_wrap=True)


def print_plan(plan: Plan, shard: Shard, workers: int, memory: Sequence[int], console: Console) -> None:
    """What a sweep would do.

    Args:
        plan: the plan.
        shard: the share that is asked about.
        workers: processes on this machine.
        memory: bytes that each group's training takes on each device of a process.
        console: where to print.
    """
    table = Table(title=f"{plan.name}: {len(plan.trials)} trials, {plan.runs} runs in {len(plan.chunks)} chunks")
    for column in ("trial", "group", "sets"):
        table.add_column(column)
    for trial, number in zip(plan.trials, plan.group_of_trial, strict=True):
        table.add_row(trial.name, str(number), ", ".join(f"{k}={v}" for k, v in trial.overrides.items()))
    console.print(table)
    print_not_run(plan, console)
    for g, data in enumerate(plan.data):
        chunks = [chunk for chunk in plan.chunks if chunk.group == g]
        config = plan.trials[plan.group_of_trial.index(g)].config
        steps = METHODS[config.method].steps(config, data["frames"], data["clips"])
        settings = flatten(config)
        console.print(
            f"group {g}{''.join(f', {key}={settings[key]}' for key in splitting_keys(plan))}: "
            f"{sum(len(chunk.runs) for chunk in chunks)} runs in chunks of {chunks[0].width}, "
            f"{len(data['folds'])} folds, {data['clips']} clips, {data['frames']} frames, "
            f"{' and '.join(f'{n} {stage}' for stage, n in steps.items())} steps a run{_again(config.selection)}, "
            f"{memory[g] / 2**30:.2f} GiB a device",
            soft_wrap=True,
            highlight=False,
        )
    if len(plan.data) > 1:
        console.print(
            f"groups differ in {', '.join(splitting_keys(plan))}; each compiles its own programs", soft_wrap=True
        )
    mine = shard.of(plan)
    seconds, timed = seconds_left(plan, mine, workers)
    origin = "at the rate of the last sweep on this machine" if timed else "a rough guess: no sweep was timed here yet"
    console.print(
        f"{len(mine)} chunks here, {workers} worker(s): about {duration(seconds)} ({origin}), and the compilation",
        soft_wrap=True,
    )


def print_scale(sweep: SweepFile, console: Console) -> None:
    """What the small scale changes, if it was asked for."""
    if sweep.small:
        changed = ", ".join(f"{key}={value}" for key, value in sweep.small.items())
        console.print(f"scale small: {changed}", soft_wrap=True, highlight=False)


def _again(selection: SelectionConfig) -> str:
    """What the rules of selection make of a run."""
    if not trains_inner(selection):
        return ""
    return " and again without the inner subjects" if trains_outer(selection) else " without the inner subjects"


def print_search(tried: pd.DataFrame, console: Console) -> None:
    """The best proposals of a search, what their scores are of, and what was done with them."""
    metric = tried.columns[2]
    complete = tried[tried["state"] == "complete"].sort_values(metric, ascending=False, kind="stable")
    table = Table(title=f"search: {len(complete)} settings, scored on subjects held out inside training")
    for column in complete.columns.drop("state"):
        table.add_column(column)
    for row in complete.head(_SHOWN).drop(columns="state").itertuples(index=False):
        table.add_row(*(escape(f"{value:.4g}" if isinstance(value, float) else str(value)) for value in row))
    console.print(table)
    folds = {trial: len(names.split(", ")) for trial, names in complete[["trial", "chosen_for"]].to_numpy() if names}
    console.print(
        "each fold chose by its own inner subjects, was trained again on all its training subjects, and tested once: "
        + ", ".join(f"{trial} in {n} folds" if n > 1 else f"{trial} in one fold" for trial, n in folds.items()),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def print_shard(result: SweepResult, shard: Shard, line: str, console: Console) -> None:
    """What a finished shard leaves to do."""
    missing = len(result.missing)
    console.print(
        f"shard {shard} is finished; {missing} of {len(result.plan.chunks)} chunks are missing in {result.folder}. When all "
        "shards are finished, the scores are printed by",
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"  python -m merjax.sweep {line} --merge {result.folder} ...", soft_wrap=True, highlight=False)
    console.print("with the folders of all shards (the same one, if they share it).", soft_wrap=True)
