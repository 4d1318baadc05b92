"""The accelerators that a sweep can be planned for without having one: their published figures."""

import re
from typing import Literal, NamedTuple

from merjax.system.errors import MerjaxError, meant


class GpuChip(NamedTuple):
    """What XLA must know of a GPU to compile for it.

    Attributes:
        compute_capability: its major and minor number.
        multiprocessors: how many there are.
        lanes: float32 units of each.
        clock_ghz: the boost clock.
        l2_bytes: of the second-level cache.
        shared_bytes: shared memory of a multiprocessor.
        block_bytes: the most of it that one block may ask for.
    """

    compute_capability: tuple[int, int]
    multiprocessors: int
    lanes: int
    clock_ghz: float
    l2_bytes: int
    shared_bytes: int
    block_bytes: int


class Accelerator(NamedTuple):
    """One kind of device, by its published figures.

    Attributes:
        name: as users write it.
        title: as its maker calls it.
        kind: how the name that JAX gives such a device begins.
        memory: bytes.
        bandwidth: of the memory, bytes a second.
        float32: FLOP/s of products of float32; on a TPU, which has none, in six passes of bfloat16.
        rounded: FLOP/s where the device may round the factors of float32 products (TF32, one pass of bfloat16).
        bfloat16: FLOP/s of products of bfloat16.
        chip: of a GPU; of a TPU, the name of the smallest topology that holds one.
    """

    name: str
    title: str
    kind: str
    memory: float
    bandwidth: float
    float32: float
    rounded: float
    bfloat16: float
    chip: GpuChip | str

    @property
    def platform(self) -> Literal["gpu", "tpu"]:
        """What JAX calls the kind of backend."""
        return "tpu" if isinstance(self.chip, str) else "gpu"


_MIB = 2**20
_HOPPER = GpuChip((9, 0), 132, 128, 1.98, 50 * _MIB, 233472, 232448)
_AMPERE = GpuChip((8, 0), 108, 64, 1.41, 40 * _MIB, 167936, 166912)
_VOLTA = GpuChip((7, 0), 80, 64, 1.53, 6 * _MIB, 98304, 98304)
_ADA = GpuChip((8, 9), 128, 128, 2.52, 72 * _MIB, 102400, 101376)

_RTX4090 = "NVIDIA GeForce RTX 4090, 24 GB"

ACCELERATORS = {
    a.name: a
    for a in (
        Accelerator(
            "h100", "NVIDIA H100 SXM, 80 GB", "NVIDIA H100", 84.94e9, 3.352e12, 66.9e12, 495e12, 989e12, _HOPPER
        ),
        Accelerator("h200", "NVIDIA H200, 141 GB", "NVIDIA H200", 151.4e9, 4.8e12, 66.9e12, 495e12, 989e12, _HOPPER),
        Accelerator(
            "a100", "NVIDIA A100 SXM, 80 GB", "NVIDIA A100", 85.1e9, 2.039e12, 19.5e12, 156e12, 312e12, _AMPERE
        ),
        Accelerator(
            "v100", "NVIDIA V100 SXM2, 16 GB", "Tesla V100", 16.94e9, 0.898e12, 15.7e12, 15.7e12, 15.7e12, _VOLTA
        ),
        Accelerator("rtx4090", _RTX4090, _RTX4090.partition(",")[0], 25.76e9, 1.008e12, 82.6e12, 82.6e12, 165e12, _ADA),
        Accelerator("v5e", "TPU v5e, 16 GB", "TPU v5 lite", 16.9e9, 0.819e12, 197e12 / 6, 197e12, 197e12, "v5e:2x2"),
        Accelerator("v4", "TPU v4, 32 GB", "TPU v4", 34.4e9, 1.228e12, 275e12 / 6, 275e12, 275e12, "v4:2x2x1"),
    )
}


class Machine(NamedTuple):
    """A machine to plan for: one or several devices of one kind."""

    accelerator: Accelerator
    devices: int

    def __str__(self) -> str:
        return self.accelerator.title if self.devices == 1 else f"{self.devices} x {self.accelerator.title}"


def read_machine(written: str) -> Machine:
    """The machine that is written as `h100`, or as `4xa100` for four devices.

    Raises:
        MerjaxError: there is no such device, several kinds are named, or the number is out of range.
    """
    said = written.strip().casefold()
    if re.search(r"[,;+\s]", said):
        raise MerjaxError(
            f"--for {written}: runs are spread evenly over devices of one kind; name one kind, such as 4xa100"
        )
    count, name = _parts(said)
    if name not in ACCELERATORS:
        turned = re.fullmatch(r"(.+)x(\d+)", name)
        if turned and turned[1] in ACCELERATORS:
            raise MerjaxError(f"--for {written}: write the number first, as {turned[2]}x{turned[1]}")
        near = meant(name, ACCELERATORS) or f"; write any of {', '.join(ACCELERATORS)}, or a number of them as 4xa100"
        raise MerjaxError(f'--for {written}: there are no figures of a device "{name}"{near}')
    if count and not 1 <= int(count[:9]) <= _MOST:
        raise MerjaxError(f"--for {written}: write a number of devices from 1 to {_MOST}")
    return Machine(ACCELERATORS[name], int(count or 1))


def is_machine(word: str) -> bool:
    """Whether a word names a machine that can be planned for."""
    return _parts(word.strip().casefold())[1] in ACCELERATORS


def _parts(said: str) -> tuple[str | None, str]:
    """The number of devices, if it is said, and their kind."""
    count, name = re.fullmatch(r"(?:(\d+)x)?(.*)", said, re.DOTALL).groups()  # type: ignore[union-attr]  # it matches all
    return count, name


_MOST = 256  # devices of one machine or pod slice
