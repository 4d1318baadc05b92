"""A whole sweep from Python: plan it, train it, read its tables."""

import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from merjax.config import Config, trained_settings
from merjax.methods.registry import method_of
from merjax.stores.kept_motion import Needed, keep_motion, lacking
from merjax.stores.motion_store import open_motion_store
from merjax.sweeps.folder import (
    is_finished,
    open_folder,
    read_plan,
)
from merjax.sweeps.kept_stages import are_there, remove_unneeded
from merjax.sweeps.merging import merge
from merjax.sweeps.plan import Plan
from merjax.sweeps.result import SweepResult, finish
from merjax.sweeps.running.curve_logs import Log, log_chunk, refuse_missing
from merjax.sweeps.running.listener import Listeners
from merjax.sweeps.running.planned import batch_of, plan_sweep
from merjax.sweeps.running.pool import carry_out, worker_count
from merjax.sweeps.running.progress import SweepProgress
from merjax.sweeps.running.rates import Stopwatch
from merjax.sweeps.running.shards import WHOLE, Shard, refuse_idle
from merjax.sweeps.same_sweep import refuse_other_trials
from merjax.sweeps.saved_models import runs_without_model
from merjax.sweeps.sweep_file import Scale, SweepFile, make_sweep, read_sweep
from merjax.synthesis.demo_motion_store import make_demo_motion_store
from merjax.synthesis.demo_store import make_demo_store
from merjax.system.at_work import at_work
from merjax.system.console import counted, default_console, is_watched, say
from merjax.system.errors import MerjaxError
from merjax.system.jax_setup import prepare_backend
from merjax.system.paths import refuse_unwritable, user_path
from merjax.system.processes import cores
from merjax.system.settings import flatten, identity
from merjax.training.spotting_data import spotting_data_of


def run_sweep(
    sweep: str | Path | Mapping[str, Any] | Config | SweepFile,
    *,
    out: str | Path | None = None,
    scale: Scale = "full",
    shard: Shard = WHOLE,
    log: Log | None = None,
    console: Console | None = None,
    stopping: Callable[[], bool] = lambda: False,
    **overrides: Any,
) -> SweepResult:
    """Train a sweep over all folds and seeds, go on with it if it is unfinished, or read it if it is finished.

    >>> result = merjax.run_sweep("quickstart", loss={"gamma": 1.5})  # doctest: +SKIP
    >>> few = {"data": {"store": "stores/mine", "frames": "count:4"}, "spatial": {"epochs": 1}, "temporal": {"epochs": 1}}
    >>> trials = {"focal": {"loss.gamma": 2}, "cross-entropy": {"loss.gamma": 0}}
    >>> result = merjax.run_sweep({"base": few, "trials": trials}, out="runs/mine", engine={"save_models": True})
    >>> result.scores["trial"].tolist()
    ['focal', 'cross-entropy', 'majority', 'chance']

    Args:
        sweep: a sweep file by its path or name, as for `merjax sweep`; or the content of one as a mapping, with settings as its
            base; or a single trial's config; or the result of `merjax.sweeps.sweep_file.read_sweep`, which is taken as it is.
        out: folder of the results. None means `runs/NAME`, where NAME is the file's name or made from the trials' settings.
        scale: "small" applies the file's `small` section: the same sweep on synthesised clips, in minutes.
        shard: the share of the work to do here.
        log: write training curves in this format too, see `merjax.sweeps.running.curve_logs`.
        console: where progress is shown, if it is a terminal or a notebook. None means this process's own terminal or
            notebook, if it has one.
        stopping: is called again and again; once it returns true, the sweep ends.
        overrides: settings of the base: `loss={"gamma": 1.5}` or `**{"loss.gamma": 1.5}`.

    Returns:
        The sweep's tables.

    Raises:
        MerjaxError: the input is wrong; the message says what to write instead.
        merjax.system.signals.Interrupted: `stopping` said so; all is saved, and the same call goes on with it.
    """
    asked = as_sweep(sweep, overrides, scale)
    folder = user_path(out) if out else Path("runs") / asked.name
    return train_sweep(asked, folder, shard, log, console or default_console(), stopping)


def as_sweep(
    sweep: str | Path | Mapping[str, Any] | Config | SweepFile, overrides: Mapping[str, Any], scale: Scale = "full"
) -> SweepFile:
    """The sweep that a file, a mapping, a config or a `SweepFile` describes."""
    if isinstance(sweep, SweepFile):
        if overrides or scale != "full":
            raise MerjaxError("a sweep that has been read takes no settings and no scale; give them to read_sweep")
        return sweep
    if isinstance(sweep, str | Path):
        return read_sweep(user_path(sweep), (overrides,), scale)
    if isinstance(sweep, Config):
        sweep = {"base": flatten(sweep)}
    made = make_sweep(sweep, "sweep", (overrides,), scale=scale)
    told = [identity(trial.config, trained_settings()) for trial in made.trials]
    digest = hashlib.blake2b(str(told).encode(), digest_size=4)
    return replace(made, name=f"{made.name}-{digest.hexdigest()}")


