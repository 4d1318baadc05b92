"""A whole sweep from Python: plan it, train it, read its tables."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from merjax.config import Config, flatten, identity
from merjax.demo import make_demo_store
from merjax.errors import MerjaxError
from merjax.estimate import Stopwatch
from merjax.logs import Log, log_chunk, refuse_missing
from merjax.models import add_scores, runs_without_model
from merjax.plan import (
    Chunk,
    Plan,
    make_plan,
    most_together,
    open_experiment,
    refuse_another,
    refuse_other_trials,
)
from merjax.progress import SweepProgress, default_console
from merjax.report.scores import control_table, score_table
from merjax.results import is_finished, open_folder, read_curves, read_plan, read_predictions, write_scores
from merjax.running import carry_out, worker_count
from merjax.shards import WHOLE, Shard, merge
from merjax.trials import Scale, SweepFile, make_sweep, read_sweep


@dataclass(frozen=True)
class SweepResult:
    """What a sweep's folder holds. Tables are read when they are first asked for.

    Attributes:
        folder: where it lies.
        plan: what was asked for; of a search, what each fold chose, all of it the trial "chosen".
        tried: of a search, what was proposed and how it scored on inner subjects, see `merjax.search.table`.
    """

    folder: Path
    plan: Plan
    tried: pd.DataFrame | None = None

    @property
    def missing(self) -> list[Chunk]:
        """Chunks that are not finished; only a shard of a sweep leaves any."""
        return [chunk for chunk in self.plan.chunks if not is_finished(self.folder, chunk)]

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per trial, seed, fold and held-out clip; see `merjax.results.read_predictions`."""
        return read_predictions(self.folder, self.plan)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row per trial, then majority and chance: UF1, UAR, accuracy; see `merjax.report.scores.score_table`."""
        tables = [score_table(self.plan, self.predictions), control_table(self.plan, self.predictions)]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row per trial, fold, seed, stage and step, a column per metric."""
        return read_curves(self.folder, self.plan)


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
    """Train a sweep over all folds and seeds, or go on with it, or read it where it is finished.

    >>> result = merjax.run_sweep("sweeps/quickstart.yaml", loss={"gamma": 1.5})
    >>> result.scores

    Args:
        sweep: a sweep file; or what one says, as a mapping (its base being settings); or a single trial's config; or what
            `merjax.trials.read_sweep` gave, as it is.
        out: folder of the results; `runs/NAME` when None, NAME being the file's, or made from the trials' settings.
        scale: "small" lays the file's `small` section over it: the same sweep on synthesised clips, in minutes.
        shard: the share of the work to do here.
        log: where training curves go besides, see `merjax.logs`.
        console: where progress is shown, if it is a terminal or a notebook; when None, this process's own one, and nothing
            at all where that is neither.
        stopping: asked time and again whether to end.
        overrides: settings of the base: `loss={"gamma": 1.5}` or `**{"loss.gamma": 1.5}`.

    Returns:
        The sweep's tables.

    Raises:
        MerjaxError: bad input; the sentence says what to write instead.
        merjax.interruption.Interrupted: `stopping` said so; all is saved, and the same call goes on.
    """
    asked = as_sweep(sweep, overrides, scale)
    folder = Path(out or Path("runs") / asked.name)
    return train_sweep(asked, folder, shard, log, console or default_console(), stopping)


def train_sweep(
    sweep: SweepFile, folder: Path, shard: Shard, log: Log | None, console: Console, stopping: Callable[[], bool]
) -> SweepResult:
    """`run_sweep` of a sweep that has been read."""
    refuse_missing(log)
    make_demo_store(sweep, console)
    tried = None
    if sweep.search:
        from merjax.search import search

        if shard != WHOLE:
            raise MerjaxError("a search is not divided: what is proposed hangs on all scores before; leave --shard out")

        def train(place: Path, plan: Plan) -> None:
            train_plan(place, plan, WHOLE, log, console, stopping)

        sweep, tried = search(sweep, folder, batch_of(sweep), plan_sweep, train)
        folder = folder / f"chosen-of-{(tried['state'] == 'complete').sum()}"
    plan = open_folder(folder, plan_sweep(sweep, shard))
    train_plan(folder, plan, shard, log, console, stopping)
    return finish(folder, tried)


