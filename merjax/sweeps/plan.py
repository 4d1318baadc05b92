"""From trials to work: groups that share compiled programs, runs, and chunks of runs that train together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from merjax.config import Config, EngineConfig, make_config, program_group
from merjax.methods.registry import as_named_today, method_of
from merjax.scoring.entry import GroupData
from merjax.scoring.published.tables import published_before
from merjax.sweeps.chunks import Chunk, GroupRuns, chunk_from_json, chunk_to_json, cut
from merjax.sweeps.described import describe
from merjax.sweeps.sweep_file import SweepFile, Trial
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten
from merjax.system.versions import __version__
from merjax.training.data import TrainingData, data_of
from merjax.training.fitted import class_weights, region_mask
from merjax.training.selection import trains_inner
from merjax.training.spotting_data import Data, spotting_data_of

PLAN_FORMAT = 1
Capacity = Callable[[Any, Config], int | None]
_CPU_CHUNK = 4  # runs: enough to share the loading of batches, few enough to lose little if the process is killed


class NotRun(NamedTuple):
    """A trial for which the sweep's store has no data, with the reason, and its method in the published table, if any."""

    trial: str
    reason: str
    published: str = ""

    def __str__(self) -> str:
        return f"{self.trial} is NOT RUN: {self.reason}"