def train_sweep(
    sweep: SweepFile, folder: Path, shard: Shard, log: Log | None, console: Console, stopping: Callable[[], bool]
) -> SweepResult:
    """`run_sweep` for a sweep that has been read."""
    refuse_missing(log)
    refuse_unwritable(folder)
    prepare_backend()  # before clips are made for a sweep that has no device
    make_missing_store(sweep, console)
    tried = None
    if sweep.search:
        _say_where(folder, console)
        sweep, tried = _searched(sweep, folder, shard, log, console, stopping)
        folder = folder / f"chosen-of-{(tried['state'] == 'complete').sum()}"
    with at_work("planning the sweep in", folder):
        plan = open_folder(folder, plan_sweep(sweep, shard))
        if not all(is_finished(folder, chunk) for chunk in plan.chunks):
            refuse_idle(shard, plan)
            if tried is None:
                _say_where(folder, console)
    keep_needed(folder, plan, console)
    train_plan(folder, plan, shard, log, console, stopping)
    with at_work("scoring", folder):
        return finish(folder, tried)


def _say_where(folder: Path, console: Console) -> None:
    """Say, where somebody watches, how to follow the sweep from elsewhere."""
    if is_watched(console):
        page = folder / "report" / "live.html"
        say(console, f"to follow it: merjax report {shlex.quote(str(folder))} --live writes {page}")


def make_missing_store(sweep: SweepFile, console: Console) -> None:
    """Make the clips of a sweep file with `synthesize`, or the long videos of one of spotters, if its store does not exist yet.

    Raises:
        MerjaxError: see `merjax.synthesis.demo_store.make_demo_store` and `demo_motion_store.make_demo_motion_store`.
    """
    if sweep.synthesize is None:
        return
    first = sweep.trials[0].config
    make, what = (make_demo_store, "clips")
    if method_of(first.method).spots:
        make, what = (make_demo_motion_store, "long videos")
    with at_work(f"making the {what} in", sweep.store):
        make(first.data, sweep.synthesize, sweep.name, console)


def keep_needed(folder: Path, plan: Plan, console: Console) -> None:
    """Compute what unfinished chunks of spotters need of their motion store and it does not hold yet, with every core: the
    processes that train would each compute it for themselves."""
    unfinished = {chunk.group for chunk in plan.chunks if not is_finished(folder, chunk)}
    needed: dict[Path, set[Needed]] = {}
    for trial, group in zip(plan.trials, plan.group_of_trial, strict=True):
        method = method_of(trial.config.method)
        if method.spots and group in unfinished:
            data = spotting_data_of(trial.config.data)
            needed.setdefault(data.store.path, set()).update(method.needed(data, trial.config))
    for path, own in needed.items():
        store = open_motion_store(path)
        if left := lacking(store, own):
            with at_work("measuring motion in", path), counted("measuring motion for spotters", console) as progress:
                keep_motion(store, left, len(cores()), progress)


def _searched(
    sweep: SweepFile, folder: Path, shard: Shard, log: Log | None, console: Console, stopping: Callable[[], bool]
) -> tuple[SweepFile, pd.DataFrame]:
    """Train a search's proposals; return the sweep of each fold's choices, and a row per proposal."""
    from merjax.sweeps.running.search import search  # needs Optuna

    if shard != WHOLE:
        raise MerjaxError(
            "a search cannot be divided, since each proposal depends on all scores before it; leave --shard out"
        )

    def train(place: Path, plan: Plan) -> None:
        train_plan(place, plan, WHOLE, log, console, stopping)

    with at_work("searching in", folder):
        return search(sweep, folder, batch_of(sweep), plan_sweep, train)


def train_plan(
    folder: Path, plan: Plan, shard: Shard, log: Log | None, console: Console, stopping: Callable[[], bool]
) -> None:
    """Train a shard's chunks, with progress on the console, and remember how fast this machine was."""
    mine = shard.of(plan)
    unfinished = [chunk for chunk in mine if not is_finished(folder, chunk)]
    workers = worker_count(plan.trials[0].config.engine.workers)
    watch = Stopwatch(plan)
    lacking = [chunk for chunk in plan.needed_by(unfinished) if not are_there(folder, chunk)]
    shown, left = [*mine, *plan.needed_by(mine)], [*unfinished, *lacking]
    with SweepProgress(plan, shown, left, console) as progress:
        carry_out(folder, plan, workers, Listeners(progress, watch), stopping, shard, log)
    remove_unneeded(folder, plan, plan.stages)  # also if the last process was killed when all was finished
    watch.remember()
    if log:
        for chunk in mine:
            log_chunk(folder, plan, chunk, log)  # chunks may have been finished before a log was asked for
    if without := runs_without_model(folder, plan, mine):
        say(
            console,
            f"{without} runs have no model: they were finished before engine.save_models was asked for (choose another --out "
            "to train them again), or their method has none to keep",
        )


def merge_sweep(sweep: SweepFile, folders: Sequence[Path], out: Path) -> SweepResult:
    """Copy the finished chunks of a sweep's shards into `out`.

    Raises:
        MerjaxError: a folder holds another sweep, or the sweep cut into other chunks.
    """
    if sweep.search:
        raise MerjaxError(
            "a search cannot be divided, so there is nothing to merge; the sweep's own line prints its scores"
        )
    there = read_plan(folders[0])
    not_run = {absent.trial for absent in there.not_run}
    refuse_other_trials(there, [t for t in sweep.trials if t.name not in not_run], sweep.seeds, folders[0])
    with at_work("merging into", out):
        merge(folders, out)
        return finish(out)
