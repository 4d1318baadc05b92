"""Off-TANet: parameters of its parts, its attention written out, and the network against the published one in PyTorch."""

import math

import jax
import numpy as np
import pytest
from support.torch_layers import drawn, parameters_of, scores_agree, training_step_agrees

from merjax.nn.off_tanet import OffTANet, position_code, self_attention

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(3, 112, 112, 5)).astype(np.float32)


def test_it_has_the_published_number_of_parameters():
    assert parameters_of(OffTANet(3), 3, 112, 112) == 59_403
    assert parameters_of(OffTANet(3), 3, 112, 112) - 3 * (28 * 28 + 28) == 56_967  # the variant without self-attention
    params = drawn(OffTANet(3), IMAGES)["params"]
    assert {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in params.items()} == {
        "stem": 7 * 7 * 3 * 8 + 8,
        "stem_norm": 16,
        "residual18": (9 * 8 * 18 + 18) + (9 * 18 * 18 + 18) + 2 * 36 + (8 * 18 + 18),
        "residual28": (9 * 18 * 28 + 28) + (9 * 28 * 28 + 28) + 2 * 56 + (18 * 28 + 28),
        "attended": (9 * 28 * 28 + 28)
        + 56
        + 2 * 28
        + 9 * 2
        + 3 * (28 * 28 + 28)
        + (9 * 28 * 8 + 8)
        + 16
        + (28 * 8 + 8),
        "fc0": 392 * 64 + 64,
        "fc1": 64 * 64 + 64,
        "out": 64 * 3 + 3,
    }


def test_self_attention_is_a_softmax_over_all_places_times_the_values():
    query, key, value = RNG.normal(size=(3, 2, 4, 4, 2))
    s = [np.sin(1.0), np.cos(1.0), np.sin(10000 ** (-1 / 4)), np.cos(10000 ** (-1 / 4))]
    code = np.array([[s[i] + s[j] for j in range(4)] for i in range(4)])
    np.testing.assert_allclose(position_code(4), code, rtol=1e-6)
    ours = self_attention(*(x.astype(np.float32) for x in (query, key, value)))
    for c, b in np.ndindex(2, 2):
        q, k, v = query[c, ..., b], key[c, ..., b], value[c, ..., b]
        weights = np.exp(q @ k.T + q @ code.T)
        np.testing.assert_allclose(ours[c, ..., b], weights / weights.sum() * v, rtol=1e-4)


def in_torch(layers, x):
    torch, f = layers.torch, layers.functional

    def block(x, part, n):
        return f.relu(layers.norm(layers.conv(x, part, f"conv{n}", padding=1), part, f"norm{n}"))

    x = layers.norm(f.relu(layers.conv(x, "stem", stride=2, padding=3)), "stem_norm")
    assert x.shape[1:] == (8, 56, 56)
    for part in ("residual18", "residual28"):
        x = f.max_pool2d(block(block(x, part, 1), part, 2) + layers.conv(x, part, "input"), 2)
    assert x.shape[1:] == (28, 14, 14)
    part = "attended"
    y = block(x, part, 1)
    down, up = (layers.params[part][f"channels_{name}"] for name in ("down", "up"))
    pooled = f.adaptive_avg_pool2d(y, 1), f.adaptive_max_pool2d(y, 1)
    hidden = (f.relu(f.conv2d(p, down[None, :, None, None])) for p in pooled)
    y = y * torch.sigmoid(sum(f.conv2d(h, up[:, None, None, None]) for h in hidden))
    places = torch.cat([y.mean(1, keepdim=True), y.max(1, keepdim=True).values], 1)
    y = y * torch.sigmoid(layers.conv(places, part, "places", padding=1))
    q, k, v = (layers.conv(y, part, name) for name in ("query", "key", "value"))
    s = torch.tensor([(math.sin, math.cos)[i % 2](1 / 10000 ** (i // 2 / 14)) for i in range(14)], dtype=x.dtype)
    scores = torch.matmul(q, k.transpose(2, 3)) + torch.matmul(q, (s[:, None] + s).T)
    y = torch.softmax(scores.flatten(2), 2).view(scores.shape) * v
    x = f.max_pool2d(block(y, part, 2) + layers.conv(x, part, "input"), 2).flatten(1)
    assert x.shape[1] == 392
    for name in ("fc0", "fc1"):
        x = f.relu(layers.linear(x, name))
    return layers.linear(x, "out")


@pytest.mark.long
def test_scores_equal_pytorchs():
    scores_agree(OffTANet(3), in_torch, IMAGES)


@pytest.mark.long
def test_a_training_step_equals_pytorchs():
    training_step_agrees(OffTANet(3), in_torch, IMAGES)
