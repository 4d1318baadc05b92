"""HTNet: its parameters, and the network against the published one in PyTorch, queries and keys included."""

import numpy as np
import pytest
from support.torch_layers import Layers, drawn, parameters_of, training_step_agrees

from merjax.nn.htnet import HEADS, HTNet, patches, queries_and_keys

RNG = np.random.default_rng(0)
X_CxHxWxB = RNG.uniform(0, 255, (3, 28, 28, 5)).astype(np.float32)
SMALL = HTNet(3, dim=8, repeats=1)


@pytest.mark.parametrize(
    ("dim", "repeats", "published"),
    [
        (56, 10, 6_639_702),
        (56, 8, 5_445_334),
        (192, 8, 64_473_222),
        (256, 8, 114_429_446),
        (256, 10, 139_582_982),
    ],
)
def test_with_queries_and_keys_it_has_the_published_parameters(dim, repeats, published):
    assert parameters_of(HTNet(3, dim, repeats), 3, 28, 28) + queries_and_keys(dim, repeats) == published


def test_so_many_weights_are_queries_and_keys():
    assert (queries_and_keys(56, 10), queries_and_keys(256, 10)) == (1_028_160, 22_195_200)


def test_a_patch_holds_its_pixels_by_row_column_and_channel():
    whole = patches(X_CxHxWxB)
    assert whole.shape == (147, 4, 4, 5)
    for i, j in ((0, 0), (1, 3)):
        patch = X_CxHxWxB[:, 7 * i : 7 * i + 7, 7 * j : 7 * j + 7, 2]
        np.testing.assert_array_equal(whole[:, i, j, 2], patch.transpose(1, 2, 0).ravel())


def attention(layers, x, name, heads, queries_keys):
    """Over the tokens of a block, as published: softmax(q k / sqrt(d)) v."""
    torch = layers.torch
    tokens, (blocks, channels) = 1, (len(x), x.shape[1])
    width = channels // heads
    v = layers.conv(x, name, "values")
    q, k = (layers.functional.conv2d(x, weights[:, :, None, None]) for weights in queries_keys)
    q, k, v = (t.reshape(blocks, heads, width, tokens).transpose(2, 3) for t in (q, k, v))
    weights = (q @ k.transpose(2, 3) * width**-0.5).softmax(-1)
    out = (weights @ v).transpose(2, 3).reshape(blocks, heads * width, 1, 1)
    assert torch.isfinite(out).all()
    return layers.conv(out, name, "out")


def in_torch(repeats, all_queries_keys=None):
    """The published network; queries and keys are drawn, and kept in the list if one is given."""

    def network(layers, x):
        torch, f, rng = layers.torch, layers.functional, np.random.default_rng(3)
        batch, _, side, _ = x.shape
        x = x.reshape(batch, 3, side // 7, 7, side // 7, 7).permute(0, 3, 5, 1, 2, 4).reshape(batch, -1, 4, 4)
        x = layers.conv(x, "patches")
        for level, depth in enumerate((2, 2, repeats)):
            channels, places = x.shape[1:3]
            # blocks of one patch each
            x = x.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1) + layers.params[f"position{level}"]
            for layer in range(depth):
                name, heads = f"level{level}_{layer}", HEADS * 2**level
                inner = channels // heads * heads
                own = [torch.tensor(rng.normal(size=(inner, channels))).requires_grad_() for _ in range(2)]
                if all_queries_keys is not None:
                    all_queries_keys.extend(own)
                x = attention(layers, layers.layer_norm(x, name, "norm_attention"), name, heads, own) + x
                wide = f.gelu(layers.conv(layers.layer_norm(x, name, "norm_widen"), name, "widen"))
                x = layers.conv(wide, name, "narrow") + x
            x = x.reshape(batch, places, places, channels).permute(0, 3, 1, 2)
            if level < 2:
                x = layers.layer_norm(layers.conv(x, f"join{level}", padding=1), f"join{level}_norm")
                x = f.max_pool2d(x, 3, 2, 1)
        return layers.linear(layers.layer_norm(x, "norm").mean((2, 3)), "fc")

    return network


@pytest.mark.long
def test_a_training_step_equals_the_published_networks():
    training_step_agrees(SMALL, in_torch(1), X_CxHxWxB)


def test_queries_and_keys_have_a_gradient_of_exactly_zero():
    """Why they are left out: nothing that they hold reaches the scores, and no training would move them."""
    torch = pytest.importorskip("torch")
    variables, queries_keys = drawn(SMALL, X_CxHxWxB), []
    layers = Layers(variables["params"], {}, training=True)
    x = torch.tensor(X_CxHxWxB.astype(float)).permute(3, 0, 1, 2)
    scores = in_torch(1, queries_keys)(layers, x)
    layers.functional.cross_entropy(scores, torch.tensor([0, 1, 2, 0, 1])).backward()
    assert len(queries_keys) == 2 * 5
    assert sum(weights.numel() for weights in queries_keys) == queries_and_keys(8, 1)
    for weights in queries_keys:
        assert (weights.grad == 0).all()
    assert all((leaf.grad != 0).any() for leaf in (layers.params["fc"]["kernel"], layers.params["patches"]["kernel"]))
