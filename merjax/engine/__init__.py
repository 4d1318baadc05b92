"""Trains many runs at once. Knows stages, runs and batches; no dataset, path or region."""

from merjax.engine.batches import Samples
from merjax.engine.engine import Budget, Checkpointer, Engine, Progress, Saved
from merjax.engine.mapping import Mapping
from merjax.engine.stage import Batch, Outcome, RunArrays, Stage, State, Variables

__all__ = [
    "Batch",
    "Budget",
    "Checkpointer",
    "Engine",
    "Mapping",
    "Outcome",
    "Progress",
    "RunArrays",
    "Samples",
    "Saved",
    "Stage",
    "State",
    "Variables",
]
