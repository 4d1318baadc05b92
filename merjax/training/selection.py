"""After how much of its last stage's budget a run is tested: all of it, or what was chosen by looking at subjects.

A run is looked at several times while its last stage trains: every clip's class probabilities are taken down. A shorter
budget does not bend the way there (no schedule depends on it), so that what a look saw is what training with that budget
gives. Three rules choose a look of each run:

- fixed: the last one. Nothing is looked at to choose it.
- inner: a second run, whose randomness is its own, holds a share of the fold's training subjects out of all that is trained
  and fitted, and is scored on their clips. The look that is best there is then taken of the run that trains on all
  (`after: retrain`), or of that second run itself (`after: keep`). Best is the highest UF1 pooled over the inner clips, what is
  reported in the end; log-loss decides between the many equals that few clips leave.
- oracle: the look that is best on the held-out subject's own clips, as in much published code. It leaks: its scores are no
  estimate for new people, and what they are above those of the fixed budget is what the leak is worth.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from merjax.config import SelectionConfig
from merjax.engine import Budget, Checkpointer
from merjax.scoring.metrics import Score, accuracy, confusion_matrix, uf1


def training_name(stage: str, inner: bool) -> str:
    """How plans, logs and progress call a stage's training: "spatial", or "inner spatial" where it leaves the inner subjects
    out."""
    return f"inner {stage}" if inner else stage


class InnerCheckpointer(NamedTuple):
    """Keeps the checkpoints of the runs that train without the inner subjects beside those of the other ones."""

    keeper: Checkpointer

    def restore(self, stage: str, like: Any) -> Any:
        return self.keeper.restore(_INNER_FILES + stage, like)

    def after_call(self, stage: str, saved: Any, finished: bool) -> None:
        self.keeper.after_call(_INNER_FILES + stage, saved, finished)


def trains_inner(selection: SelectionConfig) -> bool:
    """Whether runs train a second time, without the inner subjects."""
    return "inner" in selection.rules


def trains_outer(selection: SelectionConfig) -> bool:
    """Whether runs train on all training subjects of their fold."""
    return selection.rules != ("inner",) or selection.after == "retrain"


def extra_looks(selection: SelectionConfig) -> int:
    """Looks at a run beside the one at its end."""
    return 0 if selection.rules == ("fixed",) else selection.looks


def with_looks(budget: Budget, selection: SelectionConfig) -> Budget:
    """The budget of a last stage, with as many evenly spaced looks as its trials choose among."""
    if selection.rules == ("fixed",):
        return budget
    return budget._replace(probe_every=-(-budget.steps // selection.looks))


def looks_of(
    probe_PxLxNxK: Float[np.ndarray, "P L N K"] | None, logits_PxNxK: Float[np.ndarray, "P N K"], budget: Budget
) -> tuple[Float[np.ndarray, "P L N K"], Int[np.ndarray, "L"]]:
    """Class probabilities at all looks, and the steps after which they were taken; the end is always among them.

    Args:
        probe_PxLxNxK: the logits that the engine took down, if it did.
        logits_PxNxK: those after the last step.
        budget: of the stage.
    """
    every, steps = budget.probe_every, budget.steps
    look_L = np.array([*range(every, steps, every)] if every else [], int)
    logits_PxLxNxK = logits_PxNxK[:, None]
    if probe_PxLxNxK is None:  # nothing was asked for, or an engine only rehearses
        look_L = look_L[:0]
    else:
        logits_PxLxNxK = np.concatenate([probe_PxLxNxK[:, : len(look_L)], logits_PxLxNxK], 1)
    return np.asarray(jax.nn.softmax(logits_PxLxNxK)), np.append(look_L, steps)


def best_look(looks_LxNxK: Float[np.ndarray, "L N K"], target_N: Int[np.ndarray, "N"], score: Score) -> int:
    """The look with the best score; of several, the one with the smallest log-loss, and of these the last.

    A look at a run that has diverged counts as wrong in every clip.

    Args:
        looks_LxNxK: class probabilities of the clips to choose by.
        target_N: their classes.
        score: of confusion matrices, see `merjax.scoring.metrics`.
    """
    classes = looks_LxNxK.shape[-1]
    sound_L = np.isfinite(looks_LxNxK).all((1, 2))
    score_L, loss_L = np.full((2, len(looks_LxNxK)), [[-1.0], [np.inf]])
    for look in np.flatnonzero(sound_L):
        probability_NxK = looks_LxNxK[look]
        score_L[look] = score(confusion_matrix(target_N, probability_NxK.argmax(1), classes))
        own_N = probability_NxK[np.arange(len(target_N)), target_N]
        loss_L[look] = -np.log(np.maximum(own_N, 1e-12)).mean()
    return int(np.lexsort((np.arange(len(score_L)), -loss_L, score_L))[-1])


def chosen_look(
    rule: str,
    after: str,
    outer_LxNxK: Float[np.ndarray, "L N K"] | None,
    inner_LxNxK: Float[np.ndarray, "L N K"] | None,
    target_N: Int[np.ndarray, "N"],
    tested_N: np.ndarray,
    asked_N: np.ndarray | None,
) -> tuple[int, Float[np.ndarray, "N K"]]:
    """The look that a rule chooses of a run, and the class probabilities that count.

    Args:
        rule, after: see `merjax.config.SelectionConfig`.
        outer_LxNxK, inner_LxNxK: looks at the run that trains on all training subjects, and at the one that does without
            the inner ones; None where there is no such run.
        target_N: classes of the clips that the rule looks at.
        tested_N: whether the fold holds a clip out.
        asked_N: whether a clip is of the inner subjects.
    """
    model_LxNxK = inner_LxNxK if rule == "inner" and after == "keep" else outer_LxNxK
    assert model_LxNxK is not None
    if rule == "inner":
        assert inner_LxNxK is not None
        look = best_look(inner_LxNxK[:, asked_N], target_N[asked_N], uf1)
    elif rule == "oracle":
        look = best_look(model_LxNxK[:, tested_N], target_N[tested_N], accuracy)
    else:
        look = len(model_LxNxK) - 1
    return look, model_LxNxK[look]


_INNER_FILES = "inner-"
