"""The optimisers of the stages, with traced numbers."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from merjax.methods.numbers import Count, OptimiserNumbers, Real

Schedule = Callable[[jax.Array], jax.Array]  # steps taken -> learning rate


def adamw(
    numbers: OptimiserNumbers, schedule: Schedule | None = None, epsilon: float = 1e-8
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); plain Adam if the decay is 0.

    Args:
        numbers: those of the stage; each may be traced.
        schedule: the learning rate, if it changes during training.
        epsilon: is added to the root of the second moment.
    """
    return optax.adamw(
        schedule or numbers.learning_rate, numbers.beta1, numbers.beta2, epsilon, weight_decay=numbers.weight_decay
    )


def momentum(numbers: OptimiserNumbers, schedule: Schedule | None = None) -> optax.GradientTransformation:
    """Gradient descent with momentum beta1 and decoupled weight decay.

    Args:
        numbers, schedule: as for `adamw`; beta2 is not used.
    """
    decay = optax.add_decayed_weights(numbers.weight_decay)
    rate = schedule or numbers.learning_rate
    return optax.chain(optax.trace(numbers.beta1), decay, optax.scale_by_learning_rate(rate))


def decayed_gradient(optimiser: optax.GradientTransformation, weight_decay: Real) -> optax.GradientTransformation:
    """An optimiser of the loss and half the weight decay times the sum of squared weights, as PyTorch's `weight_decay`.

    Args:
        optimiser: without any weight decay of its own.
        weight_decay: may be traced.
    """
    return optax.chain(optax.add_decayed_weights(weight_decay), optimiser)


def halved(learning_rate: Real, halve_steps: Count, fall: float = 0.5) -> Schedule:
    """The learning rate, halved, or multiplied by another `fall`, after every `halve_steps` steps (0: never)."""
    return lambda step: jnp.where(halve_steps > 0, fall ** (step // jnp.maximum(halve_steps, 1)), 1.0) * learning_rate
