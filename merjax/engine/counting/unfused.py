"""A rough count of a program from its traced operations, for devices whose compiler is not installed.

Products, convolutions, reductions and moves of memory are taken for kernels. Element-wise work is taken to happen in the
kernel that reads it; where a product reads it or it is a result, a kernel of its own writes it. What is written stays in memory
until it is read for the last time.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jax.extend import core
from jax.extend.core import jaxprs_in_params

from merjax.engine.counting.kernels import Kernel, Loop, Program
from merjax.engine.counting.products import Unit


class Rough(NamedTuple):
    """What a traced program would do.

    Attributes:
        program: its kernels and loops.
        temporaries: the most bytes that it needs at a time beside its arguments.
    """

    program: Program
    temporaries: int


def count_traced(traced: core.ClosedJaxpr, unit: Unit = "float32") -> Rough:
    """Count the kernels of one step of a traced program, as `merjax.engine.counting.kernels.count` does.

    Args:
        traced: the program. A loop of it whose end is not known and that is in no other loop is the one over a call's steps.
        unit: what its products run on.
    """
    walk = _Walk(unit)
    peak = walk.through(traced.jaxpr, 1.0, False)
    kernels, per_call = ([k for k, in_step in walk.found if in_step is wanted] for wanted in (True, False))
    return Rough(Program(tuple(kernels), tuple(per_call), tuple(walk.loops)), peak)


_PRODUCTS = frozenset(("dot_general", "conv_general_dilated"))  # what they read must have been written
_PICKS = frozenset(("gather", "dynamic_slice"))  # they read as much as they give
_UPDATES = {
    "dynamic_update_slice": 1,
    "scatter": 2,
    "scatter-add": 2,
}  # in place; the number of the operand that is put there
_OTHERS = ("reduce", "arg", "cum", "sort", "random", "threefry")  # how the names of other kernels begin
_VIEWS = frozenset(("reshape", "squeeze", "expand_dims", "broadcast_in_dim", "transpose", "slice", "copy"))


@dataclass(frozen=True, eq=False)
class _Value:
    """One array; the same inner program may be called several times, and its values differ each time."""

    aval: Any

    @property
    def bytes(self) -> int:
        return math.prod(self.aval.shape) * getattr(self.aval.dtype, "itemsize", 8)  # 8: of random keys


class _Operation(NamedTuple):
    """An equation with the values that it takes and gives, without literals."""

    name: str
    eqn: core.JaxprEqn
    takes: tuple[_Value, ...]
    gives: tuple[_Value, ...]


def _flat(jaxpr: core.Jaxpr, inputs: Sequence[_Value | None]) -> tuple[list[_Operation], Sequence[_Value | None]]:
    """A program's operations, those of functions that it calls among them, and its results; None stands for a literal."""
    known: dict[Any, _Value | None] = dict(zip(jaxpr.invars, inputs, strict=True))
    known |= {v: _Value(v.aval) for v in jaxpr.constvars}
    found: list[_Operation] = []
    for eqn in jaxpr.eqns:
        takes = [known[v] if isinstance(v, core.Var) else None for v in eqn.invars]
        inner = list(jaxprs_in_params(eqn.params))
        gives: Sequence[_Value | None]
        if inner and _is_call(eqn.primitive.name) and len(inner[0].invars) == len(takes):
            inside, gives = _flat(inner[0], takes)
            found += inside
        else:
            gives = [_Value(v.aval) for v in eqn.outvars]
            found.append(_Operation(eqn.primitive.name, eqn, _values(takes), _values(gives)))
        known |= dict(zip(eqn.outvars, gives, strict=True))
    return found, [known[v] if isinstance(v, core.Var) else None for v in jaxpr.outvars]


def _values(values: Iterable[_Value | None]) -> tuple[_Value, ...]:
    return tuple(v for v in values if v is not None)


def _is_call(name: str) -> bool:
    return name not in ("scan", "while", "cond") and name not in _UPDATES and not name.startswith(_OTHERS)


