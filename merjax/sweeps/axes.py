"""Reads a sweep file's `axes` section; `merjax.sweeps.sweep_file` describes its syntax."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from merjax.config import read_settings
from merjax.system.errors import MerjaxError
from merjax.system.values import number, shown

_MOST_VALUES = 10_000  # of an axis; more are a slip of the pen


def points_of(content: Mapping[str, Any], source: str) -> list[tuple[str, dict[str, Any]]]:
    """The points that a sweep file's axes stand for, each with its values as text; a single empty point if there are no axes.

    Raises:
        MerjaxError: an axis is empty, a value does not fit its setting, a range is wrong, or axes to zip are not equally long.
    """
    asked = content.get("axes", {})
    if not isinstance(asked, Mapping):
        raise MerjaxError(f"{source}: axes is {shown(asked)}; write `key: [values]` lines, such as loss.gamma: [0, 2]")
    axes = {key: _values(key, axis, source) for key, axis in asked.items()}
    combine = content.get("combine", "product")
    if combine not in ("product", "zip"):
        raise MerjaxError(f"{source}: combine is {shown(combine)}; write product or zip")
    lengths = {key: len(values) for key, values in axes.items()}
    if combine == "zip" and len(set(lengths.values())) > 1:
        raise MerjaxError(f"{source}: axes to zip must be equally long, but they have {lengths} values")
    rows = list(zip(*axes.values(), strict=True) if combine == "zip" else itertools.product(*axes.values())) or [()]
    short = _short_keys(list(axes))
    names = [", ".join(f"{short[key]}={value.name}" for key, value in zip(axes, row, strict=True)) for row in rows]
    return [
        (name, {k: v for value in row for k, v in value.settings.items()})
        for name, row in zip(names, rows, strict=True)
    ]


class _Value(NamedTuple):
    """A value on an axis: its text in the name of a trial, and the settings that it stands for (of a section, several)."""

    name: str
    settings: dict[str, Any]


def _short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Each key's last part, or the whole key if another key ends in the same part."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return {key: part if last.count(part) == 1 else key for key, part in zip(keys, last, strict=True)}


def _values(key: str, axis: Any, source: str) -> list[_Value]:
    listed = axis if isinstance(axis, list | tuple) else _computed(key, axis, source)
    if not listed:
        raise _unlike_an_axis(key, axis, source)
    read = [read_settings({key: value}, source) for value in listed]
    return [_Value(_short(own.get(key, value)), own) for own, value in zip(read, listed, strict=True)]


def _computed(key: str, axis: Any, source: str) -> list[Any]:
    """The values of `{range: [first, last, step]}` or `{log: [first, last, how many]}`."""
    try:
        ((kind, (first, last, third)),) = ((kind, map(number, given)) for kind, given in axis.items())
    except (AttributeError, TypeError, ValueError):
        raise _unlike_an_axis(key, axis, source) from None
    if kind in ("log", "range") and first > last:
        raise MerjaxError(
            f"{source}: the axis {key} goes down from {first} to {last}; write {{{kind}: [{last}, {first}, {third}]}}"
        )
    if kind == "log" and 0 < first < last and third >= 2 and third == int(third):
        _refuse_endless(key, third, source)
        return [_rounded(v) for v in np.geomspace(first, last, int(third))]
    if kind == "range" and third > 0:
        _refuse_endless(key, (last - first) / third, source)
        values = np.arange(first, last + third * 1e-9, third).tolist()
        return [_rounded(v) if isinstance(first + third, float) else int(v) for v in values]
    raise _unlike_an_axis(key, axis, source)


def _refuse_endless(key: str, count: float, source: str) -> None:
    if count > _MOST_VALUES:
        raise MerjaxError(f"{source}: the axis {key} has {count:g} values; write at most {_MOST_VALUES}")


def _unlike_an_axis(key: str, axis: Any, source: str) -> MerjaxError:
    return MerjaxError(
        f"{source}: the axis {key} is {shown(axis) or 'empty'}; write a list of values, {{range: [first, last, step]}} with a "
        "step above 0, or {log: [first, last, how many]} with 0 < first < last and two values or more"
    )


def _rounded(value: float) -> float:
    """0.3 for 0.30000000000000004: the computed values of an axis enter a trial's identity and its name."""
    return float(f"{value:.6g}")


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else shown(value)
