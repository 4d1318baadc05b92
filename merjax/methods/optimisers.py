"""The optimisers of the stages, with traced numbers."""

from typing import Any

import jax.numpy as jnp
import optax


def adamw(hyper: dict[str, Any]) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); plain Adam where the decay is 0.

    Args:
        hyper: learning_rate, beta1, beta2, weight_decay, and where the rate halves, halve_steps; each may be traced.
    """
    return optax.adamw(_rate(hyper), hyper["beta1"], hyper["beta2"], weight_decay=hyper["weight_decay"])


def momentum(hyper: dict[str, Any]) -> optax.GradientTransformation:
    """Gradient descent with momentum beta1 and decoupled weight decay.

    Args:
        hyper: as for `adamw`; beta2 is not used.
    """
    decay = optax.add_decayed_weights(hyper["weight_decay"])
    return optax.chain(optax.trace(hyper["beta1"]), decay, optax.scale_by_learning_rate(_rate(hyper)))


def _rate(hyper: dict[str, Any]) -> Any:
    """The learning rate, halved after every `halve_steps` steps (0: never)."""
    if "halve_steps" not in hyper:
        return hyper["learning_rate"]
    every = hyper["halve_steps"]
    return lambda step: hyper["learning_rate"] * jnp.where(every > 0, 0.5 ** (step // jnp.maximum(every, 1)), 1.0)
