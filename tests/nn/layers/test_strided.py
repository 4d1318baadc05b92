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


# size of the kernel, side of the image, stride, padding, dilation
SHAPES = [
    (7, 16, 2, (3, 3), 1),
    (3, 12, 1, (1, 1), 1),
    (5, 14, 2, (1, 2), 1),
    (3, 7, 2, (1, 1), 1),
    (1, 9, 2, (0, 0), 1),
    (3, 28, 3, (3, 3), 3),
    (3, 11, 1, (2, 2), 2),
]


# few channels have a form of their own, in blocks, only where windows lie more than a pixel apart
@pytest.mark.parametrize(
    ("channels", "size", "side", "stride", "padding", "dilation"),
    [
        *((6, *shape) for shape in SHAPES),
        *(pytest.param(3, *shape, marks=[] if n in (0, 2, 3) else pytest.mark.long) for n, shape in enumerate(SHAPES)),
    ],
)
def test_it_equals_lax(monkeypatch, channels, size, side, stride, padding, dilation):
    monkeypatch.setattr(strided, "_COLUMNS", 40)  # two rows of ten outputs for two samples
    x = RNG.normal(size=(channels, side, side, 2)).astype(np.float32)
    kernel = RNG.normal(size=(size, size, channels, 4)).astype(np.float32)
    y = jax.eval_shape(lambda x, kernel: plain(x, kernel, stride, padding, dilation), x, kernel)
    pull = RNG.normal(size=y.shape).astype(np.float32)

    def output_and_gradients(convolve):
        def f(x, kernel, pull):
            y, transpose = jax.vjp(lambda x, kernel: convolve(x, kernel, stride, padding, dilation), x, kernel)
            return y, *transpose(pull)

        return jax.jit(f, compiler_options=compiler_options())(x, kernel, pull)

    both = (output_and_gradients(f) for f in (strided_convolve, plain))
    for ours, theirs, atol in zip(*both, (1e-4, 1e-3, 1e-3), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=atol)


def test_runs_that_share_their_images_give_each_its_own_gradient():
    """The kernels have an axis of runs, the images have none and need no gradient."""
    x = RNG.normal(size=(3, 8, 8, 2)).astype(np.float32)
    kernels = RNG.normal(size=(2, 3, 3, 3, 4)).astype(np.float32)

    def loss(convolve):
        return lambda kernel: (convolve(x, kernel, 1, (1, 1)) ** 2).sum()

    together = jax.jit(jax.vmap(jax.grad(loss(strided_convolve))))(kernels)
    alone = jax.jit(jax.grad(loss(plain)))
    for own, kernel in zip(together, kernels, strict=True):
        np.testing.assert_allclose(own, alone(kernel), rtol=1e-3, atol=1e-3)


def test_only_a_cpu_works_in_strips_also_where_the_device_is_not_here():
    """The windows of all 38 x 38 outputs are laid out at once for a GPU, in strips for the CPU of this machine."""
    x, kernel = jnp.zeros((6, 40, 40, 8)), jnp.zeros((3, 3, 6, 4))

    def program() -> str:
        return str(jax.make_jaxpr(lambda x, kernel: strided_convolve(x, kernel))(x, kernel))

    assert "f32[9,6,38,38,8]" not in program()
    with traced_for("gpu"):
        assert "f32[9,6,38,38,8]" in program()
