"""Writes what is being trained into the sweep's folder, for `merjax report FOLDER --live`."""

import contextlib
import time
from pathlib import Path

import numpy as np

from merjax.engine import Progress
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.running.listener import Listener
from merjax.sweeps.underway import note_path
from merjax.system.files import write_json
from merjax.system.paths import make_folder
from merjax.training.selection import training_name

_PAUSE = 5.0  # seconds between two notes on a chunk
_TRIALS, _POINTS = 12, 80  # of the curves in a note


class UnderwayNotes(Listener):
    """Notes where each chunk stands, every few seconds. No result depends on a note, so one that fails is left out."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.noted: dict[int, float] = {}  # by chunk, when

    def called(self, chunk: Chunk, progress: Progress) -> None:
        now = time.monotonic()
        if now < self.noted.get(chunk.number, -np.inf) + _PAUSE:
            return
        self.noted[chunk.number] = now
        path = note_path(self.folder, chunk)
        with contextlib.suppress(OSError):
            make_folder(path.parent)
            write_json(path, self._note(chunk, progress))

    def finished(self, chunk: Chunk) -> None:
        path = note_path(self.folder, chunk)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()  # if no other chunk has a note

    def _note(self, chunk: Chunk, progress: Progress) -> dict:
        trials = [self.plan.trials[trial].name for trial, _ in chunk.runs]
        loss_PxL = np.asarray(progress.history.get("loss", np.empty((0, 0))))  # copies of the first run fill it up
        return {
            "training": training_name(progress.stage, progress.inner),
            "step": progress.step,
            "steps": progress.steps,
            "runs": len(trials),
            "diverged": self._diverged(chunk, loss_PxL, progress.diverged),
            "curves": {name: _curve(loss_PxL[_of(trials, name)]) for name in [*dict.fromkeys(trials)][:_TRIALS]}
            if len(loss_PxL) >= len(trials)
            else {},
        }

    def _diverged(self, chunk: Chunk, loss_PxL: np.ndarray, count: int) -> list[str]:
        """The runs whose loss has not been finite for longest; a step without samples of a run has no loss either."""
        if not count or len(loss_PxL) < len(chunk.runs):
            return []
        finite_PxL = np.isfinite(loss_PxL)
        silent_P = np.where(finite_PxL.any(1), finite_PxL[:, ::-1].argmax(1), finite_PxL.shape[1])
        folds = self.plan.groups[chunk.group].folds
        lost_P = sorted(np.argsort(-silent_P, kind="stable")[:count])  # the copies are lost with the first run
        lost = [chunk.runs[p] for p in lost_P if p < len(chunk.runs)]
        return [f"{self.plan.trials[trial].name}, seed {chunk.seed}, fold {folds[fold].name}" for trial, fold in lost]


def _of(trials: list[str], name: str) -> list[int]:
    return [p for p, trial in enumerate(trials) if trial == name]


def _curve(loss_PxL: np.ndarray) -> list[tuple[int, float]]:
    """Steps with the median loss of the runs that have one, thinned."""
    step_L = np.flatnonzero(np.isfinite(loss_PxL).any(0))
    step_L = step_L[np.unique(np.linspace(0, len(step_L) - 1, min(_POINTS, len(step_L))).astype(int))]
    finite = np.where(np.isfinite(loss_PxL[:, step_L]), loss_PxL[:, step_L], np.nan)
    return [(int(step), float(loss)) for step, loss in zip(step_L, np.nanmedian(finite, axis=0), strict=True)]
