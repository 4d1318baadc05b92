"""Trains many runs at once. Knows stages, runs and batches; no dataset, path or region."""

from merjax.engine.devices import Mapping
from merjax.engine.fit import Budget, Engine, Keeper, Progress, Saved
from merjax.engine.stage import Batch, Outcome, Run, Stage, State, Variables
from merjax.engine.stream import Samples

__all__ = [
    "Batch",
    "Budget",
    "Engine",
    "Keeper",
    "Mapping",
    "Outcome",
    "Progress",
    "Run",
    "Samples",
    "Saved",
    "Stage",
    "State",
    "Variables",
]
