"""What a sweep prints in the terminal: its plan, its scores and what is missing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import pandas as pd
from rich.console import Console
from rich.table import Table

from merjax.cli.scores import print_known, print_not_run, print_scores
from merjax.cli.spotter_scores import print_spotters
from merjax.config import SelectionConfig
from merjax.methods.registry import method_of
from merjax.sweeps.costs import stage_jobs
from merjax.sweeps.folder import read_tried
from merjax.sweeps.plan import Chunk, Plan, splitting_keys
from merjax.sweeps.result import SweepResult
from merjax.sweeps.running.rates import seconds_left
from merjax.sweeps.running.shards import Shard
from merjax.sweeps.search_space import SearchSpec
from merjax.sweeps.sweep_file import SweepFile
from merjax.system.console import duration, say
from merjax.system.health import free_memory
from merjax.system.settings import flatten
from merjax.training.selection import trains_inner, trains_outer

_SHOWN = 10  # the most proposals of a search, or diverged trials, that are printed


def print_diverged(predictions: pd.DataFrame, console: Console) -> None:
    """Print which runs diverged."""
    runs = predictions.loc[predictions["prediction"] < 0, ["trial", "seed", "fold"]].drop_duplicates()
    trials = list(runs.groupby(["trial", "seed"], sort=False)["fold"])
    for (trial, seed), folds in trials[:_SHOWN]:
        say(console, f"diverged: {trial}, seed {seed}, {len(folds)} folds: {', '.join(folds)}")
    if len(trials) > _SHOWN:
        say(console, f"diverged: and {len(trials) - _SHOWN} more trials and seeds")


def print_plan(
    plan: Plan,
    shard: Shard,
    workers: int,
    memory: Sequence[int],
    console: Console,
    finished: Sequence[Chunk] = (),
    ready: Callable[[str], bool] = lambda entry: False,
) -> None:
    """Print what a sweep would do.

    Args:
        plan: the plan.
        shard: the share of the work to print.
        workers: number of processes on this machine.
        memory: bytes that each group's training takes on each device of a process.
        console: where to print.
        finished: chunks that need not be trained again.
        ready: whether what a shared job gives is there already, by its name.
    """
    title = f"{plan.name}: {len(plan.trials)} trials, {plan.runs} runs in {len(plan.chunks)} chunks"
    table = Table(title=title)
    for column in ("trial", "group", "sets"):
        table.add_column(column)
    for trial, number in zip(plan.trials, plan.group_of_trial, strict=True):
        sets = ", ".join(f"{k}={v}" for k, v in trial.overrides.items())
        table.add_row(trial.name, str(number), sets)
    console.print(table)
    print_known(plan, console)
    print_not_run(plan, console)
    for g in range(len(plan.groups)):
        _print_group(plan, g, memory[g], console)
        chunks = [chunk for chunk in plan.chunks if chunk.group == g]
        own = [chunk for chunk in chunks if chunk not in finished]
        print_stage_jobs(plan, [g], own, workers, ready, finished, console)
    if len(plan.groups) > 1:
        if (together := stage_jobs(plan, range(len(plan.groups)), finished, ready)) and plan.stages:
            say(console, f"all groups: {together}; sharing makes the work {together.saved:.2f} times smaller")
        say(console, f"groups differ in {', '.join(splitting_keys(plan))}; each compiles its own programs")
    mine = [chunk for chunk in shard.of(plan) if chunk not in finished]
    if finished:
        say(console, f"{len(finished)} of {len(plan.chunks)} chunks are finished already")
    lacking = [c for c in plan.needed_by(mine) if c.shared and not all(map(ready, c.shared.entries))]
    seconds, timed = seconds_left(plan, [*mine, *lacking], workers)
    origin = "at the rate of the last sweep on this machine" if timed else "a rough guess: no sweep was timed here yet"
    say(
        console,
        f"{len(mine)} chunks here, {workers} worker(s): about {duration(seconds)} ({origin}), plus compilation",
    )
    if jax.default_backend() == "cpu":
        say(console, too_much_memory(max(memory, default=0), workers, free_memory()), "yellow")


def _print_group(plan: Plan, g: int, memory: int, console: Console) -> None:
    """Print what trains together in a group, and what was found out about its data."""
    data, chunks = plan.groups[g], [chunk for chunk in plan.chunks if chunk.group == g]
    config = plan.trials[plan.group_of_trial.index(g)].config
    steps = method_of(config.method).steps(config, data.frames, data.clips)
    settings = flatten(config)
    say(
        console,
        f"group {g}{''.join(f', {key}={settings[key]}' for key in splitting_keys(plan))}: "
        f"{sum(len(chunk.runs) for chunk in chunks)} runs in chunks of {chunks[0].width}, "
        f"{len(data.folds)} folds, {data.clips} {'videos' if data.spots else 'clips'}, {data.frames} frames, "
        f"{' and '.join(f'{n} {stage}' for stage, n in steps.items())} steps a run{_again(config.selection)}, "
        f"{memory / 2**30:.2f} GiB a {'worker' if jax.default_backend() == 'cpu' else 'device'}",
    )
    for said in data.windows:
        say(console, f"  {said}")
    say(console, data.cut_sentence)
    say(console, data.rates_sentence, "yellow")


def too_much_memory(largest: int, workers: int, free: int | None) -> str:
    """A sentence if the workers take more memory than is free, bytes each; "" if they do not, or if the system does not say."""
    if free is None or largest * workers <= free:
        return ""
    return (
        f"{workers} worker(s) of {largest / 2**30:.1f} GiB take more than the {free / 2**30:.1f} GiB of memory that are free: "
        "choose a smaller engine.chunk, or engine.workers=1"
    )


def print_stage_jobs(
    plan: Plan,
    groups: Sequence[int],
    unfinished: Sequence[Chunk],
    workers: int,
    ready: Callable[[str], bool],
    finished: Sequence[Chunk],
    console: Console,
) -> None:
    """Print how many jobs of the stage that trials share there are, and what sharing saves."""
    jobs = stage_jobs(plan, groups, finished, ready)
    if jobs is None:
        return
    lacking = [
        c
        for c in plan.needed_by(unfinished)
        if c.group in groups and c.shared and not all(map(ready, c.shared.entries))
    ]
    seconds, _ = seconds_left(plan, [*unfinished, *lacking], workers)
    kept = f", {jobs.bytes / 2**20:.0f} MiB of features while they are needed" if jobs.bytes else ""
    say(
        console,
        f"  {jobs}; about {duration(seconds)}{kept}; sharing makes the work {jobs.saved:.2f} times smaller",
    )


def print_search_plan(sweep: SweepFile, plan: Plan, batch: int, folder: Path, console: Console) -> None:
    """Print what a search would do, without its proposals."""
    spec, tried = sweep.searched, read_tried(folder / "search")
    scored = 0 if tried is None else int((tried["state"] == "complete").sum())
    folds = len(plan.groups[0].folds)
    say(
        console,
        f"search: {spec.trials} proposals by {spec.sampler}, {_together(spec, batch)}, each scored by "
        f"{spec.metric} on {100 * spec.inner:g} % of each fold's training subjects"
        + (f" ({scored} of them are scored already)" if scored else "")
        + f"; then each of the {folds} folds is trained with what it chose, {folds * len(plan.seeds)} further runs. The "
        "trials below are examples, drawn at random.",
    )


def print_scale(sweep: SweepFile, console: Console) -> None:
    """Print what the small scale changes, if it was asked for."""
    if sweep.small:
        changed = ", ".join(f"{key}={value}" for key, value in sweep.small.items())
        say(console, f"scale small: {changed}")


def _again(selection: SelectionConfig) -> str:
    """How the rules of selection change the steps of a run, in words."""
    if not trains_inner(selection):
        return ""
    return " and again without the inner subjects" if trains_outer(selection) else " without the inner subjects"


def _together(spec: SearchSpec, batch: int) -> str:
    from merjax.sweeps.samplers import drawn_without_scores  # needs Optuna, as the search does

    first = drawn_without_scores(spec.sampler, spec.trials)
    if first == spec.trials:
        return "all together"
    return f"{batch} at a time" + (f" after {first}, which are drawn without scores," if first > batch else "")


def print_search(tried: pd.DataFrame, console: Console) -> None:
    """Print the best proposals of a search, what they were scored on, and which ones the folds chose."""
    metric = tried.columns[2]
    complete = tried[tried["state"] == "complete"].sort_values(metric, ascending=False, kind="stable")
    folds = {trial: len(names.split(", ")) for trial, names in complete[["trial", "chosen_for"]].to_numpy() if names}
    table = Table(title=f"search: {len(complete)} settings, scored on subjects held out inside training")
    shown = complete.drop(columns=["state", "chosen_for"])
    for column in [*shown.columns, "chosen by"]:
        table.add_column(column)
    for row in shown.head(_SHOWN).itertuples(index=False):
        cells = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row)
        n = folds.get(row[0], 0)
        table.add_row(*cells, f"{n} fold" + "s" * (n != 1))
    console.print(table)
    say(
        console,
        "each fold chose by its own inner subjects, was trained again on all its training subjects, and tested once: "
        + ", ".join(f"{trial} in {n}" for trial, n in folds.items())
        + f" of {sum(folds.values())} folds",
    )


def print_result(result: SweepResult, console: Console, sort: str = "") -> None:
    """Print the scores of a finished sweep and, for a search, first what it tried; `sort` as for `print_scores`."""
    if result.tried is not None:
        print_search(result.tried, console)
    if result.spots:
        print_spotters(result, console, sort)
        say(console, f"found intervals, plan and scores: {result.folder}", "bold")
        return
    print_scores(result, console, sort)
    print_diverged(result.predictions, console)
    say(console, f"predictions per clip, plan and scores: {result.folder}", "bold")


def print_shard(result: SweepResult, shard: Shard, line: str, console: Console) -> None:
    """Print what is left to do after a shard; `line` holds the arguments of `merjax merge` for its folders."""
    missing = len(result.missing_chunks)
    say(
        console,
        f"shard {shard} is finished; {missing} of {len(result.plan.chunks)} chunks are missing in {result.folder}. When all "
        "shards are finished, the scores are printed by",
    )
    say(console, f"  merjax merge {line}")
    say(console, "with the folders of all shards (the same one, if they share it).")


def missing_sentence(result: SweepResult, line: str) -> str:
    """A sentence about what merged folders lack, and how to train it."""
    numbers = [chunk.number for chunk in result.missing_chunks]
    listed = ", ".join(map(str, numbers[:_MOST_NUMBERS])) + (", ..." if len(numbers) > _MOST_NUMBERS else "")
    return (
        f"{len(numbers)} of {len(result.plan.chunks)} chunks are in none of the folders: {listed} (counted from 0; with N "
        "shards, shard k mod N + 1 trains chunk k). Let those shards finish and merge again; or train what is missing here, "
        f"in addition to what was merged into {result.folder}:\n  python -m merjax.sweep {line}"
    )


_MOST_NUMBERS = 20
