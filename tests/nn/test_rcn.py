"""The RCN family: its parameters, and each network against the layers of its published code in PyTorch."""

import numpy as np
import pytest
from support.torch_layers import parameters_of, scores_agree, training_step_agrees

from merjax.nn.layers.pooling import adaptive_average, nearest, window_max
from merjax.nn.rcn import FLAWS, FORMS, RCN

X_CxHxWxB = np.random.default_rng(0).uniform(size=(3, 28, 28, 7)).astype(np.float32)
NORM = 2  # scale and bias of each map
# published counts include layers that the code makes and never calls: a 3x3 convolution with its normalisation in every dense
# block; in P a whole recurrent block, in C an embedding block, each of a 1x1 and a 3x3 convolution
SQUARE = {maps: maps * maps * 9 + maps + NORM * maps for maps in (64, 32)}
POINT = {maps: maps * maps + maps + NORM * maps for maps in (64, 32)}


@pytest.mark.parametrize(
    ("name", "at_64", "at_32", "squares", "points"),
    [
        ("rcn_a", 55_747, 15_331, 0, 0),
        ("rcn_s", 92_803, 24_643, 1, 0),
        ("rcn_w", 52_675, 13_795, 0, 0),
        ("rcn_p", 131_075, 33_539, 2, 1),
        ("rcn_c", 131_075, 33_539, 2, 1),
        ("rcn_f", 52_675, 13_795, 0, 0),
    ],
)
def test_parameters_are_those_of_the_published_code_that_it_uses(name, at_64, at_32, squares, points):
    for maps, pool, published in ((64, 7, at_64), (32, 5, at_32)):
        never_called = squares * SQUARE[maps] + points * POINT[maps]
        assert parameters_of(RCN(3, FORMS[name], maps, pool), 3, 28, 28) == published - never_called


def test_with_its_flaw_f_lacks_the_third_convolution():
    assert parameters_of(RCN(3, FORMS["rcn_f"], flaws=FLAWS), 3, 28, 28) == 52_195


def attended(layers, y, kernel_KxCxHxW):
    """SpatialAttentionBlock_P, a class at a time."""
    maps = []
    for kernel_CxHxW in kernel_KxCxHxW:
        m = (kernel_CxHxW * y).mean(1, keepdim=True)
        m = m - m.amin((2, 3), keepdim=True)
        maps.append(m / m.amax((2, 3), keepdim=True))
    return layers.torch.cat(maps, 1).mean(1, keepdim=True)


def in_torch(name, pool, twice=False):
    def network(layers, x):
        f, form = layers.functional, FORMS[name]
        kernel_KxCxHxW = layers.params["kernel"].permute(3, 0, 1, 2)

        def cells(y):
            return f.adaptive_avg_pool2d(y, pool)

        def convnorm(y, conv, norm, **shape):
            return f.relu(layers.norm(layers.conv(y, "block", conv, **shape), "block", norm))

        if form.head == "narrow":
            y = f.max_pool2d(f.relu(layers.norm(layers.conv(x, "head", "conv"), "head", "norm")), 2)
        else:
            wide, streams = form.head == "wide", []
            for i in ((1, 2, 2) if twice else (1, 2, 3)) if wide else (1, 3):
                y = layers.conv(x, "head", f"conv{i}", stride=3 if wide else 1, padding=i, dilation=i)
                y = layers.norm(f.relu(y), "head", f"norm{i}")
                streams.append(y if wide else f.max_pool2d(y, 3, 3, 1))
            y = layers.torch.cat(streams, 1)
        if form.attention == "input":
            seen = attended(layers, cells(x), kernel_KxCxHxW.mean(1, keepdim=True))
            y = f.interpolate(seen, y.shape[2:]) * y
        seen = attended(layers, cells(y), kernel_KxCxHxW)
        state = convnorm(y, "forward", "forward_norm")
        if form.attention == "block":
            state = f.interpolate(seen, state.shape[2:]) * state
        if form.dense:
            z = convnorm(y + state, "recurrent", "recurrent_norm", padding=1)
            e = convnorm(y + state + z, "recurrent", "recurrent_norm", padding=1)
            out = convnorm(y + state + z + e, "recurrent", "recurrent_norm", padding=1)
        else:
            out = convnorm(y + state, "recurrent", "recurrent_norm", padding=1)
            out = convnorm(y + out, "recurrent", "recurrent_norm", padding=1)
        out = cells(f.max_pool2d(out, 2))
        if form.attention == "first":
            out = out * seen
        return out.flatten(1) @ kernel_KxCxHxW.flatten(1).T + layers.params["bias"]

    return network


@pytest.mark.parametrize("name", ["rcn_a", pytest.param("rcn_f", marks=pytest.mark.long)])
def test_scores_equal_pytorchs(name):
    scores_agree(RCN(3, FORMS[name], 8, 7), in_torch(name, 7), X_CxHxWxB)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "pool"), [("rcn_a", 5), ("rcn_s", 7), ("rcn_w", 5), ("rcn_p", 7), ("rcn_c", 7), ("rcn_f", 5)]
)
def test_a_training_step_equals_pytorchs(name, pool):
    training_step_agrees(RCN(3, FORMS[name], 8, pool), in_torch(name, pool), X_CxHxWxB)


@pytest.mark.long
def test_with_its_flaw_a_training_step_equals_pytorchs_too():
    training_step_agrees(RCN(3, FORMS["rcn_f"], 8, 5, FLAWS), in_torch("rcn_f", 5, twice=True), X_CxHxWxB)


@pytest.mark.parametrize(("side", "cells"), [(6, 5), (6, 7), (5, 7), (28, 5), (5, 5)])
def test_adaptive_averages_are_the_means_of_overlapping_parts(side, cells):
    x = X_CxHxWxB[:, :side, :side]
    ours = adaptive_average(x, cells)
    parts = [slice(i * side // cells, -(-(i + 1) * side // cells)) for i in range(cells)]
    for i, rows in enumerate(parts):
        for j, columns in enumerate(parts):
            np.testing.assert_allclose(ours[:, i, j], x[:, rows, columns].mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 3, 1), (3, 1, 1), (3, 2, 1), (2, 2, 0)])
def test_a_windows_maximum_is_taken_inside_the_picture(size, stride, padding):
    x = -1 - X_CxHxWxB[:, :9, :10]
    ours = window_max(x, size, stride, padding)
    _, rows, columns, _ = ours.shape
    assert (rows, columns) == tuple((n + 2 * padding - size) // stride + 1 for n in (9, 10))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride - padding, j * stride - padding
            window = x[:, max(top, 0) : top + size, max(left, 0) : left + size]
            np.testing.assert_array_equal(ours[:, i, j], window.max((1, 2)))


def test_a_map_in_another_size_takes_the_nearest_cell():
    cells = np.arange(25.0).reshape(5, 5, 1)
    np.testing.assert_array_equal(nearest(cells, 10, 10)[..., 0], np.kron(cells[..., 0], np.ones((2, 2))))
