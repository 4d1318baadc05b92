"""One chunk: its runs trained together, their predictions and curves."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd

from merjax.config import Config
from merjax.engine import Checkpointer, Engine, Job, Progress, StageJob, StageResult, Visit, train, walk
from merjax.engine.ahead import Ahead, Claim
from merjax.methods.registry import method_of
from merjax.methods.runs import RunId, engine_of
from merjax.models.learned import Learned, remember
from merjax.sweeps.plan import Chunk, Plan, open_data
from merjax.system.errors import MerjaxError
from merjax.training.selection import InnerCheckpointer, trains_inner, trains_outer
from merjax.training.spotting_data import Data

CurvesOfStages = Mapping[str, Mapping[str, np.ndarray]]


class Group(NamedTuple):
    """What the chunks of a group share.

    Attributes:
        config: of its first trial; all its trials share it except for traced settings.
        data: what is trained on and tested.
        inside: the same data with inner subjects held out of training; None if no rule of selection needs it.
        engine: with the group's compiled programs.
        compiled: the kinds of chunks for which they were compiled ahead.
    """

    config: Config
    data: Data
    inside: Data | None
    engine: Engine
    compiled: set[str]


class TrainedChunk(NamedTuple):
    """The results of a chunk's runs.

    Attributes:
        predictions: of the clips that each run held out, by every rule of selection.
        curves: of their training.
        learned: by stage, what the runs learnt, if the config asks for models; else empty.
    """

    predictions: pd.DataFrame
    curves: pd.DataFrame
    learned: dict[str, Learned]


def train_chunk(
    plan: Plan,
    chunk: Chunk,
    group: Group,
    on_call: Callable[[Progress], None],
    checkpointer: Checkpointer | None = None,
    given: Mapping[bool, StageResult] = MappingProxyType({}),
) -> TrainedChunk:
    """Train a chunk's runs.

    Args:
        plan, chunk, group: the chunk of a plan, and its opened group.
        on_call: is called after every call.
        checkpointer: keeps progress.
        given: what the first stage gave for these runs where it is not trained here, by whether inner subjects are left out.
    """
    specs = specs_of(plan, chunk)
    padded = _padded(specs, chunk, group)
    jobs = method_of(group.config.method).jobs
    inner = outer = None
    learned: dict[str, Learned] = {}
    if group.inside:
        visit = _visit(group, chunk, on_call, checkpointer, inner=True)
        inner = walk(jobs(group.inside, padded), _given(visit, given.get(True)))
    if trains_outer(group.config.selection):
        visit = _given(_visit(group, chunk, on_call, checkpointer, inner=False), given.get(False))
        if group.config.engine.save_models:
            visit = remember(visit, learned)
        outer = walk(jobs(group.data, padded), visit)
    trained = outer or inner
    assert trained is not None
    names = [(plan.trials[trial].name, group.data.folds[fold].name) for trial, fold in chunk.runs]
    tested = method_of(group.config.method).tested
    predictions = [
        table.assign(trial=name, seed=chunk.seed)
        for p, (spec, (name, _)) in enumerate(zip(specs, names, strict=True))
        for _, table in tested(group.data, group.inside, spec, p, outer, inner)
    ]
    return TrainedChunk(pd.concat(predictions, ignore_index=True), _curves(names, chunk.seed, trained.curves), learned)


def train_stage(
    plan: Plan,
    chunk: Chunk,
    group: Group,
    on_call: Callable[[Progress], None],
    checkpointer: Checkpointer | None = None,
) -> StageResult:
    """Train the runs of a shared chunk; the result has a leading axis of them, and perhaps of others after them."""
    assert chunk.shared
    data = group.inside if chunk.shared.inner else group.data
    assert data is not None
    jobs = method_of(group.config.method).jobs(data, _padded(specs_of(plan, chunk), chunk, group))
    try:
        return _visit(group, chunk, on_call, checkpointer, inner=chunk.shared.inner)(next(jobs))
    finally:
        jobs.close()


def compile_chunk(
    plan: Plan, chunk: Chunk, group: Group, claim: Claim, given: Mapping[bool, StageResult] = MappingProxyType({})
) -> None:
    """Compile the programs that a chunk trains with, unless that was done for one of its kind; see `merjax.engine.ahead`.

    Args:
        plan, chunk, group, given: as `train_chunk` and `train_stage` take them.
        claim: takes a program of the group.
    """
    method, kind = method_of(group.config.method), f"{chunk.shared and chunk.shared.inner}"
    if kind in group.compiled or not method.compiles:
        return
    group.compiled.add(kind)
    padded, ahead = _padded(specs_of(plan, chunk), chunk, group), Ahead(group.engine, claim)
    for inner, data in ((True, group.inside), (False, group.data if trains_outer(group.config.selection) else None)):
        if data is None or (chunk.shared and chunk.shared.inner != inner):
            continue
        jobs = method.jobs(data, padded)
        if chunk.shared:
            ahead(next(jobs))
            jobs.close()
        else:
            walk(jobs, _given(ahead, given.get(inner)))
    ahead.finish()


def specs_of(plan: Plan, chunk: Chunk) -> list[RunId]:
    """A chunk's runs."""
    return [RunId(plan.trials[trial].config, chunk.seed, fold) for trial, fold in chunk.runs]