@dataclass(frozen=True)
class Plan:
    """All the work of a sweep.

    Attributes:
        name: the sweep's name.
        trials: its trials, without those that are not run.
        seeds: its seeds.
        group_of_trial: the group of each trial.
        chunks: the work, in the order in which it is started.
        version: the version of merjax that made the plan.
        groups: what each group trains on.
        stages: the shared chunks, which train a stage for several of the others, numbered after them.
        inner: share of the training subjects that is tested in place of the held-out subjects; 0 tests the held-out ones.
        not_run: trials whose method needs something that their store lacks.
        published: the published table that the sweep repeats, see `merjax.sweeps.sweep_file.SweepFile`; "" for none.
        ensembles: by name, the trials whose probabilities a report averages.
    """

    name: str
    trials: tuple[Trial, ...]
    seeds: tuple[int, ...]
    group_of_trial: tuple[int, ...]
    chunks: tuple[Chunk, ...]
    groups: tuple[GroupData, ...]
    stages: tuple[Chunk, ...] = ()
    version: str = __version__
    inner: float = 0.0
    not_run: tuple[NotRun, ...] = ()
    published: str = ""
    ensembles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return sum(len(chunk.runs) for chunk in self.chunks)

    @property
    def fold_names(self) -> tuple[str, ...]:
        """The names of all groups' folds, which name folders: `safe_name` tells those apart that would be written alike."""
        return tuple(dict.fromkeys(fold.name for group in self.groups for fold in group.folds))

    @property
    def table(self) -> pd.DataFrame:
        """A row per trial: trial, runs (its folds times the seeds), method, protocol, folds, clips, subjects, then the settings
        by which trials differ, by dotted key."""
        configs = [flatten(trial.config) for trial in self.trials]
        varying = [key for key in configs[0] if len({repr(config[key]) for config in configs}) > 1]
        rows = []
        for trial, config, number in zip(self.trials, configs, self.group_of_trial, strict=True):
            group = self.groups[number]
            row = {"trial": trial.name, "runs": len(trial.folds or group.folds) * len(trial.seeds or self.seeds)}
            row |= {"method": config["method"], "protocol": group.protocol, "folds": len(trial.folds or group.folds)}
            rows.append(
                row | {"clips": group.clips, "subjects": group.subjects} | {key: config[key] for key in varying}
            )
        return pd.DataFrame(rows)

    def chunk(self, number: int) -> Chunk:
        """A chunk by its number, shared or not."""
        return (*self.chunks, *self.stages)[number]

    def needed_by(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The shared chunks whose outputs these chunks take."""
        return [self.chunk(number) for number in sorted({number for chunk in chunks for number in chunk.needs})]

    def _repr_html_(self) -> str:
        """The table, for a notebook."""
        return self.table.to_html()

    def to_json(self) -> dict[str, Any]:
        return {
            "format": PLAN_FORMAT,
            "version": self.version,
            "name": self.name,
            "trials": [t._asdict() | {"config": flatten(t.config)} for t in self.trials],
            "seeds": list(self.seeds),
            "group_of_trial": list(self.group_of_trial),
            "data": [group.to_json() for group in self.groups],
            "inner": self.inner,
            "not_run": [trial._asdict() for trial in self.not_run],
            "published": self.published,
            **({"ensembles": {name: list(own) for name, own in self.ensembles.items()}} if self.ensembles else {}),
            "chunks": [chunk_to_json(chunk) for chunk in self.chunks],
            **({"stages": [chunk_to_json(chunk) for chunk in self.stages]} if self.stages else {}),
        }


def plan_from_json(content: dict[str, Any]) -> Plan:
    """Read back what `Plan.to_json` wrote.

    Raises:
        MerjaxError: the plan has another format.
    """
    if content.get("format") != PLAN_FORMAT:
        raise MerjaxError(
            f"the plan has format {content.get('format')}, but this merjax ({__version__}) reads format {PLAN_FORMAT}; "
            "choose another --out or remove that folder"
        )
    # plans of merjax 0.1.0 do not have the key
    published, rows = (content["published"], {}) if "published" in content else published_before(content["name"])
    return Plan(
        content["name"],
        tuple(
            Trial(
                t["name"],
                t["overrides"],
                make_config(as_named_today(t["config"])),
                tuple(t.get("folds", ())),
                t.get("published", rows.get(t["name"], "")),
                tuple(t.get("seeds", ())),
                t.get("note", ""),
            )
            for t in content["trials"]
        ),
        tuple(content["seeds"]),
        tuple(content["group_of_trial"]),
        tuple(map(chunk_from_json, content["chunks"])),
        tuple(map(GroupData.from_json, content["data"])),
        tuple(map(chunk_from_json, content.get("stages", ()))),
        content["version"],
        content.get("inner", 0.0),
        tuple(NotRun(**{"published": rows.get(t["trial"], "")} | t) for t in content.get("not_run", ())),
        published,
        {name: tuple(own) for name, own in content.get("ensembles", {}).items()},
    )


def make_plan(sweep: SweepFile, workers: int, capacity: Capacity = lambda data, config: None) -> Plan:
    """Sort the trials into groups and cut their runs into chunks.

    Trials whose method needs something that the store lacks are set aside with the reason.

    Args:
        sweep: the sweep.
        workers: the number of processes that will share the chunks.
        capacity: how many runs of a group fit on the devices together, if that is known (`merjax.methods.memory.capacity`).

    Raises:
        MerjaxError: data is missing or does not fit the protocol, or no trial can be run.
    """
    opened, not_run = _opened(sweep)
    keys, data_of_group = list(opened), [*opened.values()]
    able = tuple(trial for trial in sweep.trials if program_group(trial.config) in opened)
    group_of_trial = tuple(keys.index(program_group(trial.config)) for trial in able)
    firsts = [able[group_of_trial.index(g)].config for g in range(len(keys))]
    for trial, group in zip(able, group_of_trial, strict=True):
        # raises here what would otherwise be raised in a worker
        of_group = data_of_group[group]
        if isinstance(of_group, TrainingData):
            region_mask(trial.config.regions, of_group.streams)
            class_weights(trial.config.loss.alpha, np.ones(1))
        if trains_inner(trial.config.selection):
            of_group.held_out_inside(trial.config.selection.inner)
    engine = firsts[0].engine
    parts = [_runs_of(able, group_of_trial, g, data, capacity) for g, data in enumerate(data_of_group)]
    chunks, stages = cut(able, parts, sweep.seeds, workers, engine.share and keeps_stages(engine, sweep.inner))
    if not engine.share:
        chunks, stages = tuple(chunk._replace(needs=()) for chunk in chunks), ()
    groups = tuple(describe(data, config) for data, config in zip(data_of_group, firsts, strict=True))
    return Plan(
        sweep.name,
        able,
        sweep.seeds,
        group_of_trial,
        chunks,
        groups,
        stages,
        inner=sweep.inner,
        not_run=not_run,
        published=sweep.published,
        ensembles=sweep.ensembles,
    )


def _runs_of(
    trials: Sequence[Trial], group_of_trial: Sequence[int], group: int, data: Data, capacity: Capacity
) -> GroupRuns:
    """A group's runs, as they are to be cut."""
    own = tuple(t for t, g in enumerate(group_of_trial) if g == group)
    runs = tuple((t, f) for t in own for f, fold in enumerate(data.folds) if trials[t].is_of(fold.name))
    first = trials[own[0]].config
    alike = {(t, f): method_of(first.method).alike(data, trials[t].config, f) for t, f in runs}
    return GroupRuns(data, own, runs, most_runs_together(data, first, capacity), not first.engine.chunk, alike)


def keeps_stages(engine: EngineConfig, inner: float) -> bool:
    """Whether what every job gives is kept: for other sweeps, for the user, or for the proposals of a search (those have
    inner subjects) that are still to come."""
    return bool(engine.stages != "none" or engine.keep_features or inner)


def _opened(sweep: SweepFile) -> tuple[dict[tuple, Data], tuple[NotRun, ...]]:
    """What each group trains on, by its key, and the trials that lack something.

    Raises:
        MerjaxError: every trial lacks something, or in a search any trial does.
    """
    opened: dict[tuple, Data] = {}
    lacks: dict[tuple, str] = {}
    for config in (trial.config for trial in sweep.trials):
        key = program_group(config)
        if key in opened or key in lacks:
            continue
        data = open_data(config, sweep.inner)
        if config.engine.save_models and not (method_of(config.method).compiles or method_of(config.method).spots):
            raise MerjaxError(
                f"engine.save_models keeps what networks learn, but {config.method} has no network; leave it out"
            )
        try:
            method_of(config.method).refuse(data, config)
        except MerjaxError as error:
            lacks[key] = str(error)
        else:
            opened[key] = data
    if not opened or (lacks and sweep.inner):  # a search needs the score of every proposal
        raise MerjaxError(next(iter(lacks.values())))
    if len({data.task.spots for data in opened.values()}) > 1:
        raise MerjaxError(
            f"{sweep.name}: some trials spot in long videos and others recognise clips, which have no score in common; write a "
            "sweep file for each"
        )
    reasons = [(trial, lacks.get(program_group(trial.config))) for trial in sweep.trials]
    return opened, tuple(NotRun(trial.name, reason, trial.published) for trial, reason in reasons if reason)


def open_data(config: Config, inner: float) -> Data:
    """What a config trains on. If `inner` is above 0, this share of the training subjects is tested in place of the others."""
    data = spotting_data_of(config.data) if method_of(config.method).spots else data_of(config.data)
    return data.held_out_inside(inner) if inner else data


def most_runs_together(data: Data, config: Config, capacity: Capacity) -> int:
    """The largest number of runs in a chunk: what the config says, what the devices' memory allows, or a number for CPUs."""
    return config.engine.chunk or capacity(data, config) or _CPU_CHUNK


def splitting_keys(plan: Plan) -> tuple[str, ...]:
    """The settings by which the groups differ."""
    firsts = [dict(program_group(plan.trials[plan.group_of_trial.index(g)].config)) for g in range(len(plan.groups))]
    return tuple(key for key in firsts[0] if len({repr(first[key]) for first in firsts}) > 1)
