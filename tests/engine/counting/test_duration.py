"""Estimates of a step's time, by hand."""

import pytest

from merjax.engine.counting.duration import Expected, roofline, step_time
from merjax.engine.counting.kernels import Kernel, Loop, Program
from merjax.system.accelerators import ACCELERATORS

H100 = ACCELERATORS["h100"]
COPY = Kernel("loop fusion", H100.bandwidth / 1000, 0.0, "float32", 2.0, "", "")  # two of 1 ms
PRODUCT = Kernel("dot", 0.0, H100.float32 / 1000, "float32", 3.0, "", "")  # three of 1 ms
STEP = Program((COPY, PRODUCT), (), (Loop("", 10, False, 2), Loop("", 7, True, 1)))


def test_the_roofline_is_the_longer_of_moving_and_computing_with_launches_and_loop_ends():
    found = roofline(STEP, H100)
    assert found == pytest.approx((2e-3, 3e-3, 5 * 3e-6, 20 * 10e-6))
    assert found.total == pytest.approx(3e-3 + 15e-6 + 200e-6)
    assert roofline(STEP, ACCELERATORS["v5e"]).launching == pytest.approx(5e-6)


def test_products_on_other_units_take_their_rates():
    halves = STEP._replace(kernels=(PRODUCT._replace(unit="bfloat16"),))
    assert roofline(halves, H100).computing == pytest.approx(3e-3 * H100.float32 / H100.bfloat16)


def test_the_likely_time_is_the_sum_over_kernels_within_its_range():
    found = step_time(STEP, H100, steps_per_call=8)
    # copies at half the bandwidth, 2 us a launch, 4 us a loop end, 2 ms a call
    assert found.likely == pytest.approx(2 * 2e-3 + 3 * 1e-3 + 5 * 2e-6 + 20 * 4e-6 + 2e-3 / 8)
    assert found.least == pytest.approx(3e-3 + 5e-6)
    assert found.most == pytest.approx(2 * found.likely)


def test_more_is_never_expected_to_be_faster():
    slower = STEP._replace(kernels=(*STEP.kernels, COPY))
    for of in (lambda e: e.likely, lambda e: e.least, lambda e: e.most):
        assert of(step_time(slower, H100, 8)) > of(step_time(STEP, H100, 8))


def test_expected_times_add_up():
    assert Expected(2, 1, 3) * 10 + Expected(5, 5, 5) == Expected(25, 15, 35)
    assert sum([Expected(2, 1, 3)] * 3, Expected()) == Expected(6, 3, 9)


@pytest.mark.parametrize("kind", ["__cudnn$convForward", "conv_general_dilated"])  # after compilation and before
def test_convolutions_of_a_gpu_count_as_slow_as_they_were_measured(kind):
    def moving(kind, platform):
        on = ACCELERATORS[platform]
        one = Kernel(kind, on.bandwidth, 0.0, "float32", 1.0, "", "")  # a second at the peak
        return step_time(Program((one,), (), ()), on, 8).likely

    assert moving("loop fusion", "h100") == pytest.approx(2, rel=1e-3)
    assert moving(kind, "h100") == pytest.approx(20, rel=1e-3)
    assert moving(kind, "v4") == pytest.approx(2, rel=1e-3)
