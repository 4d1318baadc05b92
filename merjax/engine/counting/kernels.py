"""The kernels and loops of a compiled program: what runs outside fusions, as often as the loops around it turn."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from merjax.engine.counting.hlo import Instruction, Module, parse
from merjax.engine.counting.products import Unit, flops, unit_of
from merjax.engine.counting.sources import Sources
from merjax.engine.counting.traffic import bytes_moved

# What starts nothing on the device, or what something else has started already
_FREE = frozenset(
    (
        *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "opt-barrier", "partition-id"),
        *("replica-id", "add-dependency", "copy-done", "async-done", "async-update", "domain", "get-dimension-size"),
        *("slice-done", "dynamic-slice-done", "dynamic-update-slice-done", "all-reduce-done"),
        "rng-get-and-update-state",
    )
)
# Single numbers that these make belong to loops and addresses: the unit that starts kernels computes them
_SCALAR = frozenset(
    (
        *("add", "subtract", "multiply", "compare", "select", "convert", "and", "or", "not", "minimum", "maximum"),
        *("divide", "remainder", "clamp"),
    )
)
_NOTES = frozenset(("AllocateBuffer", "Sharding", "AssumeGatherIndicesInBound"))  # custom calls that run nothing


class Kernel(NamedTuple):
    """One instruction that runs on the device.

    Attributes:
        kind: its opcode, or what it was compiled to.
        bytes: that one run of it moves.
        flops: of one run's products.
        unit: what they run on.
        times: runs of it per step.
        source: the line that it comes from.
        shape: of its first results.
    """

    kind: str
    bytes: float
    flops: float
    unit: Unit
    times: float
    source: str
    shape: str


class Loop(NamedTuple):
    """One loop.

    Attributes:
        source: the line that it comes from, or its name.
        turns: of one run of it; 1 for a loop whose end depends on data, which is the least that it costs.
        known: whether XLA knows its end; if not, the host of a GPU must read it at each turn.
        times: runs of it per step.
    """

    source: str
    turns: float
    known: bool
    times: float


class Program(NamedTuple):
    """What one step of a program does.

    Attributes:
        kernels: of one step.
        per_call: those outside the loop over steps, which run once for all steps of a call.
        loops: inside a step.
    """

    kernels: tuple[Kernel, ...]
    per_call: tuple[Kernel, ...]
    loops: tuple[Loop, ...]

    @property
    def launches(self) -> float:
        """Kernels that a step starts."""
        return sum(k.times for k in self.kernels)

    @property
    def bytes(self) -> float:
        """Bytes that the kernels of a step read from memory and write to it."""
        return sum(k.bytes * k.times for k in self.kernels)

    @property
    def flops(self) -> float:
        """Operations of a step's products."""
        return sum(k.flops * k.times for k in self.kernels)

    @property
    def open_turns(self) -> float:
        """Turns per step of loops whose end depends on data."""
        return sum(loop.turns * loop.times for loop in self.loops if not loop.known)


def count(text: str, *, one_step: bool = False) -> Program:
    """Count the kernels and loops of one step.

    Args:
        text: of the optimised module.
        one_step: whether the program is one step as it is; otherwise the loop of its entry whose end XLA does not know is the
            loop over a call's steps, of which one turn counts.
    """
    module = parse(text)
    walk = _Walk(module, Sources(text))
    found = list(walk.through(module.entry, 1.0, one_step, not one_step))
    kernels, per_call = ([k for k, in_step in found if in_step is wanted] for wanted in (True, False))
    return Program(tuple(kernels), tuple(per_call), tuple(walk.loops))


class _Walk:
    def __init__(self, module: Module, sources: Sources) -> None:
        self.module, self.sources = module, sources
        self.loops: list[Loop] = []

    def through(self, name: str, times: float, in_step: bool, outermost: bool) -> Iterator[tuple[Kernel, bool]]:
        """The kernels of a computation, and whether each is inside the loop over steps."""
        for i in self.module.computations[name].values():
            if i.opcode == "while":
                yield from self._loop(i, times, in_step, outermost)
            elif i.opcode == "call":
                yield from self.through(i.named("to_apply"), times, in_step, outermost)
            elif i.opcode == "conditional":
                branches = [list(self.through(b, times, in_step, False)) for b in _branches(i)]
                yield from max(branches, key=len, default=[])
            elif i.opcode == "async-start" and i.named("calls"):
                yield from self.through(i.named("calls"), times, in_step, False)
            elif not _is_free(i):
                yield self._kernel(name, i, times), in_step

    def _loop(self, i: Instruction, times: float, in_step: bool, outermost: bool) -> Iterator[tuple[Kernel, bool]]:
        end = _end(self.module, i)
        if end is None and outermost:
            yield from self.through(i.named("body"), times, True, False)
            return
        turns = 1.0 if end is None else float(end)
        if in_step:
            self.loops.append(Loop(self.sources.of(self.module, i) or i.name, turns, end is not None, times))
        yield from self.through(i.named("body"), times * turns, in_step, False)

    def _kernel(self, computation: str, i: Instruction, times: float) -> Kernel:
        module, work = self.module, flops(self.module, computation, i)
        return Kernel(
            _kind(module, i, work),
            bytes_moved(module, computation, i),
            work,
            unit_of(module, computation, i),
            times,
            self.sources.of(module, i),
            ", ".join(map(str, i.shape[:2])),
        )


def _is_free(i: Instruction) -> bool:
    alone = not any(array.dims for array in i.shape)
    return i.opcode in _FREE or (alone and i.opcode in _SCALAR) or i.target in _NOTES


def _branches(i: Instruction) -> list[str]:
    listed = re.search(r"branch_computations=\{([^}]*)\}", i.rest)
    named = re.findall(r"%([\w.\-]+)", listed[1]) if listed else []
    return named + re.findall(r"(?:true|false)_computation=%?([\w.\-]+)", i.rest)


def _end(module: Module, i: Instruction) -> int | None:
    """How often a loop turns, if XLA notes it, or if its counter is compared with a constant: scans count from 0 by ones."""
    noted = re.search(r'"known_trip_count":\{"n":"(\d+)"', i.rest)
    if noted:
        return int(noted[1])
    condition = module.computations.get(i.named("condition"), {})
    root = next((j for j in condition.values() if j.root), None)
    if root is None or root.opcode != "compare" or "direction=LT" not in root.rest:
        return None
    limit = condition.get(root.operands[1])
    written = limit.operands[0] if limit and limit.opcode == "constant" else ""
    return int(written) if written.isdigit() else None


def _kind(module: Module, i: Instruction, work: float) -> str:
    if i.target:
        return i.target
    if i.opcode != "fusion":
        return i.opcode
    inside = module.computations[module.fused(i)].values()
    compiled_to = re.search(r'"kind":"(__\w+)"', i.rest)
    if compiled_to:
        return compiled_to[1]
    if work:
        return "convolution fusion" if any(j.opcode == "convolution" for j in inside) else "dot fusion"
    kind = re.search(r"kind=k(\w+)", i.rest)
    return f"{kind[1].lower()} fusion" if kind else "fusion"
