"""What a sweep would take on a machine that is not here, beside what it takes on this one."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import jax

from merjax.config import Config
from merjax.engine.counting.duration import Expected
from merjax.methods.absent import AbsentMachine
from merjax.methods.memory import ByStage
from merjax.methods.registry import method_of
from merjax.methods.spatial_stage import SPATIAL
from merjax.sweeps.costs import costs_of
from merjax.sweeps.plan import Chunk, Plan, make_plan, open_data
from merjax.sweeps.running.planned import as_planned, memory_of, plan_sweep
from merjax.sweeps.running.pool import worker_count
from merjax.sweeps.running.rates import Measured, expected_here, measured
from merjax.sweeps.sweep_file import SweepFile
from merjax.system.errors import MerjaxError
from merjax.training.selection import training_name


class GroupThere(NamedTuple):
    """What one group of a plan takes on a machine.

    Attributes:
        bytes: of each device (on a CPU: of each worker), by stage, or of the largest stage under "".
        together: runs side by side on the whole machine.
        most: how many its memory would hold; None if memory is not the limit.
        chunks, shared: chunks of runs, and of stages that runs have in common.
    """

    bytes: dict[str, int]
    together: int
    most: int | None
    chunks: int
    shared: int


class SweepThere(NamedTuple):
    """What a whole sweep takes on a machine.

    Attributes:
        groups: by the groups of the plan.
        time: of all of it, without compilation, and without groups that use no device.
        rates: what was measured on such devices and used for the time; empty if nothing was.
        convolution, otherwise: the other form of the regions' convolutions (`engine.convolution`), and the time with it; "" if
            the sweep has no such networks.
    """

    groups: tuple[GroupThere, ...]
    time: Expected
    rates: tuple[Measured, ...] = ()
    convolution: str = ""
    otherwise: Expected = Expected()


def sweep_there(sweep: SweepFile, absent: AbsentMachine) -> SweepThere:
    """The plan of a whole sweep on a machine that is not here; nothing of it is taken to be finished.

    Raises:
        MerjaxError: not even one run fits on a device, or not as many as `engine.chunk` asks for.
    """
    sweep = as_planned(sweep)
    plan = make_plan(sweep, sweep.trials[0].config.engine.workers or 1, absent.capacity)
    groups, time, rates, convolution, otherwise = [], Expected(), set[Measured](), "", Expected()
    for g in _on_devices(plan):
        config = _config(plan, g)
        data = open_data(config, plan.inner)
        most = absent.capacity(data, config)
        own = [chunk for chunk in (*plan.chunks, *plan.stages) if chunk.group == g]
        widths = _widths(plan, own, absent.machine.devices)
        taken = absent.taken(data, config, widths)
        groups.append(_group_there(plan, g, {s: taken[s][max(n)].bytes for s, n in widths.items()}, most))
        _refuse_wider(groups[-1], absent)
        seconds, used = _time(plan, own, absent, taken)
        time, rates = time + seconds, rates | used
        if SPATIAL.stage in widths:
            other = _other_form(config)
            convolution = other.engine.convolution
            of_other = absent.taken(data, other, {SPATIAL.stage: widths[SPATIAL.stage]})[SPATIAL.stage]
            seconds, _ = _time(plan, own, absent, taken | {SPATIAL.stage: of_other})
        otherwise += seconds
    return SweepThere(tuple(groups), time, tuple(sorted(rates)), convolution, otherwise)


def _other_form(config: Config) -> Config:
    other: Literal["products", "grouped"] = "products" if config.engine.convolution == "grouped" else "grouped"
    return replace(config, engine=replace(config.engine, convolution=other))


def sweep_here(sweep: SweepFile) -> SweepThere:
    """The same on this machine, whose programs are compiled to measure their memory."""
    plan = plan_sweep(as_planned(sweep))
    used = _on_devices(plan)
    groups = [_group_there(plan, g, {"": memory_of(plan, g)}, None) for g in used]
    workers = worker_count(plan.trials[0].config.engine.workers)
    if jax.default_backend() == "cpu":
        groups = [group._replace(together=group.together * min(workers, group.chunks)) for group in groups]
    chunks = [chunk for chunk in (*plan.chunks, *plan.stages) if chunk.group in used]
    return SweepThere(tuple(groups), expected_here(plan, chunks, workers))


def _on_devices(plan: Plan) -> list[int]:
    """The groups whose methods use devices.

    Raises:
        MerjaxError: there are none.
    """
    found = [g for g in range(len(plan.groups)) if method_of(_config(plan, g).method).compiles]
    if not found:
        raise MerjaxError(f"{_config(plan, 0).method} uses no GPU or TPU; leave --for out")
    return found


def _config(plan: Plan, group: int) -> Config:
    return plan.trials[plan.group_of_trial.index(group)].config


def _group_there(plan: Plan, group: int, size: dict[str, int], most: int | None) -> GroupThere:
    own, shared = ([c for c in chunks if c.group == group] for chunks in (plan.chunks, plan.stages))
    return GroupThere(size, max(c.width for c in (*own, *shared)), most, len(own), len(shared))


def _refuse_wider(group: GroupThere, absent: AbsentMachine) -> None:
    if group.most is not None and group.together > group.most:
        raise MerjaxError(
            f"engine.chunk puts {group.together} runs together, but {absent.machine} holds {group.most}; choose a smaller one"
        )


def _trainings(plan: Plan, chunk: Chunk) -> dict[str, list[float]]:
    """The stages that a chunk trains, each with the costs of one run's trainings: two if it also trains without the inner
    subjects."""
    config, costs = _config(plan, chunk.group), costs_of(plan, chunk)
    found = {
        stage: [costs[name] for inner in (False, True) if (name := training_name(stage, inner)) in costs]
        for stage in method_of(config.method).steps(config, 1, 1)
    }
    return {stage: of_stage for stage, of_stage in found.items() if of_stage}


def _widths(plan: Plan, chunks: Sequence[Chunk], devices: int) -> Mapping[str, list[int]]:
    """The numbers of runs that a device holds of each stage."""
    found: dict[str, set[int]] = defaultdict(set)
    for chunk in chunks:
        for stage in _trainings(plan, chunk):
            found[stage].add(math.ceil(chunk.width / devices))
    return {stage: sorted(widths) for stage, widths in found.items()}


def _time(plan: Plan, chunks: Sequence[Chunk], absent: AbsentMachine, taken: ByStage) -> tuple[Expected, set[Measured]]:
    """How long chunks are expected to take, and the rates that this is taken from, where some were measured."""
    total, rates = Expected(), set[Measured]()
    for chunk in chunks:
        runs = math.ceil(chunk.width / absent.machine.devices)
        for stage, costs in _trainings(plan, chunk).items():
            rate = measured(absent.machine.accelerator.kind, stage, runs)
            if rate:
                total, rates = total + rate.seconds(runs * sum(costs), runs), rates | {rate}
            else:
                seconds = absent.seconds(taken[stage][runs], _config(plan, chunk.group))
                total += seconds * len(costs)
    return total, rates
