"""A small stage with dropout and running averages, its samples and four runs: what the engine is tested with."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from merjax.engine import Outcome, RunArrays, Samples, Stage, Variables
from merjax.nn.layers.dropout import dropout

N, D, K = 24, 5, 3
RNG = np.random.default_rng(0)
X_NxD = RNG.normal(size=(N, D)).astype(np.float32)
Y_N = RNG.integers(0, K, N)


@functools.cache
def small_stage() -> Stage:
    def init(key, numbers):
        return Variables({"w": jax.random.normal(key, (D, K)) * 0.1, "b": jnp.zeros(K)}, {"mean": jnp.zeros(D)})

    def loss(variables, batch, weight_B, numbers, key):
        params = variables.params
        logits_BxK = dropout(batch.inputs, numbers["dropout"], key) @ params["w"] + params["b"]
        loss_B = optax.softmax_cross_entropy_with_integer_labels(logits_BxK, numbers["target_N"][batch.unit_B])
        share_B = weight_B / jnp.maximum(weight_B.sum(), 1e-9)
        mean_D = 0.9 * variables.statistics["mean"] + 0.1 * share_B @ batch.inputs
        return Outcome(loss_B @ share_B, {"loss": loss_B @ share_B}, {"mean": mean_D})

    def apply(variables, batch, numbers):
        return (batch.inputs - variables.statistics["mean"]) @ variables.params["w"] + variables.params["b"]

    return Stage("small", init, loss, apply, lambda numbers: optax.adam(numbers["learning_rate"]), metrics=("loss",))


def samples(x_NxD=X_NxD) -> Samples:
    return Samples(np.arange(len(x_NxD)), lambda sample_KxB: x_NxD[sample_KxB])


def make_run(i: int, held_out=(), dropout_rate=0.3, target_N=Y_N) -> RunArrays:
    weight_N = np.ones(N, np.float32)
    weight_N[list(held_out)] = 0
    numbers = {
        "learning_rate": np.float32(0.01 * (i + 1)),
        "dropout": np.float32(dropout_rate),
        "target_N": np.where(weight_N > 0, target_N, 0).astype(np.int32),
    }
    return RunArrays(np.array([7, i], np.uint32), weight_N, numbers)


def stacked(runs) -> RunArrays:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *runs)


RUNS = [make_run(i, held_out=range(3 * i, 3 * i + 3)) for i in range(4)]
