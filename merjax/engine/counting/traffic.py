"""The bytes that a kernel reads from and writes to a device's main memory, as if no cache held any of them."""

from collections import defaultdict
from collections.abc import Iterable

from merjax.engine.counting.hlo import HloArray, Instruction, Module

_PICKS = {"dynamic-slice", "slice", "gather"}  # they read as much as they give
_THROUGH = {"bitcast", "reshape", "get-tuple-element"}


def bytes_moved(module: Module, computation: str, instruction: Instruction) -> float:
    """Bytes of operands and results. What is only sliced counts as the slice, what is updated in place as the update."""
    operands = [module.operand(computation, instruction, n) for n in range(len(instruction.operands))]
    if instruction.opcode in _PICKS:
        return 2 * _size(instruction.shape)
    if instruction.opcode == "dynamic-update-slice":
        return 2 * _size(operands[1])
    if instruction.opcode == "copy-start":
        return 2 * _size(instruction.shape[:1])
    if instruction.opcode == "custom-call":  # without its scratch, which is an array of bytes
        results = [a for a in instruction.shape if a.dtype not in ("s8", "u8") or len(instruction.shape) == 1]
        return _size(results) + sum(map(_size, operands))
    inside = module.fused(instruction)
    if not inside:
        return _size(instruction.shape) + sum(map(_size, operands))
    return _bytes_of_fusion(module.computations[inside], operands)


def _size(shape: Iterable[HloArray]) -> int:
    return sum(array.bytes for array in shape if array.in_memory)


def _bytes_of_fusion(body: dict[str, Instruction], operands: list[tuple[HloArray, ...]]) -> float:
    users: dict[str, list[Instruction]] = defaultdict(list)
    for instruction in body.values():
        if instruction.opcode != "parameter":
            for name in instruction.operands:
                users[name].append(instruction)
    parameters = {int(i.operands[0]): i for i in body.values() if i.opcode == "parameter"}
    reads = sum(_read(users, parameters[n].name, _size(s)) for n, s in enumerate(operands) if n in parameters)
    root = next(i for i in body.values() if i.root)
    in_memory = all(array.in_memory for array in root.shape)
    return reads + (_written(body, root) if in_memory else 0)


def _read(users: dict[str, list[Instruction]], name: str, whole: float) -> float:
    """How much of a value is used: all of it, unless every user picks a part."""
    total = 0.0
    for user in users[name]:
        if user.opcode in _THROUGH:
            total += _read(users, user.name, whole)
        elif user.opcode in _PICKS and user.operands[0] == name:
            total += _read(users, user.name, sum(array.bytes for array in user.shape))
        elif user.opcode == "dynamic-update-slice" and user.operands[0] == name:
            continue
        else:
            return whole
    return min(total, whole) if users[name] else whole


def _written(body: dict[str, Instruction], instruction: Instruction) -> float:
    """Bytes of what an instruction gives, or of the part of it that it renews in place."""
    if instruction.opcode == "tuple":
        return sum(_written(body, body[name]) for name in instruction.operands)
    if instruction.opcode in _THROUGH:
        before = body.get(instruction.operands[0])
        if before and before.opcode == "dynamic-update-slice":
            return _written(body, before)
    if instruction.opcode == "dynamic-update-slice":
        return sum(array.bytes for array in body[instruction.operands[1]].shape)
    return sum(array.bytes for array in instruction.shape)