class _Walk:
    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.found: list[tuple[Kernel, bool]] = []
        self.loops: list[Loop] = []

    def through(self, jaxpr: core.Jaxpr, times: float, in_step: bool) -> int:
        """Note the kernels of a program; returns the most bytes that it needs at a time beside its inputs."""
        memory = _Memory()
        operations, given = _flat(jaxpr, [_Value(v.aval) for v in jaxpr.invars])
        results = _values(given)
        for operation in operations:
            name = operation.name
            if name in ("scan", "while", "cond"):
                self._write(memory, operation.takes, times, in_step)
                memory.give(operation.gives, inside=self._inside(operation, times, in_step))
            elif name in _PRODUCTS | _PICKS or name in _UPDATES or name.startswith(_OTHERS):
                self._kernel(memory, operation, times, in_step)
            else:
                memory.pass_by(operation)
        self._write(memory, results, times, in_step)
        return memory.peak(results)

    def _inside(self, operation: _Operation, times: float, in_step: bool) -> int:
        """Walk through what a loop repeats, or through the last of the programs of which one is chosen."""
        name, params = operation.name, operation.eqn.params
        if name == "while":
            if in_step:
                self.loops.append(Loop(name, 1.0, False, times))
            return self.through(params["body_jaxpr"].jaxpr, times, True)
        turns = params["length"] if name == "scan" else 1
        if name == "scan" and in_step:
            self.loops.append(Loop(name, turns, True, times))
        return self.through(list(jaxprs_in_params(params))[-1], times * turns, in_step)

    def _kernel(self, memory: "_Memory", operation: _Operation, times: float, in_step: bool) -> None:
        name, eqn = operation.name, operation.eqn
        if name in _PRODUCTS:
            self._write(memory, operation.takes, times, in_step)
        moved = memory.read(operation.takes) + _bytes(operation.gives)
        if name in _PICKS:
            moved = 2 * _bytes(operation.gives)
        elif name in _UPDATES:
            moved = 2 * _Value(eqn.invars[_UPDATES[name]].aval).bytes
        self._note(name, moved, _flops(eqn), times, in_step, operation.gives)
        memory.give(operation.gives, in_place=name in _UPDATES)

    def _write(self, memory: "_Memory", values: Sequence[_Value], times: float, in_step: bool) -> None:
        """One kernel for all arrays that were only computed in passing until now."""
        passing = [v for v in dict.fromkeys(values) if v in memory.passing and not memory.passing[v].view]
        if arrays := [v for v in passing if v.aval.shape]:
            self._note("loop fusion", memory.read(arrays) + _bytes(arrays), 0.0, times, in_step, arrays)
        else:
            memory.read(values)
        memory.give(passing)

    def _note(
        self, kind: str, moved: float, flops: float, times: float, in_step: bool, results: Sequence[_Value]
    ) -> None:
        shape = ", ".join(v.aval.str_short() for v in results[:2])
        self.found.append((Kernel(kind, moved, flops, self.unit, times, "", shape), in_step))


class _Passing(NamedTuple):
    """What a value that is not written is computed from, and whether it is only another view of that."""

    leaves: tuple[_Value, ...]
    view: bool


class _Memory:
    """What of one program has been written, and until when it is needed."""

    def __init__(self) -> None:
        self.passing: dict[_Value, _Passing] = {}
        self.given: dict[_Value, int] = {}  # what was written, and when
        self.needed: dict[_Value, int] = {}  # until when
        self.inside: list[int] = []  # bytes that what happens then needs in itself
        self.now = 0

    def pass_by(self, operation: _Operation) -> None:
        leaves = tuple(dict.fromkeys(self._leaves(operation.takes)))
        view = operation.name in _VIEWS and all(self.passing[v].view for v in operation.takes if v in self.passing)
        self.passing |= {v: _Passing(leaves, view) for v in operation.gives}

    def read(self, values: Sequence[_Value]) -> int:
        """Bytes of what these values are computed from."""
        leaves = list(dict.fromkeys(self._leaves(values)))
        self.needed |= dict.fromkeys(leaves, self.now)
        return _bytes(leaves)

    def give(self, values: Sequence[_Value], inside: int = 0, in_place: bool = False) -> None:
        for value in values:
            self.passing.pop(value, None)
            if not in_place:
                self.given[value] = self.now
        self.inside.append(inside)
        self.now += 1

    def peak(self, results: Sequence[_Value]) -> int:
        """The most bytes that are needed at a time, without the results, which whoever runs the program counts."""
        self.needed |= dict.fromkeys(self._leaves(results), self.now)
        change, own = [0] * (self.now + 2), set(results)
        for value, when in ((v, when) for v, when in self.given.items() if v not in own):
            change[when] += value.bytes
            change[self.needed.get(value, when) + 1] -= value.bytes
        live, most = 0, 0
        for when in range(self.now):
            live += change[when]
            most = max(most, live + self.inside[when])
        return most

    def _leaves(self, values: Iterable[_Value]) -> Iterable[_Value]:
        for value in values:
            yield from self.passing[value].leaves if value in self.passing else (value,)


def _bytes(values: Iterable[_Value]) -> int:
    return sum(v.bytes for v in values)


def _flops(eqn: core.JaxprEqn) -> float:
    """Of products and convolutions: two for each multiply-add."""
    if eqn.primitive.name not in _PRODUCTS:
        return 0.0
    left, right, given = (_shape(v.aval) for v in (*eqn.invars[:2], eqn.outvars[0]))
    if eqn.primitive.name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return 2.0 * math.prod(given) * math.prod(left[axis] for axis in contracted)
    kernel_axes = eqn.params["dimension_numbers"].rhs_spec
    return 2.0 * math.prod(given) * math.prod(right) / right[kernel_axes[0]]


def _shape(aval: Any) -> tuple[int, ...]:
    return aval.shape