def as_sweep(
    sweep: str | Path | Mapping[str, Any] | Config | SweepFile, overrides: Mapping[str, Any], scale: Scale = "full"
) -> SweepFile:
    """A sweep from whatever describes one."""
    if isinstance(sweep, SweepFile):
        if overrides or scale != "full":
            raise MerjaxError("a sweep that has been read takes no settings and no scale; give them to read_sweep")
        return sweep
    if isinstance(sweep, str | Path):
        return read_sweep(Path(sweep), (overrides,), scale)
    if isinstance(sweep, Config):
        sweep = {"base": flatten(sweep)}
    made = make_sweep(sweep, "sweep", (overrides,), scale=scale)
    digest = hashlib.blake2b(str([identity(trial.config) for trial in made.trials]).encode(), digest_size=4)
    return replace(made, name=f"{made.name}-{digest.hexdigest()}")


def plan_sweep(sweep: SweepFile, shard: Shard = WHOLE) -> Plan:
    """The plan of a sweep on this machine; the same on all machines where it is divided among several."""
    import jax

    from merjax.devices import prepare_backend
    from merjax.memory import capacity

    prepare_backend()
    workers = worker_count(sweep.trials[0].config.engine.workers)
    if shard != WHOLE and jax.default_backend() == "cpu":
        workers = sweep.trials[0].config.engine.workers or _WORKERS_OF_A_SHARD
    return make_plan(sweep, shard.total * workers, capacity)


def batch_of(sweep: SweepFile) -> int:
    """How many proposals fill the chunks that train at the same time on this machine."""
    from merjax.memory import capacity

    config = sweep.trials[0].config
    experiment = open_experiment(config, sweep.searched.inner)
    together = worker_count(config.engine.workers) * most_together(experiment, config, capacity)
    return max(1, together // len(experiment.folds))


def planned(sweep: SweepFile, shard: Shard, folder: Path) -> tuple[Plan, list[Chunk]]:
    """The plan to show, and the chunks of it that are finished in a folder; of a search, with random proposals.

    Raises:
        MerjaxError: as `plan_sweep`; or the folder holds another sweep.
    """
    if sweep.search:
        from merjax.search import rehearse

        return plan_sweep(rehearse(sweep, sweep.search.trials), shard), []
    plan = plan_sweep(sweep, shard)
    if not (folder / "plan.json").is_file():
        return plan, []
    there = read_plan(folder)
    refuse_another(there, plan, folder)
    return there, [chunk for chunk in there.chunks if is_finished(folder, chunk)]


def train_plan(
    folder: Path, plan: Plan, shard: Shard, log: Log | None, console: Console, stopping: Callable[[], bool]
) -> None:
    """Train a shard's chunks, with progress on the console, and remember how fast this machine was."""
    mine = shard.of(plan)
    waiting = [chunk for chunk in mine if not is_finished(folder, chunk)]
    workers = worker_count(plan.trials[0].config.engine.workers)
    watch = Stopwatch(plan)
    with SweepProgress(plan, mine, waiting, console) as progress:

        def hear(message: dict[str, Any]) -> None:
            progress.hear(message)
            if "chunk" in message:
                watch.hear(message)

        carry_out(folder, plan, workers, hear, stopping, shard, log)
    watch.remember()
    for chunk in mine:
        if log:
            log_chunk(folder, chunk, log)  # those that were finished before a log was asked for
    if without := runs_without_model(folder, plan, mine):
        console.print(
            f"{without} runs have no model: they were finished before engine.save_models was asked for (choose another --out "
            "to train them again), or their method has none to keep",
            soft_wrap=True,
        )


def merge_sweep(sweep: SweepFile, folders: Sequence[Path], out: Path) -> SweepResult:
    """Bring the folders of a sweep's shards together in `out`.

    Raises:
        MerjaxError: folders of another sweep, or cut into other chunks.
    """
    if sweep.search:
        raise MerjaxError("a search is not divided, so there is nothing to merge; run it without --merge")
    there = read_plan(folders[0])
    not_run = {trial for trial, _ in there.not_run}
    refuse_other_trials(there, [t for t in sweep.trials if t.name not in not_run], sweep.seeds, folders[0])
    merge(folders, out)
    return finish(out)


def memory_of(plan: Plan, group: int) -> int:
    """Bytes that the training of a group's chunk takes on each device; compiles its programs, which the sweep will use."""
    import jax

    from merjax.memory import bytes_per_device
    from merjax.work import open_group

    width = next(chunk.width for chunk in plan.chunks if chunk.group == group)
    experiment, config = open_group(plan, group)
    return bytes_per_device(experiment, config, -(-width // jax.local_device_count()))


def finish(folder: Path, tried: pd.DataFrame | None = None) -> SweepResult:
    """The result of a folder; its scores are saved beside the predictions when all chunks are there."""
    result = SweepResult(folder, read_plan(folder), tried)
    if not result.missing:
        write_scores(folder, result.scores)
        add_scores(folder, result.plan, result.predictions)
    return result


_WORKERS_OF_A_SHARD = 8  # in a plan that must not depend on the machine: about the cores of a cluster's job
