"""The machines that a sweep can be planned for, as users write them."""

import pytest

from merjax.system.accelerators import ACCELERATORS, is_machine, read_machine
from merjax.system.errors import MerjaxError


@pytest.mark.parametrize(
    ("written", "name", "count"),
    [("h100", "h100", 1), ("4xa100", "a100", 4), (" 8xV5E ", "v5e", 8), ("1xrtx4090", "rtx4090", 1)],
)
def test_a_machine_is_a_device_or_a_number_of_them(written, name, count):
    machine = read_machine(written)
    assert (machine.accelerator.name, machine.devices) == (name, count)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("h10", 'no figures of a device "h10"; did you mean h100'),
        ("4090", "did you mean rtx4090?"),
        ("mi300", "write any of h100, h200, a100, v100, rtx4090, v5e, v4, or a number of them as 4xa100"),
        (
            "h100,a100",
            "--for h100,a100: runs are spread evenly over devices of one kind; name one kind, such as 4xa100",
        ),
        ("2xh100+a100", "name one kind"),
        ("A100x2", "--for A100x2: write the number first, as 2xa100"),
        ("0xa100", "write a number of devices from 1 to 256"),
        ("99999999999999999999xa100", "from 1 to 256"),
        ("x", 'no figures of a device "x"'),
        ("4xx100", 'no figures of a device "x100"'),
    ],
)
def test_what_is_no_machine_is_refused_in_a_sentence(written, sentence):
    with pytest.raises(MerjaxError) as refused:
        read_machine(written)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_figures_are_in_their_units():
    """Every device has more float32 operations a second than bytes a second, and less memory than it moves in a second."""
    for accelerator in ACCELERATORS.values():
        assert accelerator.memory < accelerator.bandwidth < accelerator.float32 <= accelerator.rounded
        assert accelerator.rounded <= accelerator.bfloat16


@pytest.mark.parametrize(
    ("word", "is_one"),
    [("v5e", True), ("4xA100", True), ("h10", False), ("4x", False), ("mine.yaml", False), ("seeds=1\n2", False)],
)
def test_a_word_is_a_machine_if_it_names_one(word, is_one):
    assert is_machine(word) is is_one
