"""The floating-point operations of products and convolutions: two for each multiply-add."""

import math
import re
from collections.abc import Iterable
from typing import Literal

from merjax.engine.counting.hlo import HloArray, Instruction, Module

# What products run on: bfloat16 units, float32 rounded by the unit, or float32
Unit = Literal["bfloat16", "rounded", "float32"]


def flops(module: Module, computation: str, instruction: Instruction) -> float:
    """Operations of an instruction and of what is fused into it; 0 if it multiplies no matrices."""
    total = _flops(module, computation, instruction)
    inside = module.fused(instruction)
    if inside:
        total += sum(_flops(module, inside, i) for i in module.computations[inside].values())
    return total


def unit_of(module: Module, computation: str, instruction: Instruction) -> Unit:
    """What the products of an instruction run on."""
    inside = module.fused(instruction)
    fused = [(inside, i) for i in module.computations[inside].values()] if inside else []
    for place, i in [*fused, (computation, instruction)]:
        if _flops(module, place, i):
            left = module.operand(place, i, 0)
            if left and left[0].dtype in ("bf16", "f16"):
                return "bfloat16"
            return "float32" if re.search("highest", i.rest, re.IGNORECASE) else "rounded"
    return "float32"


def _flops(module: Module, computation: str, i: Instruction) -> float:
    if i.opcode == "dot" or "gemm" in i.target or "cublas" in i.target:
        return _of_product(module, computation, i)
    if i.opcode == "convolution" or is_cudnn(i):
        return _of_convolution(module, computation, i)
    return 0.0


def is_cudnn(instruction: Instruction) -> bool:
    """Whether NVIDIA's cuDNN convolves here."""
    return "cudnn$conv" in instruction.target


def _of_product(module: Module, computation: str, i: Instruction) -> float:
    contracted = re.search(r'lhs_contracting_dim(?:ension)?s(?:"?[:=])(?:\{|\[)([0-9",]*)', i.rest)
    left = module.operand(computation, i, 0)
    if not contracted or not left:
        return 0.0
    axes = [int(axis) for axis in re.findall(r"\d+", contracted[1])]
    return 2.0 * math.prod(i.shape[0].dims) * math.prod(left[0].dims[axis] for axis in axes)


def _of_convolution(module: Module, computation: str, i: Instruction) -> float:
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", i.rest)
    shapes = [module.operand(computation, i, n)[:1] for n in (0, 1)]
    if not labels or not all(shapes):
        return 0.0
    (a,), (b,) = shapes
    if i.opcode == "convolution":
        return 2.0 * _multiply_adds(a, b, i.shape[0], labels, i.rest)
    # cuDNN's gradients name their operands by what they are, so that the result may be the kernel or the input
    kernel, y = b, i.shape[0]
    if "BackwardFilter" in i.target:
        kernel, y = i.shape[0], b
    elif "BackwardInput" in i.target:
        y = a
    return 2.0 * math.prod(y.dims) * math.prod(kernel.dims) / kernel.dims[labels[2].index("o")]


def _multiply_adds(x: HloArray, kernel: HloArray, y: HloArray, labels: re.Match, rest: str) -> float:
    """Of a convolution, without taps on padding and on holes: a TPU writes batched products as convolutions full of both."""
    window = dict(re.findall(r"(\w+)=([0-9x_-]+)", (re.search(r"window=\{([^}]*)\}", rest) or ["", ""])[1]))
    axes = "".join(sorted(c for c in labels[1] if c.isdigit()))

    def of(name: str, default: str) -> list[str]:
        return window[name].split("x") if name in window else [default] * len(axes)

    total = float(y.dims[labels[3].index("b")] * y.dims[labels[3].index("f")] * kernel.dims[labels[2].index("i")])
    settings = of("size", "1"), of("stride", "1"), of("pad", "0_0"), of("lhs_dilate", "1"), of("rhs_dilate", "1")
    for axis, size, stride, pad, holes, spread in zip(axes, *settings, strict=True):
        length, out = x.dims[labels[1].index(axis)], y.dims[labels[3].index(axis)]
        first, step = -int(pad.split("_")[0]), int(holes)
        places = (first + i * int(stride) + j * int(spread) for i in range(out) for j in range(int(size)))
        total *= _inside(places, step, length)
    return total


def _inside(places: Iterable[int], step: int, length: int) -> int:
    """How many places hold a value, of `length` values that stand `step` apart."""
    return sum(place >= 0 and place % step == 0 and place // step < length for place in places)
