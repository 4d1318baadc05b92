"""Cuts a sweep's runs into chunks that train together, and stages that runs have in common into chunks of their own.

A sweep's work is a graph. A job is one training of one stage (see `merjax.methods.stage_identity`); a run's last stage takes
what its job before gave. Where several runs ask for one job, or where its output is kept for later, the jobs are cut into
shared chunks: each trains one stage for some folds and leaves its outputs in `stages/` (`merjax.sweeps.kept_stages`). The
chunks of the runs that ask for them are cut along them, and wait for them. Where runs have nothing in common, a chunk trains
all stages of its runs, and nothing is written in between.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from merjax.config import Config
from merjax.methods.registry import method_of
from merjax.methods.runs import RunId
from merjax.sweeps.sweep_file import Trial
from merjax.training.selection import trains_inner, trains_outer
from merjax.training.spotting_data import Data


class SharedStage(NamedTuple):
    """What a shared chunk trains.

    Attributes:
        stage: its name.
        inner: whether inner subjects are left out.
        entries: by run, the name under which what its job gave is kept: its sharing hash, and its precision if that is not
            float32.
    """

    stage: str
    inner: bool
    entries: tuple[str, ...]


class Chunk(NamedTuple):
    """Runs that train on the devices together: trial and fold numbers, of one group and one seed.

    Attributes:
        number: of the chunk.
        group, seed: of its runs.
        runs: (trial, fold) of each; a shared chunk has those that ask for its jobs first.
        width: runs that the compiled programs take: equal in all chunks of a group that are cut alike.
        needs: the numbers of the shared chunks whose outputs its runs take.
        shared: for a shared chunk, what it trains.
    """

    number: int
    group: int
    seed: int
    runs: tuple[tuple[int, int], ...]
    width: int
    needs: tuple[int, ...] = ()
    shared: SharedStage | None = None


def chunk_to_json(chunk: Chunk) -> dict[str, Any]:
    """A chunk for `plan.json`, without what only shared stages have, if it has nothing to do with them."""
    content = chunk._asdict()
    if chunk.shared is None:
        del content["shared"]
    if not chunk.needs:
        del content["needs"]
    return content


def chunk_from_json(content: Mapping[str, Any]) -> Chunk:
    """Read back what `chunk_to_json` gave."""
    parts: dict[str, Any] = {"runs": tuple(map(tuple, content["runs"])), "needs": tuple(content.get("needs", ()))}
    if "shared" in content:
        stage, inner, entries = content["shared"]
        parts["shared"] = SharedStage(stage, inner, tuple(entries))
    return Chunk(**{**content, **parts})


class Asked(NamedTuple):
    """A run's need of a shared job."""

    stage: str
    entry: str
    trial: int
    fold: int
    inner: bool


class Cut(NamedTuple):
    """Chunks of runs, numbered from 0, and the shared chunks, numbered after them."""

    chunks: tuple[Chunk, ...]
    stages: tuple[Chunk, ...]


