"""What a sweep's work costs, chunk by chunk, and what it saves by training once what runs have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from merjax.methods.registry import method_of
from merjax.sweeps.chunks import Chunk
from merjax.sweeps.plan import Plan
from merjax.training.selection import training_name, trains_inner, trains_outer


class StageJobs(NamedTuple):
    """The jobs of the stage that trials may share, of one group or of all.

    Attributes:
        stage: its name.
        asked: how many the runs ask for: one a run, two if it trains without the inner subjects, too.
        distinct: how many of them differ and are asked for here first.
        ready: how many of these need not be trained, since what they give is there.
        left: how many are to be trained.
        bytes: that all of what they give takes on the disk.
        saved: the cost of the work without sharing, over its cost.
    """

    stage: str
    asked: int
    distinct: int
    ready: int
    left: int
    bytes: int
    saved: float

    def __str__(self) -> str:
        counts = f"{self.distinct} distinct, {self.ready} found ready, {self.left} to train"
        return f"{self.asked} {self.stage} jobs asked for, {counts}"


def costs_of(plan: Plan, chunk: Chunk) -> Mapping[str, float]:
    """The cost in 1e9 multiply-adds of each training of one of a chunk's runs, by name and in order."""
    costs = plan.groups[chunk.group].cost
    if chunk.shared:
        name = training_name(chunk.shared.stage, chunk.shared.inner)
        return {name: costs[name]}
    elsewhere = {training_name(c.shared.stage, c.shared.inner) for c in plan.needed_by([chunk]) if c.shared}
    return {name: cost for name, cost in costs.items() if name not in elsewhere}


def total_cost(plan: Plan, chunks: Sequence[Chunk]) -> float:
    """1e9 multiply-adds of chunks."""
    return sum(len(chunk.runs) * sum(costs_of(plan, chunk).values()) for chunk in chunks)


def stage_jobs(
    plan: Plan,
    groups: Sequence[int],
    finished: Sequence[Chunk] = (),
    is_ready: Callable[[str], bool] = lambda entry: False,
) -> StageJobs | None:
    """Count the jobs of groups; None if their methods have no stage that trials may share.

    Args:
        plan: the plan.
        groups: numbers of the groups.
        finished: chunks that need not be trained again.
        is_ready: whether what a shared job gives is there, by its name.
    """
    own = [chunk for chunk in plan.chunks if chunk.group in groups and _sides(plan, chunk)]
    if not own:
        return None
    shared = [chunk for chunk in plan.stages if chunk.group in groups]
    done = {chunk.number for chunk in finished}
    awaited = {n for chunk in plan.chunks if chunk.number not in done for n in chunk.needs}
    alone = [chunk for chunk in own if not chunk.needs]
    entries = [(entry, chunk.number) for chunk in shared if chunk.shared for entry in chunk.shared.entries]
    ready = sum(number not in awaited or is_ready(entry) for entry, number in entries)
    ready += sum(_sides(plan, chunk) * len(chunk.runs) for chunk in alone if chunk.number in done)
    distinct = len(entries) + sum(_sides(plan, chunk) * len(chunk.runs) for chunk in alone)
    whole = sum(len(chunk.runs) * sum(plan.groups[chunk.group].cost.values()) for chunk in own)
    reads = method_of(_config(plan, own[0]).method).shared
    assert reads is not None
    return StageJobs(
        stage=reads.stage,
        asked=sum(_sides(plan, chunk) * len(chunk.runs) for chunk in own),
        distinct=distinct,
        ready=ready,
        left=distinct - ready,
        bytes=sum(_bytes(plan, chunk) for chunk in shared),
        saved=whole / total_cost(plan, [*own, *shared]),
    )


def _sides(plan: Plan, chunk: Chunk) -> int:
    """How many jobs that may be shared each run of a chunk asks for."""
    config = _config(plan, chunk)
    if method_of(config.method).shared is None:
        return 0
    return trains_outer(config.selection) + trains_inner(config.selection)


def _bytes(plan: Plan, chunk: Chunk) -> int:
    config = _config(plan, chunk)
    a_run = method_of(config.method).output_bytes(config, plan.groups[chunk.group].frames)
    return len(chunk.runs) * a_run


def _config(plan: Plan, chunk: Chunk):
    return plan.trials[chunk.runs[0][0]].config
