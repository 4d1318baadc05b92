"""What the training of each trial took, from the records of a sweep's finished chunks."""

from collections import Counter
from typing import NamedTuple

from merjax.sweeps.provenance import read_conditions
from merjax.sweeps.result import SweepResult


class Spent(NamedTuple):
    """Seconds of training, compilation included, and jobs: the trainings of a stage or of a whole run.

    What several runs had in common counts for each of them in part, so that all trials together give the sweep's.
    """

    seconds: float
    jobs: float


def spent_on_trials(result: SweepResult) -> dict[str, Spent]:
    """What was spent on each trial with finished runs, by its name.

    A chunk's seconds are shared evenly among its runs, those of a shared stage among the runs that took what it gave; seconds
    are NaN if they were not recorded.
    """
    plan, finished = result.plan, result.finished
    takers = Counter(number for chunk in finished for number in chunk.needs for _ in chunk.runs)
    read = {number: _seconds(result, number) for number in {*takers, *(chunk.number for chunk in finished)}}
    spent: dict[str, Spent] = {}
    for chunk in finished:
        parts = [(chunk, len(chunk.runs)), *((plan.chunk(number), takers[number]) for number in chunk.needs)]
        seconds = sum(read[part.number] / among for part, among in parts)
        jobs = sum(len(part.runs) / among for part, among in parts)
        for trial, _ in chunk.runs:
            name = plan.trials[trial].name
            before = spent.get(name, Spent(0.0, 0.0))
            spent[name] = Spent(before.seconds + seconds, before.jobs + jobs)
    return spent


def _seconds(result: SweepResult, number: int) -> float:
    conditions = read_conditions(result.folder, [result.plan.chunk(number)])
    return conditions.seconds if conditions else float("nan")
