"""What the training of each trial took, from the records of a sweep's finished chunks."""

import json
from typing import NamedTuple

from merjax.sweeps.folder import record_path
from merjax.sweeps.result import SweepResult


class Cost(NamedTuple):
    """Seconds of training, compilation included, and training runs (a trial, seed and fold each)."""

    seconds: float
    jobs: int


def trial_costs(result: SweepResult) -> dict[str, Cost]:
    """The cost of each trial with finished runs. A chunk's seconds are shared evenly among its runs; NaN if not recorded."""
    costs: dict[str, Cost] = {}
    for chunk in result.finished:
        path = record_path(result.folder, chunk)
        seconds = json.loads(path.read_text())["seconds"] if path.is_file() else float("nan")
        for trial, _ in chunk.runs:
            name = result.plan.trials[trial].name
            before = costs.get(name, Cost(0.0, 0))
            costs[name] = Cost(before.seconds + seconds / len(chunk.runs), before.jobs + 1)
    return costs
