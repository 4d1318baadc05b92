"""Convolution in strips against lax: values and both gradients, for strides, paddings and images of several strips."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from merjax.nn.layers import strided
from merjax.nn.layers.backend import traced_for
from merjax.nn.layers.strided import strided_convolve
from merjax.system.jax_setup import compiler_options

RNG = np.random.default_rng(0)


def plain(x_CxHxWxB, kernel_HWIO, stride, padding, dilation=1):
    layout = ("CHWN", "HWIO", "CHWN")
    return jax.lax.conv_general_dilated(
        x_CxHxWxB,
        kernel_HWIO,
        (stride, stride),
        (padding, padding),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=layout,
        precision="highest",
    )


@pytest.mark.parametrize(
    ("size", "side", "stride", "padding", "dilation"),
    [
        (7, 16, 2, (3, 3), 1),
        (3, 12, 1, (1, 1), 1),
        (5, 14, 2, (1, 2), 1),
        (3, 7, 2, (1, 1), 1),
        (1, 9, 2, (0, 0), 1),
        (3, 28, 3, (3, 3), 3),
        (3, 11, 1, (2, 2), 2),
    ],
)
@pytest.mark.parametrize("channels", [3, 6])
def test_it_equals_lax(monkeypatch, size, side, stride, padding, dilation, channels):
    monkeypatch.setattr(strided, "_COLUMNS", 40)  # two rows of ten outputs for two samples
    x = RNG.normal(size=(channels, side, side, 2)).astype(np.float32)
    kernel = RNG.normal(size=(size, size, channels, 4)).astype(np.float32)
    expected = plain(x, kernel, stride, padding, dilation)
    pull = RNG.normal(size=expected.shape).astype(np.float32)

    def pulled(convolve):
        f = jax.grad(lambda x, kernel: jnp.vdot(convolve(x, kernel, stride, padding, dilation), pull), (0, 1))
        return jax.jit(f, compiler_options=compiler_options())(x, kernel)

    np.testing.assert_allclose(strided_convolve(x, kernel, stride, padding, dilation), expected, rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(pulled(strided_convolve), pulled(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_runs_that_share_their_images_give_each_its_own_gradient():
    """The kernels have an axis of runs, the images have none and need no gradient."""
    x = RNG.normal(size=(3, 8, 8, 2)).astype(np.float32)
    kernels = RNG.normal(size=(2, 3, 3, 3, 4)).astype(np.float32)

    def loss(convolve):
        return lambda kernel: (convolve(x, kernel, 1, (1, 1)) ** 2).sum()

    together = jax.vmap(jax.grad(loss(strided_convolve)))(kernels)
    for own, kernel in zip(together, kernels, strict=True):
        np.testing.assert_allclose(own, jax.grad(loss(plain))(kernel), rtol=1e-3, atol=1e-3)


def test_only_a_cpu_works_in_strips_also_where_the_device_is_not_here():
    """The windows of all 38 x 38 outputs are laid out at once for a GPU, in strips for the CPU of this machine."""
    x, kernel = jnp.zeros((6, 40, 40, 8)), jnp.zeros((3, 3, 6, 4))

    def program() -> str:
        return str(jax.make_jaxpr(lambda x, kernel: strided_convolve(x, kernel))(x, kernel))

    assert "f32[9,6,38,38,8]" not in program()
    with traced_for("gpu"):
        assert "f32[9,6,38,38,8]" in program()
