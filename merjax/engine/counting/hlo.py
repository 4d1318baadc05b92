"""Reads the text of an optimised HLO module: its computations and their instructions.

JAX hands out compiled programs as this text only; its classes for HLO show no operands and no layouts.
"""

import math
import re
from typing import NamedTuple


class HloArray(NamedTuple):
    """One array of a shape.

    Attributes:
        dtype: as XLA writes it: f32, s8, pred.
        dims: its lengths.
        bytes: as it is laid out.
        in_memory: whether it lies in the device's main memory, not in a TPU's scratch memory.
    """

    dtype: str
    dims: tuple[int, ...]
    bytes: int
    in_memory: bool

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.dims))}]"


class Instruction(NamedTuple):
    """One line of a computation.

    Attributes:
        name: by which others name it as an operand.
        shape: its arrays; several for a tuple.
        opcode: what it does.
        operands: names of instructions; of a parameter or a constant, the text in its brackets.
        rest: what is written after the operands.
        root: whether it is what the computation gives.
    """

    name: str
    shape: tuple[HloArray, ...]
    opcode: str
    operands: tuple[str, ...]
    rest: str
    root: bool

    def named(self, attribute: str) -> str:
        """The computation that an attribute such as `body=` names; "" if there is none."""
        found = re.search(rf"\b{attribute}=%?([\w.\-]+)", self.rest)
        return found[1] if found else ""

    @property
    def target(self) -> str:
        """What a custom call calls; "" for other instructions."""
        found = re.search(r'custom_call_target="([^"]*)"', self.rest)
        return found[1] if found else ""


class Module(NamedTuple):
    """A compiled program.

    Attributes:
        text: all of it.
        computations: their instructions by name, in order, by the computation's name.
        entry: the name of the one that is run.
    """

    text: str
    computations: dict[str, dict[str, Instruction]]
    entry: str

    def operand(self, computation: str, instruction: Instruction, number: int) -> tuple[HloArray, ...]:
        """The arrays of an instruction's operand; none if it is not an instruction of the computation."""
        if number >= len(instruction.operands):
            return ()
        found = self.computations[computation].get(instruction.operands[number])
        return found.shape if found else ()

    def fused(self, instruction: Instruction) -> str:
        """The computation that a fusion runs as one kernel; "" for other instructions."""
        return instruction.named("calls") if instruction.opcode == "fusion" else ""


def parse(text: str) -> Module:
    """The module that a text describes, as `jax.stages.Compiled.as_text` gives it."""
    computations: dict[str, dict[str, Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head and not line.startswith("HloModule"):
            current = computations.setdefault(head[2], {})
            entry = head[2] if head[1] else entry
        elif current is not None and (found := _LINE.match(line)):
            instruction = _instruction(found[2], found[3], bool(found[1]))
            current[instruction.name] = instruction
    return Module(text, computations, entry)


_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) (\(.*\) -> .*)?\{")
_LINE = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
_ARRAY = re.compile(r"\b([a-z]+[0-9a-z]*)\[([0-9,<=]*)\](\{[^{}]*\})?")


def arrays(shape: str) -> tuple[HloArray, ...]:
    """The arrays of a written shape; those of a tuple one after another."""
    found = []
    for dtype, dims, layout in _ARRAY.findall(shape):
        sizes = tuple(int(d.strip("<=")) for d in dims.split(",") if d)
        in_memory = re.search(r"S\([1-9]\)", layout) is None
        found.append(HloArray(dtype, sizes, _bytes(dtype, sizes, layout), in_memory))
    return tuple(found)


def _instruction(name: str, body: str, root: bool) -> Instruction:
    """`f32[2]{0} add(%a, %b), metadata={...}` in parts."""
    end = _closing(body, 0) + 1 if body.startswith("(") else body.index(" ")
    shape, tail = body[:end], body[end:].lstrip()
    opening = tail.index("(")
    closing = _closing(tail, opening)
    opcode, inside = tail[:opening], re.sub(r"/\*.*?\*/", "", tail[opening + 1 : closing])
    literal = opcode in ("parameter", "constant")
    operands = (inside,) if literal else tuple(re.findall(r"%([\w.\-]+)", inside))
    return Instruction(name, arrays(shape), opcode, operands, tail[closing + 1 :], root)


def _closing(text: str, start: int) -> int:
    """The place of the bracket that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return len(text) - 1


_WIDTH = {"pred": 1.0, "token": 0.0, "opaque": 0.0, "c64": 8.0, "c128": 16.0}


def _bytes(dtype: str, dims: tuple[int, ...], layout: str) -> int:
    bits = re.search(r"\d+", dtype)
    width = _WIDTH.get(dtype, int(bits[0]) / 8 if bits else 4)
    tile = re.search(r"T\(([0-9,]+)\)", layout or "")
    order = re.match(r"\{([0-9,]+)", layout or "")
    if tile and order:  # a TPU rounds the minor dimensions up to tiles
        sizes, minor = list(dims), [int(axis) for axis in order[1].split(",")]
        for size, axis in zip(reversed([int(t) for t in tile[1].split(",")]), minor, strict=False):
            sizes[axis] = -(-sizes[axis] // size) * size
        dims = tuple(sizes)
    return int(math.prod(dims) * width)
