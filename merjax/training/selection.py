"""After how much of its last stage's budget a run is tested: all of it, or a part that was chosen by scores on some subjects.

While a run trains its last stage, snapshots are taken: every clip's class probabilities at that moment. The budget does not
change what comes before its end (no schedule depends on it), so a snapshot is the result of training with a shorter budget.
Three rules choose a snapshot of each run:

- fixed: the last one. It is chosen without any scores.
- inner: a second run, with randomness of its own, holds a share of the fold's training subjects out of all that is trained
  and fitted, and is scored on their clips. The snapshot of the moment that is best there is then taken from the run that
  trains on all subjects (`after: retrain`), or from that second run itself (`after: keep`). Best means the highest UF1 pooled
  over the inner clips, since UF1 is reported in the end; log-loss decides between equal scores, which are common with few
  clips.
- oracle: the snapshot that is best on the held-out subject's own clips, as in much published code; where a fold holds several
  subjects out, one for each of them. It leaks: its scores do not estimate those on new people, and their distance to the
  scores of the fixed budget shows how much the leak gains.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from merjax.config import SelectionConfig
from merjax.engine import Budget, Checkpointer
from merjax.protocols.tasks import Task
from merjax.scoring.counts import counted_labels, log_loss, scores_of


def training_name(stage: str, inner: bool) -> str:
    """The name of a stage's training in plans, logs and progress: "spatial", or "inner spatial" if it leaves the inner
    subjects out."""
    return f"inner {stage}" if inner else stage


class InnerCheckpointer(NamedTuple):
    """Keeps the checkpoints of the runs that train without the inner subjects beside those of the other runs."""

    checkpointer: Checkpointer

    def restore(self, stage: str, like: Any) -> Any:
        return self.checkpointer.restore(_INNER_FILES + stage, like)

    def after_call(self, stage: str, saved: Any, finished: bool) -> None:
        self.checkpointer.after_call(_INNER_FILES + stage, saved, finished)


def trains_inner(selection: SelectionConfig) -> bool:
    """Whether runs train a second time, without the inner subjects."""
    return "inner" in selection.rules


def trains_outer(selection: SelectionConfig) -> bool:
    """Whether runs train on all training subjects of their fold."""
    return selection.rules != ("inner",) or selection.after == "retrain"


def extra_snapshots(selection: SelectionConfig) -> int:
    """The number of snapshots of a run, without the one at its end."""
    return 0 if selection.rules == ("fixed",) else selection.looks


def with_snapshots(budget: Budget, selection: SelectionConfig) -> Budget:
    """The budget of a last stage, with as many evenly spaced snapshots as its trials choose from."""
    if selection.rules == ("fixed",):
        return budget
    return budget._replace(snapshot_every=-(-budget.steps // selection.looks))


def snapshots_of(
    snapshots_PxLxNxK: Float[np.ndarray, "P L N K"] | None,
    logits_PxNxK: Float[np.ndarray, "P N K"],
    budget: Budget,
    several: bool = False,
) -> tuple[Float[np.ndarray, "P L N K"], Int[np.ndarray, "L"]]:
    """Class probabilities of all snapshots, and the steps after which they were taken; the end is always among them.

    Args:
        snapshots_PxLxNxK: the logits during training, if they were recorded.
        logits_PxNxK: the logits after the last step.
        budget: of the stage.
        several: whether a clip may have several classes, so that each has a probability of its own.
    """
    every, steps = budget.snapshot_every, budget.steps
    step_L = np.array([*range(every, steps, every)] if every else [], int)
    logits_PxLxNxK = logits_PxNxK[:, None]
    if snapshots_PxLxNxK is None:  # none was asked for, or nothing was trained
        step_L = step_L[:0]
    else:
        logits_PxLxNxK = np.concatenate([snapshots_PxLxNxK[:, : len(step_L)], logits_PxLxNxK], 1)
    probability_of = jax.nn.sigmoid if several else jax.nn.softmax
    return np.asarray(probability_of(logits_PxLxNxK)), np.append(step_L, steps)


def best_snapshot(
    snapshots_LxNxK: Float[np.ndarray, "L N K"], target_N: Int[np.ndarray, "N"], task: Task, score: str
) -> int:
    """The snapshot with the best score; among several, the one with the smallest log-loss, and among these the last.

    A snapshot of a run that has diverged counts as wrong for every clip.

    Args:
        snapshots_LxNxK: class probabilities of the clips to choose by.
        target_N: their labels.
        task: what is answered about a clip.
        score: the name of a score, see `merjax.scoring.metrics`.
    """
    scored = scores_of(task)[score]
    sound_L = np.isfinite(snapshots_LxNxK).all((1, 2))
    score_L, loss_L = np.full((2, len(snapshots_LxNxK)), [[-1.0], [np.inf]])
    for i in np.flatnonzero(sound_L):
        probability_NxK = snapshots_LxNxK[i]
        score_L[i] = scored(counted_labels(task, target_N, task.answers(probability_NxK)))
        loss_L[i] = log_loss(task, target_N, probability_NxK)
    return int(np.lexsort((np.arange(len(score_L)), -loss_L, score_L))[-1])


def chosen_snapshot(
    rule: str,
    after: str,
    outer_LxNxK: Float[np.ndarray, "L N K"] | None,
    inner_LxNxK: Float[np.ndarray, "L N K"] | None,
    target_N: Int[np.ndarray, "N"],
    tested_N: np.ndarray,
    asked_N: np.ndarray | None,
    task: Task,
    subject_N: np.ndarray,
) -> tuple[Int[np.ndarray, "N"], Float[np.ndarray, "N K"]]:
    """For each clip, the number of the snapshot that a rule chooses for a run, and the class probabilities that count.

    Only the oracle chooses for each held-out subject; the other rules choose one snapshot for all clips.

    Args:
        rule, after: see `merjax.config.SelectionConfig`.
        outer_LxNxK, inner_LxNxK: snapshots of the run that trains on all training subjects, and of the run that trains
            without the inner ones; None if there is no such run.
        target_N: the labels of the clips.
        tested_N: whether the fold holds a clip out.
        asked_N: whether a clip belongs to the inner subjects.
        task: what is answered about a clip.
        subject_N: the subjects of the clips.
    """
    model_LxNxK = inner_LxNxK if rule == "inner" and after == "keep" else outer_LxNxK
    assert model_LxNxK is not None
    chosen_N = np.full(len(target_N), len(model_LxNxK) - 1)
    if rule == "inner":
        assert inner_LxNxK is not None
        chosen_N[:] = best_snapshot(inner_LxNxK[:, asked_N], target_N[asked_N], task, "UF1")
    elif rule == "oracle":
        for subject in np.unique(subject_N[tested_N]):
            own_N = tested_N & (subject_N == subject)
            chosen_N[own_N] = best_snapshot(model_LxNxK[:, own_N], target_N[own_N], task, "accuracy")
    return chosen_N, model_LxNxK[chosen_N, np.arange(len(target_N))]


_INNER_FILES = "inner-"
