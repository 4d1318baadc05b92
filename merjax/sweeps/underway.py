"""Notes on what a sweep's processes are training just now, in its folder, so that any machine that sees it can show them."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from merjax.sweeps.costs import costs_of, total_cost
from merjax.sweeps.plan import Chunk
from merjax.sweeps.provenance import read_conditions
from merjax.sweeps.result import SweepResult

_SILENT = 600.0  # seconds after which a process is taken for dead: a call of its programs takes less


class Underway(NamedTuple):
    """A chunk that is being trained.

    Attributes:
        chunk: its number.
        training: the name of the stage's training.
        step, steps: where it stands.
        runs: how many train together.
        diverged: names of its runs that diverged.
        curves: by trial, pairs of a step and the median training loss of the trial's runs.
        silent: seconds since the note was written.
    """

    chunk: int
    training: str
    step: int
    steps: int
    runs: int
    diverged: list[str]
    curves: dict[str, list[tuple[int, float]]]
    silent: float

    @property
    def is_heard(self) -> bool:
        """Whether its process still writes."""
        return self.silent < _SILENT


def note_path(folder: Path, chunk: Chunk) -> Path:
    """The note on a chunk that is being trained."""
    return folder / "underway" / f"chunk-{chunk.number:04d}.json"


def read_underway(result: SweepResult) -> list[Underway]:
    """What is being trained, by the notes of its processes; notes that are just being written are left out."""
    found = []
    for chunk in (*result.missing_chunks, *result.plan.stages):
        path = note_path(result.folder, chunk)
        try:
            content: Mapping[str, Any] = json.loads(path.read_text())
            found.append(Underway(chunk.number, **content, silent=max(0.0, time.time() - path.stat().st_mtime)))
        except (OSError, ValueError, TypeError):
            continue
    return found


def seconds_left_of(result: SweepResult, underway: list[Underway]) -> float | None:
    """Expected seconds until a sweep is finished, at the rate of its finished chunks; None if no chunk's time is known."""
    plan = result.plan
    timed = [chunk for chunk in result.finished if read_conditions(result.folder, [chunk])]
    conditions = read_conditions(result.folder, timed)
    if conditions is None or conditions.seconds <= 0:
        return None
    heard = [note for note in underway if note.is_heard]
    left = total_cost(plan, result.missing_chunks) - sum(_done(result, note) for note in heard)
    return max(0.0, left) * conditions.seconds / total_cost(plan, timed) / max(1, len(heard))


def _done(result: SweepResult, note: Underway) -> float:
    """The part of a chunk's cost that is done; a shared stage's is not counted among what is left."""
    chunk = result.plan.chunk(note.chunk)
    costs = costs_of(result.plan, chunk)
    if chunk.shared or note.training not in costs:
        return 0.0
    before = sum(list(costs.values())[: list(costs).index(note.training)])
    return len(chunk.runs) * (before + costs[note.training] * note.step / max(note.steps, 1))
