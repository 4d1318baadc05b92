"""How long a counted program would take on a device: estimates, by the device's published figures."""

from dataclasses import dataclass
from typing import NamedTuple

from merjax.engine.counting.kernels import Kernel, Program
from merjax.system.accelerators import Accelerator

_LAUNCH = {"gpu": 3e-6, "tpu": 1e-6}  # seconds to start a kernel
_LOOP_END = {"gpu": 10e-6, "tpu": 1e-6}  # seconds until the host of a GPU has read a loop's end


class Roofline(NamedTuple):
    """The parts of a step's time if all kernels reached the device's peaks, in seconds.

    Attributes:
        moving: its bytes at the peak bandwidth.
        computing: its products at the peak rates.
        launching: starting its kernels, one after another.
        waiting: for the ends of loops that the host must read.
    """

    moving: float
    computing: float
    launching: float
    waiting: float

    @property
    def total(self) -> float:
        """The step: the longer of moving and computing, which overlap, and the other parts."""
        return max(self.moving, self.computing) + self.launching + self.waiting


def roofline(program: Program, on: Accelerator) -> Roofline:
    """A step's time by roofline and launches."""
    return Roofline(
        program.bytes / on.bandwidth,
        sum(k.times * k.flops / _peak(k, on) for k in program.kernels),
        program.launches * _LAUNCH[on.platform],
        program.open_turns * _LOOP_END[on.platform],
    )


@dataclass(frozen=True)
class Expected:
    """Seconds that something would take.

    Attributes:
        likely: the estimate.
        least, most: the range in which it is expected.
    """

    likely: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def __add__(self, other: "Expected") -> "Expected":
        return Expected(self.likely + other.likely, self.least + other.least, self.most + other.most)

    def __mul__(self, times: float) -> "Expected":
        return Expected(self.likely * times, self.least * times, self.most * times)


# The one accelerator that merjax's programs were timed on is an H200 (benchmarks/README.md). There, seven steps of 158 to 9,552
# kernels took .85 to 1.24 times what these figures give for their totals.
_REACHED = 0.5  # share of the peak bandwidth that kernels reach
_REACHED_BY_CUDNN = 0.05  # and convolutions by cuDNN, which takes run after run
_STARTED = {"gpu": 2e-6, "tpu": 1e-6}  # seconds from one kernel to the next
_READ = {"gpu": 4e-6, "tpu": 1e-6}  # seconds until a loop's end is read
_CALL = 2e-3  # seconds of a call beside its steps
_MOST = 2.0  # times the likely time: nothing was timed on any other device
_GRAPHS = 1e-6  # seconds from one kernel to the next where they are started as a graph


def step_time(program: Program, on: Accelerator, steps_per_call: int) -> Expected:
    """A step as it is expected, with its share of a call: likely, by what an H200 reached; at least, if all kernels reach the
    peaks."""
    likely = sum(k.times * (_kernel_time(k, on) + _STARTED[on.platform]) for k in program.kernels)
    likely += program.open_turns * _READ[on.platform] + _CALL / steps_per_call
    peaks = roofline(program, on)
    least = max(peaks.moving, peaks.computing) + program.launches * _GRAPHS
    return Expected(max(likely, least), least, _MOST * max(likely, least))


def _kernel_time(k: Kernel, on: Accelerator) -> float:
    by_cudnn = on.platform == "gpu" and k.kind.startswith(("__cudnn", "conv_general_dilated"))
    reached = _REACHED_BY_CUDNN if by_cudnn else _REACHED
    return max(k.bytes / (reached * on.bandwidth), k.flops / _peak(k, on))


def _peak(kernel: Kernel, on: Accelerator) -> float:
    return {"bfloat16": on.bfloat16, "rounded": on.rounded, "float32": on.float32}[kernel.unit]
