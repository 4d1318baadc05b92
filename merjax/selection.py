"""How much of its last stage's budget a run is tested after: all of it, or what was chosen by looking at subjects.

A run is looked at several times while its last stage trains: every clip's class probabilities are taken down. A shorter
budget does not bend the way there (no schedule depends on it), so that what a look saw is what training with that budget
gives. Three rules choose a look per run:

- fixed: the last one. Nothing is looked at to choose it.
- inner: a second run sets about a fifth of the fold's training subjects aside and is scored on them; the look that is best
  there is taken of the run that trains on all (`after: retrain`) or of that second run itself (`after: keep`).
- oracle: the look that is best on the held-out subject's own clips, as much published code does. It leaks: its scores are no
  estimate for new people, and the difference to the fixed budget's is what the leak is worth.
"""

import jax
import numpy as np
from jaxtyping import Float, Int

from merjax.config import SelectionConfig
from merjax.engine import Budget


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
