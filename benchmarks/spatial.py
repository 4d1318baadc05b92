"""The spatial stage's training step, six regions, 64 frames: `python -m benchmarks.spatial --against torch`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import duel
from merjax.faces.regions import REGIONS
from merjax.nn.layers.losses import focal_loss
from merjax.nn.region_cnn import apply_regions, init_regions
from merjax.system.jax_setup import compiler_options, prepare_backend

BATCH, STEPS, CLASSES_R, GAMMA, RATE, LEARNING_RATE = 64, 2, (3, 3, 2, 2, 2, 4), 2.0, 0.5, 1e-4


def batches() -> tuple[list[np.ndarray], np.ndarray]:
    """Images [STEPS, 1, H, W, B] of every region and labels [STEPS, R, B]."""
    rng = np.random.default_rng(0)
    images = [rng.random((STEPS, 1, r.height, r.width, BATCH), np.float32) for r in REGIONS]
    return images, np.stack([rng.integers(0, k, (STEPS, BATCH)) for k in CLASSES_R], axis=1)


def jax_side() -> duel.Work:
    prepare_backend()
    optimiser = optax.adam(LEARNING_RATE)
    compiled = functools.partial(jax.jit, compiler_options=compiler_options())

    def step(state, batch):
        params, moments, key = state
        images, label_RxB = batch
        key, dropout_key = jax.random.split(key)

        def loss(params):
            logits_RxBxK = apply_regions(params, images, RATE, dropout_key, CLASSES_R)
            alpha_K = jnp.ones(max(CLASSES_R))
            return jax.vmap(focal_loss, (0, 0, None, None))(logits_RxBxK, label_RxB, alpha_K, GAMMA).mean(1).sum()

        value, gradient = jax.value_and_grad(loss)(params)
        updates, moments = optimiser.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), moments, key), value

    images, label = batches()
    data = jax.device_put((tuple(images), label))
    params = compiled(init_regions, static_argnums=1)(jax.random.key(0), CLASSES_R)
    state = (params, optimiser.init(params), jax.random.key(1))
    steps = compiled(lambda state, data: jax.lax.scan(step, state, data), donate_argnums=0)

    def work() -> int:
        nonlocal state
        state, value = steps(state, data)
        value.block_until_ready()
        return STEPS * BATCH

    return work


def torch_side() -> duel.Work:
    import torch
    from torch import nn

    from benchmarks import in_torch

    in_torch.begin()
    models = nn.ModuleList(in_torch.ShallowCNN(k, RATE) for k in CLASSES_R)
    optimiser = torch.optim.Adam(models.parameters(), lr=LEARNING_RATE, fused=True)
    images, label = batches()
    images = [torch.tensor(x.transpose(0, 4, 1, 2, 3).copy()) for x in images]
    label = torch.tensor(label)

    def work() -> int:
        for step in range(STEPS):
            optimiser.zero_grad(set_to_none=True)
            for r, model in enumerate(models):
                in_torch.focal_loss(model(images[r][step]), label[step, r], GAMMA).backward()
            optimiser.step()
        in_torch.finish()
        return STEPS * BATCH

    return work


if __name__ == "__main__":
    duel.main("benchmarks.spatial", "frame", {"jax": jax_side, "torch": torch_side})
