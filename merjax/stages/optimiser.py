"""The optimiser of every stage, with traced numbers."""

from typing import Any

import optax


def adamw(hyper: dict[str, Any]) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); plain Adam where the decay is 0.

    Args:
        hyper: learning_rate, beta1, beta2, weight_decay; each may be traced.
    """
    return optax.adamw(hyper["learning_rate"], hyper["beta1"], hyper["beta2"], weight_decay=hyper["weight_decay"])
