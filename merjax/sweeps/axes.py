"""Reads a sweep file's `axes` section; `merjax.sweeps.sweep_file` describes its syntax."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from merjax.config import is_number
from merjax.system.errors import MerjaxError


def points_of(content: Mapping[str, Any], source: str) -> list[tuple[str, dict[str, Any]]]:
    """The points that a sweep file's axes stand for, each with its values as text; a single empty point if there are no axes.

    Raises:
        MerjaxError: an axis is empty, a range is wrong, or axes to zip have different lengths.
    """
    asked = content.get("axes") or {}
    if not isinstance(asked, Mapping):
        raise MerjaxError(f"{source}: axes is {asked!r}; write `key: [values]` lines, such as loss.gamma: [0, 2]")
    axes = {str(key): _values(key, axis, source) for key, axis in asked.items()}
    combine = content.get("combine", "product")
    if combine not in ("product", "zip"):
        raise MerjaxError(f'{source}: combine is "{combine}"; write product or zip')
    lengths = {key: len(values) for key, values in axes.items()}
    if combine == "zip" and len(set(lengths.values())) > 1:
        raise MerjaxError(f"{source}: axes to zip must be equally long, but they have {lengths} values")
    rows = list(zip(*axes.values(), strict=True) if combine == "zip" else itertools.product(*axes.values())) or [()]
    short = _short_keys(list(axes))
    points = [dict(zip(axes, row, strict=True)) for row in rows]
    return [(", ".join(f"{short[key]}={_short(value)}" for key, value in point.items()), point) for point in points]


def _short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Each key's last part, or the whole key if another key ends in the same part."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return {key: part if last.count(part) == 1 else key for key, part in zip(keys, last, strict=True)}


def _values(key: str, axis: Any, source: str) -> list[Any]:
    if isinstance(axis, list) and axis:
        return axis
    if isinstance(axis, dict) and len(axis) == 1:
        (kind, numbers), *_ = axis.items()
        if isinstance(numbers, list) and len(numbers) == 3 and all(map(is_number, numbers)):
            first, last, third = numbers
            if kind in ("log", "range") and first > last:
                raise MerjaxError(
                    f"{source}: the axis {key} goes down from {first} to {last}; write {{{kind}: [{last}, {first}, {third}]}}"
                )
            if kind == "log" and 0 < first < last and third >= 2 and third == int(third):
                return [_rounded(v) for v in np.geomspace(first, last, int(third))]
            if kind == "range" and third > 0:
                values = np.arange(first, last + third * 1e-9, third).tolist()
                return [_rounded(v) if isinstance(first + third, float) else int(v) for v in values]
    raise MerjaxError(
        f"{source}: the axis {key} is {axis!r}; write a list of values, {{range: [first, last, step]}} with a step above 0, "
        "or {log: [first, last, how many]} with 0 < first < last and two values or more"
    )


def _rounded(value: float) -> float:
    """0.3 for 0.30000000000000004: the computed values of an axis enter a trial's identity and its name."""
    return float(f"{value:.6g}")


def _short(value: Any) -> str:
    return (
        "+".join(map(str, value))
        if isinstance(value, list)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
