"""What layers are told that they are traced for."""

import pytest

from merjax.nn.layers.backend import on_cpu, on_gpu, traced_for


def test_the_platform_is_the_one_that_is_here_unless_another_is_named():
    assert on_cpu()  # of the tests
    with traced_for("gpu"):
        assert on_gpu()
        assert not on_cpu()
        with traced_for("cpu"):
            assert on_cpu()
        assert not on_cpu()
    assert on_cpu()


def test_after_an_error_it_is_as_before():
    with pytest.raises(ValueError, match="a fault"), traced_for("tpu"):
        raise ValueError("a fault")
    assert on_cpu()
