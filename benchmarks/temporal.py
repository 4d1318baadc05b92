"""The temporal stage's training step, six LSTMs, 32 clips: `python -m benchmarks.temporal --against torch`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import duel
from merjax.nn.layers.losses import focal_loss
from merjax.nn.region_lstm import TemporalClassifier
from merjax.system.jax_setup import compiler_options, prepare_backend

FRAMES, BATCH, REGIONS, FEATURES, UNITS, CLASSES = 64, 32, 6, 20, 64, 3
STEPS, GAMMA, RATES, LEARNING_RATE = 4, 2.0, (0.2, 0.5), 1e-4


def batches() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features [STEPS, B, T, R, D], zero behind each clip's end; lengths and labels [STEPS, B]."""
    rng = np.random.default_rng(0)
    features = rng.random((STEPS, BATCH, FRAMES, REGIONS, FEATURES), np.float32)
    length = rng.integers(FRAMES // 4, FRAMES, (STEPS, BATCH), endpoint=True)
    length[:, 0] = FRAMES
    features *= (np.arange(FRAMES) < length[..., None])[..., None, None]
    return features, length, rng.integers(0, CLASSES, (STEPS, BATCH))


def jax_side() -> duel.Work:
    prepare_backend()
    model, optimiser = TemporalClassifier(UNITS, CLASSES), optax.adam(LEARNING_RATE)
    compiled = functools.partial(jax.jit, compiler_options=compiler_options())

    def scores(params, features, length, rates, key):
        return model.apply(params, features, length, jnp.ones(REGIONS), rates, key)

    def step(state, batch):
        params, moments, key = state
        features, length, label = batch
        key, dropout_key = jax.random.split(key)

        def loss(params):
            logits = scores(params, features, length, RATES, dropout_key)
            return focal_loss(logits, label, jnp.ones(CLASSES), GAMMA).mean()

        value, gradient = jax.value_and_grad(loss)(params)
        updates, moments = optimiser.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), moments, key), value

    data = jax.device_put(batches())
    init = compiled(lambda key: model.init(key, data[0][0], data[1][0], jnp.ones(REGIONS), (0.0, 0.0), None))
    params = init(jax.random.key(0))
    state = (params, optimiser.init(params), jax.random.key(1))
    steps = compiled(lambda state, data: jax.lax.scan(step, state, data), donate_argnums=0)

    def work() -> int:
        nonlocal state
        state, value = steps(state, data)
        value.block_until_ready()
        return STEPS

    return work


def torch_side() -> duel.Work:
    import torch

    from benchmarks import in_torch

    in_torch.begin()
    model = in_torch.TemporalModel(REGIONS, FEATURES, UNITS, CLASSES, RATES)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    data = [torch.tensor(array) for array in batches()]

    def work() -> int:
        for features, length, label in zip(*data, strict=True):
            optimiser.zero_grad(set_to_none=True)
            in_torch.focal_loss(model(features, length), label, GAMMA).backward()
            optimiser.step()
        in_torch.finish()
        return STEPS

    return work


if __name__ == "__main__":
    duel.main("benchmarks.temporal", "step", {"jax": jax_side, "torch": torch_side})