class GroupRuns(NamedTuple):
    """A group of a sweep, as it is cut.

    Attributes:
        data: what its runs train on.
        trials: the numbers of its trials.
        runs: (trial, fold) of its runs.
        most: the largest number of runs that train together.
        divided: whether fewer train together where workers would not have equal numbers of chunks otherwise.
        alike: what runs must have in common to train together; without any, nothing.
    """

    data: Data
    trials: tuple[int, ...]
    runs: tuple[tuple[int, int], ...]
    most: int
    divided: bool
    alike: Mapping[tuple[int, int], Hashable] = MappingProxyType({})

    def side_by_side(self, runs: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Runs that can train together, in the order of the first of them."""
        sorted_out: dict[Hashable, list[tuple[int, int]]] = {}
        for run in runs:
            sorted_out.setdefault(self.alike.get(run), []).append(run)
        return list(sorted_out.values())

    def together(self, runs: Sequence, workers: int) -> int:
        """How many of these train together."""
        if not runs:
            return 1
        if not self.divided:
            return balanced_width(len(runs), self.most)
        # as many chunks for each worker, so that none waits while another trains the last one
        chunks = math.ceil(math.ceil(len(runs) / self.most) / workers) * workers
        return math.ceil(len(runs) / chunks)


def cut(trials: Sequence[Trial], groups: Sequence[GroupRuns], seeds: Sequence[int], workers: int, keeps: bool) -> Cut:
    """Cut the runs of a sweep.

    Args:
        trials: the sweep's.
        groups: its groups.
        seeds: its seeds.
        workers: the number of processes that will share the chunks.
        keeps: whether every job's output is kept for later, though only one run of this sweep may ask for it.
    """
    asked = {seed: [ask for group in groups for ask in _asked(trials, group, seed)] for seed in seeds}
    sharing = {seed: _sharing(asks, keeps) for seed, asks in asked.items()}
    stages = tuple(
        chunk
        for seed in seeds
        for chunk in _shared_chunks([a for a in asked[seed] if a.trial in sharing[seed]], groups, seed, workers)
    )
    chunks: list[tuple[Chunk, set[str]]] = []
    for g, group in enumerate(groups):
        alone = {s: [run for run in group.runs if run[0] not in sharing[s] and trials[run[0]].has(s)] for s in seeds}
        chunks += [
            chunk
            for seed in seeds
            for runs in group.side_by_side(alone[seed])
            for chunk in _cut(runs, g, seed, group.together(runs, workers))
        ]
        for seed in seeds:
            own = [a for a in asked[seed] if a.trial in group.trials and a.trial in sharing[seed]]
            chunks += _cut_along([c for c in stages if c.seed == seed], own, g, group.most)
    first = len(chunks)  # until here, shared chunks are numbered from 0
    of_entry = {entry: first + i for i, c in enumerate(stages) if c.shared for entry in c.shared.entries}
    return Cut(
        tuple(
            chunk._replace(number=i, needs=tuple(sorted({of_entry[entry] for entry in needed})))
            for i, (chunk, needed) in enumerate(chunks)
        ),
        tuple(chunk._replace(number=first + i) for i, chunk in enumerate(stages)),
    )


def balanced_width(runs: int, most: int) -> int:
    """The chunk width, at most `most`, that spreads the runs evenly over as few chunks as possible."""
    return math.ceil(runs / math.ceil(runs / most))


def _asked(trials: Sequence[Trial], group: GroupRuns, seed: int) -> Iterator[Asked]:
    """What the runs of a group need of a stage that trials may share; training on all subjects comes first."""
    selection = trials[group.trials[0]].config.selection
    known: Known = {}
    for inner in [False] * trains_outer(selection) + [True] * trains_inner(selection):
        data = group.data.held_out_inside(selection.inner) if inner else group.data
        for trial, fold in (run for run in group.runs if trials[run[0]].has(seed)):
            kept = shared_entry(data, RunId(trials[trial].config, seed, fold), known)
            if kept:
                yield Asked(*kept, trial, fold, inner)


def shared_entry(data: Data, spec: RunId, known: "Known | None" = None) -> tuple[str, str] | None:
    """The stage of a run that trials may share, and the name under which what its job gives is kept; None if there is none.

    `known` remembers what was found, since trials that share a stage ask the same for every fold.
    """
    method = method_of(spec.config.method)
    if method.shared is None:
        return None
    known = {} if known is None else known
    key = id(data), method.shared.of(spec.config), spec.seed, spec.fold
    if key not in known:
        known[key] = method.identities(data, spec)[0].hash
    precision = spec.config.temporal.precision
    return method.shared.stage, known[key] + ("" if precision == "float32" else f"-{precision}")


Known = dict[tuple[int, Config, int, int], str]


def _sharing(asked: Sequence[Asked], keeps: bool) -> set[int]:
    """The trials whose jobs are trained in shared chunks."""
    times = Counter(ask.entry for ask in asked)
    return {ask.trial for ask in asked if keeps or times[ask.entry] > 1}


def _shared_chunks(asked: Sequence[Asked], groups: Sequence[GroupRuns], seed: int, workers: int) -> Iterator[Chunk]:
    """The shared chunks of one seed: each job once, with the run that asks for it first."""
    group_of = {trial: g for g, group in enumerate(groups) for trial in group.trials}
    first: dict[str, Asked] = {}
    for ask in asked:
        first.setdefault(ask.entry, ask)
    alike: dict[tuple[int, bool], list[Asked]] = {}
    for ask in first.values():
        alike.setdefault((group_of[ask.trial], ask.inner), []).append(ask)
    for (g, inner), own in alike.items():
        width = groups[g].together(own, workers)
        for i in range(0, len(own), width):
            part = own[i : i + width]
            shared = SharedStage(part[0].stage, inner, tuple(ask.entry for ask in part))
            yield Chunk(0, g, seed, tuple((ask.trial, ask.fold) for ask in part), width, shared=shared)


def _cut(runs: Sequence[tuple[int, int]], group: int, seed: int, width: int) -> list[tuple[Chunk, set[str]]]:
    parts = [tuple(runs[i : i + width]) for i in range(0, len(runs), width)]
    return [(Chunk(0, group, seed, part, width), set()) for part in parts]


def _cut_along(stages: Sequence[Chunk], asked: Sequence[Asked], group: int, most: int) -> list[tuple[Chunk, set[str]]]:
    """The chunks of runs that share jobs, each with the entries that it needs: a trial's runs of a shared chunk's folds stay
    together, so that the same runs train together whether or not the stage is shared; several trials where they fit."""
    of_entry = {entry: chunk for chunk in stages if chunk.shared for entry in chunk.shared.entries}
    needed: dict[tuple[int, int], list[str]] = {}
    for ask in asked:
        needed.setdefault((ask.trial, ask.fold), []).append(ask.entry)
    along: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for run, entries in sorted(needed.items()):
        first = of_entry[entries[0]]
        assert first.shared
        along.setdefault(first.shared.entries, []).append(run)
    step = {entries: of_entry[entries[0]].width for entries in along}
    fitting = {e: balanced_width(len(runs), step[e] * max(1, most // step[e])) for e, runs in along.items()}
    width = max((math.ceil(fitting[e] / step[e]) * step[e] for e in along), default=1)
    cut = [chunk for entries, runs in along.items() for chunk in _cut(runs, group, of_entry[entries[0]].seed, width)]
    return [(chunk, {entry for run in chunk.runs for entry in needed[run]}) for chunk, _ in cut]
