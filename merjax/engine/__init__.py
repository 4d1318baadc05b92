"""Trains many runs at once. The engine knows stages, runs and batches, but no dataset, path or region."""

from merjax.engine.batches import Samples
from merjax.engine.engine import Budget, Checkpointer, Engine, Progress, Saved
from merjax.engine.jobs import HostJob, Job, Jobs, StageJob, StageResult, Visit, train, walk
from merjax.engine.mapping import Mapping
from merjax.engine.stage import Batch, Outcome, RunArrays, Stage, State, Variables

__all__ = [
    "Batch",
    "Budget",
    "Checkpointer",
    "Engine",
    "HostJob",
    "Job",
    "Jobs",
    "Mapping",
    "Outcome",
    "Progress",
    "RunArrays",
    "Samples",
    "Saved",
    "Stage",
    "StageJob",
    "StageResult",
    "State",
    "Variables",
    "Visit",
    "train",
    "walk",
]
