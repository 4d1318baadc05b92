"""What stages learnt: recorded while they train, and recalled in place of training."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from merjax.engine import Engine, Job, RunArrays, StageJob, StageResult, Variables, Visit
from merjax.engine.stage import start
from merjax.methods.numbers import kept_numbers
from merjax.system.errors import MerjaxError


class Learned(NamedTuple):
    """What a stage learnt in runs that trained together, or in one of them.

    Attributes:
        variables: parameters and whatever else inference needs from training, as trees of arrays, `[P, ...]`.
        numbers: by name, the run's hyper-parameters and what was fitted on its training clips; `[P, ...]`.
    """

    variables: Variables
    numbers: dict[str, np.ndarray]

    def of_run(self, p: int) -> "Learned":
        return jax.tree.map(lambda x: x[p], self)


def remember(train: Visit, learned: dict[str, Learned]) -> Visit:
    """The visit that trains by another visit and records what each stage learnt.

    Args:
        train: the visit that trains.
        learned: is filled in, by stage.
    """

    def visit(job: Job) -> StageResult:
        assert isinstance(job, StageJob), f"{job.name} has no network"
        result = train(job)
        learned[job.stage.name] = Learned(result.variables, kept_numbers(job.runs.numbers))
        return result

    return visit


def recall(engine: Engine, learned: Mapping[str, Learned]) -> Visit:
    """The visit that trains nothing: its variables, and the numbers fitted for them, come from an earlier training.

    Args:
        engine: computes the outputs, for one run on one device.
        learned: what each stage learnt in that run, by stage.
    """

    def visit(job: Job) -> StageResult:
        assert isinstance(job, StageJob), f"{job.name} has no network"
        known = learned[job.stage.name]
        job = job._replace(runs=_as_trained(job.runs, known.numbers))
        variables = jax.tree.map(lambda x: x[None], _fitting(job, known.variables))
        outputs = engine.apply(job.stage, variables, job.runs, job.samples, batch=job.budget.batch)
        return StageResult(variables, outputs, {}, None)

    return visit


def _as_trained(runs: RunArrays, known: Mapping[str, np.ndarray]) -> RunArrays:
    """One run with the numbers that it was trained with; what belongs to the clips stays as it is."""
    own = runs.numbers._asdict()
    trained = {name: np.asarray(known[name], own[name].dtype)[None] for name in own.keys() & known.keys()}
    return runs._replace(numbers=runs.numbers._replace(**trained))


def _fitting(job: StageJob, known: Variables) -> Variables:
    """The variables, if they have the shapes that the stage needs for these clips.

    Raises:
        MerjaxError: they have other shapes.
    """
    one = jax.tree.map(lambda x: x[0], job.runs)
    wanted = jax.eval_shape(lambda run: start(job.stage, run).variables, one)
    if {name: x.shape for name, x in by_name(wanted).items()} != {name: x.shape for name, x in by_name(known).items()}:
        raise MerjaxError(
            f"the model's {job.stage.name} stage does not fit these clips: it was trained on pictures of another size, or on "
            "gray ones while these are in colour, or it was saved by another merjax"
        )
    return known


def by_name(variables: Variables) -> dict[str, np.ndarray]:
    """Arrays as a model's file holds them, by names such as `.variables.params['fc20']['bias']`."""
    flat = flatten_dict({name: tree for name, tree in variables._asdict().items() if tree})
    return {f".variables.{kind}" + "".join(f"['{key}']" for key in path): x for (kind, *path), x in flat.items()}


def from_names(arrays: Mapping[str, np.ndarray]) -> Variables:
    """The inverse of `by_name`."""
    paths = {tuple(name.removeprefix(".variables.").replace("']", "").split("['")): x for name, x in arrays.items()}
    return Variables(**unflatten_dict(paths))