def _padded(specs: list[RunId], chunk: Chunk, group: Group) -> list[RunId]:
    """As many runs as the programs take: they have one width, and the padding's results are dropped."""
    devices = len(group.engine.devices)
    width = -(-max(chunk.width, len(specs)) // devices) * devices
    return specs + [specs[0]] * (width - len(specs))


def _visit(
    group: Group, chunk: Chunk, on_call: Callable[[Progress], None], checkpointer: Checkpointer | None, *, inner: bool
) -> Visit:
    """The visit that trains a chunk's stages, without the inner subjects or with them."""
    if inner:
        on_call, checkpointer = _told_as_inner(on_call), checkpointer and InnerCheckpointer(checkpointer)
    return train(group.engine, chunk.seed, on_call, checkpointer)


def _given(visit: Visit, result: StageResult | None) -> Visit:
    """The visit that takes the first stage's result as given."""
    if result is None:
        return visit
    waiting = [result]

    def given(job: Job) -> StageResult:
        if not waiting:
            return visit(job)
        assert isinstance(job, StageJob)
        return _widened(waiting.pop(), len(job.runs.key))

    return given


def _widened(result: StageResult, runs: int) -> StageResult:
    """A result of some runs for as many as the programs take: the first stands for the padding."""
    place_P = np.array([*range(len(result.outputs)), *[0] * (runs - len(result.outputs))])
    variables = jax.tree.map(lambda x: x[place_P], result.variables)
    curves = {name: values[place_P] for name, values in result.curves.items()}  # in their order
    return StageResult(variables, [result.outputs[p] for p in place_P], curves, None)


def open_group(plan: Plan, number: int) -> Group:
    """A group of a plan, with its data opened and an engine on the local devices that has not compiled anything yet.

    Raises:
        MerjaxError: the store is not the one that the sweep was planned with.
    """
    config = plan.trials[plan.group_of_trial.index(number)].config
    data, selection = open_data(config, plan.inner), config.selection
    if data.store.hash != plan.groups[number].store_hash:
        raise MerjaxError(
            f"{data.store.path} was replaced since this sweep was planned; put the planned store back, or start the sweep "
            "again with another --out"
        )
    inside = data.held_out_inside(selection.inner) if trains_inner(selection) else None
    return Group(config, data, inside, engine_of(config), set())


def _told_as_inner(on_call: Callable[[Progress], None]) -> Callable[[Progress], None]:
    return lambda progress: on_call(progress._replace(inner=True))


def _curves(names: list[tuple[str, str]], seed: int, curves: CurvesOfStages) -> pd.DataFrame:
    """Training curves in long form: trial, fold, seed, stage, step and a column per metric."""
    pieces = []
    for stage, metrics in curves.items():
        for p, (trial, fold) in enumerate(names):
            values = {name: series[p] for name, series in metrics.items()}
            steps = np.arange(len(next(iter(values.values()))))
            pieces.append(
                pd.DataFrame({"trial": trial, "fold": fold, "seed": seed, "stage": stage, "step": steps} | values)
            )
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=["trial", "stage", "step"])
